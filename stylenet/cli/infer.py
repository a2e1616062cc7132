"""The command that stylizes images and videos."""

import dataclasses
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from stylenet.cli.app import build, run
from stylenet.cli.infer_camera import show_camera
from stylenet.cli.infer_dials import read_dials, use_dials
from stylenet.cli.infer_inputs import (
    InputType,
    check_used,
    choose_target,
    find_input_type,
    read_background,
)
from stylenet.cli.infer_regions import load_regions, read_plan, read_regions
from stylenet.cli.interpolate import interpolate
from stylenet.cli.main import list_styles
from stylenet.cli.start import notice
from stylenet.errors import StyleNetError
from stylenet.files import find_inputs, user_path
from stylenet.image import LoadedImage, check_quality
from stylenet.inference import RegionMap, StylizeOptions, Stylizer, stylize_file
from stylenet.inference.files import name_result, plan_folder, save_result
from stylenet.inference.folder import describe_unread, stylize_all
from stylenet.inference.precision import choose_device
from stylenet.inference.region_plan import RegionPlan
from stylenet.ranks import read_launch
from stylenet.video import VideoOptions, stylize_video
from stylenet.video.mask_videos import MaskVideos
from stylenet.video.suffixes import VIDEO_SUFFIXES


def main() -> None:
    """Run ``stylenet infer``."""
    run(infer, "infer")


def infer(config: DictConfig) -> None:
    """Stylize an image, a folder of images, a video or a camera's stream.

    Args:
        config: configs/infer.yaml, composed.

    Raises:
        StyleNetError: The input, the checkpoint or the output is unusable.
        SystemExit: With status 1 if some of a folder's images failed.
    """
    if config.list:
        list_styles()
        return
    options = _read_options(config)
    video = _build_video(config)
    check_quality(config.quality)
    read_background(config)
    source = user_path(str(config.input))
    input_type = find_input_type(config)
    check_used(config, input_type, video)
    dials = read_dials(config, input_type)
    plan = read_plan(config)
    regions = read_regions(plan, input_type)
    if input_type is InputType.INTERPOLATION:
        options, _ = use_dials(None, dials, options, video)
        interpolate(config, source, options, _still(regions), _Progress("frame").show)
        return
    stylizer = _load(config, plan, regions)
    options, video = use_dials(stylizer, dials, options, video)
    if input_type is InputType.CAMERA:
        show_camera(config, stylizer, options, video, _still(regions))
    elif input_type is InputType.FOLDER:
        find_mask = None if plan is None else partial(_find_mask, plan, source, _still(regions))
        _stylize_folder(config, stylizer, source, options, find_mask)
    elif input_type is InputType.VIDEO:
        _stylize_video(config, stylizer, source, options, video, regions)
    else:
        _stylize_image(config, stylizer, source, options, _still(regions))


def _read_options(config: DictConfig) -> StylizeOptions:
    passes = list(config.passes) if OmegaConf.is_list(config.passes) else config.passes
    return StylizeOptions(
        config.size,
        config.strength,
        config.preserve_color,
        config.tile,
        passes=passes,
    )


def _build_video(config: DictConfig) -> VideoOptions:
    if not OmegaConf.is_dict(config.video):
        raise StyleNetError(
            f"video={config.video} is not an option. The options of videos are below it, such as "
            f"video.quality=22; the video itself is input=PATH."
        )
    return build(config.video)


def _find_mask(plan: RegionPlan, folder: Path, regions: RegionMap | None, path: Path) -> RegionMap:
    """Return the regions of an image of a folder: those of all images, or its own."""
    return regions or plan.for_image(path.relative_to(folder)).read()


def _still(regions: RegionMap | MaskVideos | None) -> RegionMap | None:
    assert not isinstance(regions, MaskVideos)  # only a video's regions may be videos
    return regions


def _stylize_image(
    config: DictConfig,
    stylizer: Stylizer,
    source: Path,
    options: StylizeOptions,
    mask: RegionMap | None,
) -> None:
    target = choose_target(config, source, stylizer.info.style)
    background = read_background(config)
    show = _Progress("tile").show
    with notice(f"stylizing {source.name}"):
        lost = stylize_file(
            stylizer, source, target, options, mask, config.quality, show, background
        )
    print(target, *(f"left out: {name}" for name in lost), sep="\n")


def _stylize_folder(
    config: DictConfig,
    stylizer: Stylizer,
    source: Path,
    options: StylizeOptions,
    find_mask: Callable[[Path], RegionMap] | None,
) -> None:
    """Stylize this rank's part of a folder and print a summary.

    Args:
        config: configs/infer.yaml, composed.
        stylizer: The network or networks.
        source: The folder.
        options: Options of each image.
        find_mask: Returns the regions of an image; ``None`` without masks.
    """
    style, background = stylizer.info.style, read_background(config)
    target = user_path(config.output or f"{source.name}_{style}")
    launch = read_launch()

    def name(path: Path) -> str:
        return name_result(path, style, str(config.name or "{name}"), config.format)

    def stylize(images: Sequence[LoadedImage], sources: Sequence[Path]) -> list[LoadedImage]:
        if find_mask is not None:
            masked = zip(images, map(find_mask, sources), strict=True)
            return [stylizer.stylize(image, options, mask) for image, mask in masked]
        return stylizer(images, **dataclasses.asdict(options))

    def save(image: LoadedImage, path: Path) -> list[str]:
        return save_result(image, path, config.quality, background)

    def stylize_animation(path: Path, result: Path) -> list[str]:
        mask = None if find_mask is None else find_mask(path)
        return stylize_file(stylizer, path, result, options, mask, config.quality)

    pairs, skipped = plan_folder(source, target, name, bool(config.overwrite), launch)
    with tqdm(total=len(pairs), unit="image", dynamic_ncols=True, disable=launch.rank > 0) as bar:
        report = stylize_all(pairs, stylize, save, stylize_animation, bar.update)
    print(
        f"{_count(report.done, 'image')} stylized in {target}"
        + (f" by process {launch.rank} of {launch.world_size}" if launch.world_size > 1 else "")
        + (f", {skipped} were there already (overwrite=true stylizes them)" if skipped else "")
    )
    for lost, paths in report.left_out.items():
        print(f"left out: {lost} of {_count(len(paths), 'image')} ({_first(paths[0].name, paths)})")
    if launch.rank == 0:
        _report_unread(source, target)
    if report.failures:
        print(f"{len(report.failures)} failed:", *report.failures, sep="\n  ", file=sys.stderr)
        raise SystemExit(1)


def _report_unread(source: Path, target: Path) -> None:
    """Print which files of a folder were left out: unread formats and videos."""
    unread = describe_unread(source, target)
    if unread is not None:
        print(unread)
    videos = find_inputs(source, target, VIDEO_SUFFIXES)
    if videos:
        were = "were" if len(videos) > 1 else "was"
        print(
            f"{_count(len(videos), 'video')} {were} left out ({_first(videos[0], videos)}); "
            f"stylize each by itself"
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def _first(name: object, items: Sequence[object]) -> str:
    return f"{name}, …" if len(items) > 1 else str(name)


def _stylize_video(
    config: DictConfig,
    stylizer: Stylizer,
    source: Path,
    options: StylizeOptions,
    video: VideoOptions,
    mask: RegionMap | MaskVideos | None,
) -> None:
    """Stylize a video and print a summary."""
    target = choose_target(config, source, stylizer.info.style)
    report = stylize_video(stylizer, source, target, options, video, mask=mask)
    print(f"{target}: {report.frames} frames, {report.fps:.1f} a second, {report.codec}")
    if report.resumed:
        print(f"the first {report.resumed} frames are from the interrupted run")
    for change in report.changes:
        print(change)
    for stream in report.left_out:
        print(f"left out: {stream}")
    if report.flicker is not None:
        print(report.flicker)


class _Progress:
    """Progress bar that appears only for more than one step."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._bar: tqdm | None = None

    def show(self, done: int, total: int) -> None:
        """Advance the bar; close it with the last step."""
        if self._bar is None:
            self._bar = tqdm(total=total, unit=self._unit, dynamic_ncols=True)
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._bar.close()
            self._bar = None  # another network or pass starts again


def _load(
    config: DictConfig, plan: RegionPlan | None, regions: RegionMap | MaskVideos | None
) -> Stylizer:
    """Load the network, or the network of each region, and print which style a region gets."""
    if plan is None or config.regions is None:
        return _load_network(config)
    stylizer = load_regions(config, plan, partial(_load_checkpoint, config))
    if isinstance(regions, RegionMap) and read_launch().rank == 0:
        print(plan.describe(regions, [part.info.style for part in stylizer.parts]))
    return stylizer


def _load_network(config: DictConfig) -> Stylizer:
    """Load the requested network on this rank's device, blended with another if requested."""
    style = None if config.style_name is None else str(config.style_name)
    path = None if config.checkpoint is None else str(config.checkpoint)
    stylizer = _load_checkpoint(config, path, style)
    if config.blend_with is None:
        return stylizer
    other = Stylizer.load(str(config.blend_with), str(stylizer.device), str(config.precision))
    return Stylizer.blend(stylizer, other, config.blend_weight)


def _load_checkpoint(config: DictConfig, path: str | Path | None, style: str | None) -> Stylizer:
    """Load a checkpoint, or the bundled network of a style, on this rank's device."""
    device, launch = str(config.device), read_launch()
    if device == "auto" and launch.world_size > 1 and choose_device("auto").type == "cuda":
        device = f"cuda:{launch.local_rank}"
    return Stylizer.load(
        path, device, str(config.precision), style, config.style_size, config.encoder_weights
    )
