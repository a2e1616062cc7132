"""Results of an evaluation as a table and as JSON."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from stylenet.evaluation.iterations import Study
from stylenet.files import atomic_path


@dataclass(frozen=True)
class Row:
    """Measures of one photo stylized by one checkpoint.

    Attributes:
        checkpoint: Name of the checkpoint.
        photo: Path of the photo relative to its folder.
        losses: See :func:`stylenet.evaluation.measures.measure_losses`.
        ssim: See :func:`stylenet.evaluation.measures.measure_similarity`.
        ms_ssim: See there; ``None`` for small photos.
    """

    checkpoint: str
    photo: str
    losses: Mapping[str, float]
    ssim: float
    ms_ssim: float | None

    def flat(self) -> dict[str, Any]:
        """Return all values by name, with the losses on the same level as the others."""
        names = {"checkpoint": self.checkpoint, "photo": self.photo}
        return {**names, **self.losses, "ssim": self.ssim, "ms_ssim": self.ms_ssim}


@dataclass(frozen=True)
class Summary:
    """Measures of one checkpoint over all photos and videos.

    Attributes:
        checkpoint: Name of the checkpoint.
        style_images: Style images of the style loss.
        photos: Number of photos.
        means: Mean of each value of the rows by name, the grids and halos of
            :func:`stylenet.evaluation.defects.measure_defects`, and ``wavelength``, see
            :meth:`stylenet.evaluation.strokes.StrokeMeter.wavelength`.
        parameters: Number of parameters.
        precision: Data type of the convolutions.
        images_per_second: Throughput at the photos' size, one at a time, from the median time.
        seconds_quartiles: First and third quartile of the time for one photo.
        flicker: Warping errors by video: ``source`` for the original, ``plain`` for frames
            stylized one by one, ``stylized`` for the stylized video; ``None`` for a video without
            two frames of one scene.
    """

    checkpoint: str
    style_images: Sequence[str]
    photos: int
    means: Mapping[str, float | None]
    parameters: int
    precision: str
    images_per_second: float
    seconds_quartiles: tuple[float, float]
    flicker: Mapping[str, Mapping[str, float] | None]

    def mean_flicker(self) -> float | None:
        """Return the mean warping error of the stylized videos."""
        errors = [report["stylized"] for report in self.flicker.values() if report]
        return statistics.fmean(errors) if errors else None


def summarize(rows: Sequence[Row], checkpoint: str) -> dict[str, float | None]:
    """Average the rows of a checkpoint.

    Args:
        rows: Rows of all checkpoints, with at least one of this checkpoint.

    Returns:
        The mean of each value; ``None`` if a row lacks it.
    """
    values_by_row = [row.flat() for row in rows if row.checkpoint == checkpoint]
    columns = {name: [values[name] for values in values_by_row] for name in values_by_row[0]}
    return {
        name: None if None in values else statistics.fmean(values)
        for name, values in columns.items()
        if name not in ("checkpoint", "photo")
    }


def compare_with(reference: str, summaries: Sequence[Summary]) -> list[Summary]:
    """Add ``total_ratio`` and ``style_ratio``: the losses divided by those of a reference.

    Args:
        reference: Name of the checkpoint to compare with, usually one trained for the style alone.
        summaries: Those of all checkpoints.

    Returns:
        The summaries, with two more means each.
    """
    losses = next(summary.means for summary in summaries if summary.checkpoint == reference)

    def ratios(summary: Summary) -> dict[str, float | None]:
        pairs = {name: (summary.means[name], losses.get(name)) for name in ("total", "style")}
        return {f"{name}_ratio": a / b if a and b else None for name, (a, b) in pairs.items()}

    return [replace(summary, means={**summary.means, **ratios(summary)}) for summary in summaries]


def format_table(summaries: Sequence[Summary], studies: Sequence[Study] = ()) -> str:
    """Format a table with one line for each checkpoint.

    Args:
        summaries: At least one.
        studies: Comparisons with image optimization for some or all of the checkpoints.

    Returns:
        Several lines; the first holds the column names.
    """
    layers = [name for name in summaries[0].means if name.startswith("style/")]
    ratios = [name for name in summaries[0].means if name.endswith("_ratio")]
    defects = [name for name in summaries[0].means if name.startswith(("grid", "halo"))]
    crossings = {name: counts for study in studies for name, counts in study.crossings.items()}
    last = max((len(c.values) - 1 for s in studies for c in s.curves.values()), default=0)

    def iterations(start: str) -> Callable[[Summary], str]:
        def show(summary: Summary) -> str:
            if summary.checkpoint not in crossings:
                return ""
            number = crossings[summary.checkpoint][start]
            return f">{last}" if number is None else str(number)

        return show

    def mean(name: str) -> Callable[[Summary], str]:
        return lambda summary: _number(summary.means[name])

    def level(name: str) -> Callable[[Summary], str]:
        return lambda summary: _number(summary.means[name], 2)

    columns: dict[str, Callable[[Summary], str]] = {
        "checkpoint": lambda summary: summary.checkpoint,
        "photos": lambda summary: str(summary.photos),
        **{name: mean(name) for name in ("total", "content", "style", *layers, "tv")},
        **{name.replace("_", " "): level(name) for name in ratios},
        "SSIM": mean("ssim"),
        "MS-SSIM": mean("ms_ssim"),
        **{name: level(name) for name in defects},
        "wavelength": lambda summary: _number(summary.means.get("wavelength"), 1),
        "flicker": lambda summary: _number(summary.mean_flicker()),
        "images/s": lambda summary: f"{summary.images_per_second:.2f}",
        "parameters": lambda summary: f"{summary.parameters:,}",
        "from noise": iterations("noise"),
        "from photo": iterations("photo"),
    }
    cells = [[show(summary) for summary in summaries] for show in columns.values()]
    # A column that is empty for all checkpoints is left out.
    filled = [(title, *column) for title, column in zip(columns, cells, strict=True) if any(column)]
    widths = [max(map(len, column)) for column in filled]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in zip(*filled, strict=True)
    )


def write_report(
    path: Path,
    rows: Sequence[Row],
    summaries: Sequence[Summary],
    studies: Sequence[Study],
    **more: Any,
) -> None:
    """Write all results as JSON; the file is written atomically.

    Args:
        rows: One per photo and checkpoint.
        summaries: One per checkpoint.
        studies: One per style; empty without image optimization.
        **more: Further entries of the report, such as the options.

    Raises:
        StyleNetError: The file cannot be written.
    """
    content = {
        **more,
        "means": [
            asdict(summary) | {"flicker_mean": summary.mean_flicker()} for summary in summaries
        ],
        "rows": [row.flat() for row in rows],
        "iterations": [asdict(study) for study in studies],
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def _number(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}f}"
