"""The command that measures trained networks."""

import dataclasses
import statistics
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from stylenet.benchmark import describe_machine
from stylenet.benchmark.timing import alternate
from stylenet.cli.app import run
from stylenet.cli.contact_sheet import draw_sheet, sheet_size
from stylenet.cli.evaluate_inputs import (
    Checkpoint,
    check_options,
    find_images_and_videos,
    load_checkpoints,
)
from stylenet.errors import StyleNetError, explain_out_of_memory
from stylenet.evaluation import (
    Row,
    Study,
    Summary,
    compare_with,
    compare_with_optimization,
    format_table,
    load_square,
    measure_defects,
    measure_flicker,
    measure_losses,
    measure_similarity,
    summarize,
    write_report,
)
from stylenet.evaluation.plot import draw_iterations
from stylenet.evaluation.recipe import loss_key
from stylenet.files import check_output, user_path
from stylenet.image import LoadedImage, save_image, to_image, to_tensor
from stylenet.image.formats import MAX_SIDES

# Warping errors by video, as in stylenet.evaluation.Summary; None for a video without motion.
_Flicker = dict[str, dict[str, float] | None]

_QUALITY = 90  # of the contact sheet, a JPEG
_WARMUP = 2


def main() -> None:
    """Run ``stylenet evaluate``."""
    run(evaluate, "evaluate")


def evaluate(config: DictConfig) -> None:
    """Measure networks on photos; print a table, write a report and a contact sheet.

    Args:
        config: configs/evaluate.yaml, composed.

    Raises:
        StyleNetError: An option is impossible, a checkpoint or all photos are unusable, or the
            machine runs out of memory.
        SystemExit: With status 1 if some photos or videos are unreadable.
    """
    with explain_out_of_memory(
        f"out of memory at size={config.size}. Use a smaller size, or encoder=lite."
    ):
        _evaluate(config)


def _evaluate(config: DictConfig) -> None:
    """Measure the networks, then image optimization; write each result at once."""
    check_options(config)
    output = user_path(config.output)
    check_output(output / "report.json")
    paths, videos = find_images_and_videos(config, output)
    checkpoints = load_checkpoints(config)
    _check_reference(config, checkpoints)
    _check_sheet(config, len(checkpoints) + 1, min(len(paths), config.sheet_photos))
    failures: list[str] = []
    rows, photos, columns = _measure_photos(config, checkpoints, paths, failures)
    flicker = _measure_videos(config, checkpoints, videos, failures)
    summaries = _summarize(config, checkpoints, rows, photos, flicker)
    if config.reference is not None:
        summaries = compare_with(str(config.reference), summaries)
    save_image(
        LoadedImage(draw_sheet(columns, config.size)), output / "contact_sheet.jpg", _QUALITY
    )
    studies: list[Study] = []

    def write() -> None:
        write_report(
            output / "report.json",
            rows,
            summaries,
            studies,
            options=OmegaConf.to_container(config, resolve=True),
            machine=describe_machine(checkpoints[0].stylizer.device),
            failures=failures,
        )

    write()
    if config.iterations:
        for result in _study(config, checkpoints, rows, photos):
            studies.append(result)
            write()  # each study takes minutes, and the next may be interrupted
        _plot(output / "iterations.png", studies)
    print(format_table(summaries, studies))
    for line in (line for result in studies for line in result.describe()):
        print(line)
    print(f"report: {output / 'report.json'}, {output / 'contact_sheet.jpg'}")
    if failures:
        print(f"{len(failures)} could not be used:", *failures, sep="\n  ", file=sys.stderr)
        raise SystemExit(1)


def _check_reference(config: DictConfig, checkpoints: Sequence[Checkpoint]) -> None:
    """Refuse a reference that is none of the checkpoints, or whose losses are not comparable."""
    if config.reference is None:
        return
    names = [checkpoint.name for checkpoint in checkpoints]
    if str(config.reference) not in names:
        raise StyleNetError(
            f"reference={config.reference} is none of the checkpoints. Give one of "
            f"{', '.join(names)}."
        )
    if len({loss_key(checkpoint.style) for checkpoint in checkpoints}) > 1:
        raise StyleNetError(
            "reference compares checkpoints in one style. Choose it: style=NAME, or style=custom "
            "style.image=PATH."
        )


def _check_sheet(config: DictConfig, columns: int, rows: int) -> None:
    """Refuse a contact sheet too large for JPEG, before any work."""
    width, height = sheet_size(columns, rows, config.size)
    if max(width, height) > MAX_SIDES["JPEG"]:
        raise StyleNetError(
            f"the contact sheet would have {width:,}x{height:,} pixels, but a JPEG has at most "
            f"{MAX_SIDES['JPEG']:,} each way. Set a smaller size or sheet_photos."
        )


def _measure_photos(
    config: DictConfig,
    checkpoints: Sequence[Checkpoint],
    paths: dict[str, Path],
    failures: list[str],
) -> tuple[list[Row], dict[str, Tensor], dict[str, list[Image.Image]]]:
    """Measure every checkpoint on every photo; its meters see the stylized photos, too.

    Returns:
        A row for each pair, the first photos as tensors (1, 3, H, W) by name, and the columns of
        the contact sheet by checkpoint, the photos' own under ``""``.
    """
    rows: list[Row] = []
    photos: dict[str, Tensor] = {}
    columns: dict[str, list[Image.Image]] = {
        "": [],
        **{checkpoint.name: [] for checkpoint in checkpoints},
    }
    for name, path in tqdm(paths.items(), unit="photo", dynamic_ncols=True):
        try:
            square = load_square(path, config.size)
        except StyleNetError as error:
            failures.append(" ".join(str(error).split()))
            continue
        photo = to_tensor(square).to(checkpoints[0].stylizer.device)
        is_shown = len(columns[""]) < config.sheet_photos
        if is_shown:
            columns[""].append(square)
        if len(photos) < max(1, config.iteration_photos):
            photos[name] = photo
        for checkpoint in checkpoints:
            stylized = checkpoint.stylize(photo)
            try:
                losses = measure_losses(checkpoint.criterion, stylized, photo)
            except StyleNetError as error:
                raise StyleNetError(f"{checkpoint.name} on {path}: {error}") from error
            checkpoint.grid.add(stylized)
            checkpoint.strokes.add(stylized, photo)
            rows.append(Row(checkpoint.name, name, losses, *measure_similarity(stylized, photo)))
            if is_shown:
                columns[checkpoint.name].append(to_image(stylized))
    if not rows:
        raise StyleNetError(
            f"photos={config.photos}: no photo can be used. The first: {failures[0]}"
        )
    return rows, photos, columns


def _measure_videos(
    config: DictConfig,
    checkpoints: Sequence[Checkpoint],
    videos: Sequence[Path],
    failures: list[str],
) -> dict[str, _Flicker]:
    """Return the warping errors of each checkpoint on each video."""
    flicker: dict[str, _Flicker] = {checkpoint.name: {} for checkpoint in checkpoints}
    for path in videos:
        for checkpoint in tqdm(checkpoints, unit="network", desc=path.name, dynamic_ncols=True):
            try:
                errors = measure_flicker(
                    checkpoint.stylizer, path, config.size, config.video_frames
                )
            except StyleNetError as error:
                failures.append(" ".join(str(error).split()))
                break
            flicker[checkpoint.name][str(path)] = (
                None if errors is None else dataclasses.asdict(errors)
            )
    return flicker


def _summarize(
    config: DictConfig,
    checkpoints: Sequence[Checkpoint],
    rows: Sequence[Row],
    photos: dict[str, Tensor],
    flicker: dict[str, _Flicker],
) -> list[Summary]:
    """Summarize each checkpoint, with its speed, which is measured here."""
    photo = next(iter(photos.values()))
    calls = [partial(checkpoint.stylize, photo) for checkpoint in checkpoints]
    timings = alternate(calls, config.repeats, _WARMUP, checkpoints[0].stylizer.device)
    return [
        Summary(
            checkpoint=checkpoint.name,
            style_images=checkpoint.style.images,
            photos=sum(row.checkpoint == checkpoint.name for row in rows),
            means=summarize(rows, checkpoint.name)
            | measure_defects(checkpoint.stylize, checkpoint.stylizer.device, checkpoint.grid)
            | {"wavelength": checkpoint.strokes.wavelength()},
            parameters=sum(weight.numel() for weight in checkpoint.stylizer.network.parameters()),
            precision=checkpoint.stylizer.precision,
            images_per_second=1 / timing.median,
            seconds_quartiles=timing.quartiles,
            flicker=flicker[checkpoint.name],
        )
        for checkpoint, timing in zip(checkpoints, timings, strict=True)
    ]


def _study(
    config: DictConfig,
    checkpoints: Sequence[Checkpoint],
    rows: Sequence[Row],
    photos: dict[str, Tensor],
) -> Iterator[Study]:
    """Compare the checkpoints with image optimization, once for each style."""
    groups: dict[str, list[Checkpoint]] = {}
    for checkpoint in checkpoints:
        groups.setdefault(loss_key(checkpoint.style), []).append(checkpoint)
    total = len(groups) * 2 * len(photos) * config.iterations
    with tqdm(total=total, unit="iteration", dynamic_ncols=True) as bar:
        for group in groups.values():
            objectives = {
                checkpoint.name: statistics.fmean(
                    row.losses["total"]
                    for row in rows
                    if row.checkpoint == checkpoint.name and row.photo in photos
                )
                for checkpoint in group
            }
            style, criterion = Path(group[0].style.images[0]).stem, group[0].criterion
            yield compare_with_optimization(
                style, photos, criterion, objectives, config.iterations, config.seed, bar.update
            )


def _plot(path: Path, studies: Sequence[Study]) -> None:
    """Plot the loss curves if Matplotlib is installed."""
    try:
        draw_iterations(path, studies)
    except ImportError:
        print("no plot, because Matplotlib is missing: pip install 'stylenet[benchmark]'")
    else:
        print(f"plot: {path}")
