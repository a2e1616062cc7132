"""What was found, as a table and as JSON."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stylenet.evaluation.iterations import Study
from stylenet.files import atomic_path


@dataclass(frozen=True)
class Row:
    """One photo, stylized by one checkpoint.

    Attributes:
        checkpoint: Its name.
        photo: The photo's, relative to its folder.
        losses: See :func:`stylenet.evaluation.measures.judge`.
        ssim: See :func:`stylenet.evaluation.measures.similarity`.
        ms_ssim: Likewise; ``None`` for small photos.
    """

    checkpoint: str
    photo: str
    losses: Mapping[str, float]
    ssim: float
    ms_ssim: float | None

    def flat(self) -> dict[str, Any]:
        """Gives all values by name, losses among the others."""
        own = {"checkpoint": self.checkpoint, "photo": self.photo}
        return {**own, **self.losses, "ssim": self.ssim, "ms_ssim": self.ms_ssim}


@dataclass(frozen=True)
class Summary:
    """One checkpoint, over all photos and videos.

    Attributes:
        checkpoint: Its name.
        style_images: What its style was judged by.
        photos: How many counted.
        means: Of every value of its rows, by name; and its grids and halos, see
            :func:`stylenet.evaluation.defects.find_defects`.
        parameters: How many numbers it has learned.
        precision: In what it computes.
        images_per_second: At the photos' size, one at a time, from the median time.
        seconds_quartiles: Of those times.
        flicker: Warping errors by video: of the ``source``, ``plain`` frame by frame, and
            ``painted`` as videos are; ``None`` for a video without two frames of one scene.
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
        """The mean over videos of the error as videos are painted."""
        known = [errors["painted"] for errors in self.flicker.values() if errors]
        return statistics.fmean(known) if known else None


def summarize(rows: Sequence[Row], checkpoint: str) -> dict[str, float | None]:
    """Averages the rows of a checkpoint.

    Args:
        rows: Of all checkpoints; one at least of this one.
        checkpoint: Its name.

    Returns:
        The mean of each value; ``None`` where a row has none.
    """
    own = [row.flat() for row in rows if row.checkpoint == checkpoint]
    columns = {name: [row[name] for row in own] for name in own[0]}
    return {
        name: None if None in values else statistics.fmean(values)
        for name, values in columns.items()
        if name not in ("checkpoint", "photo")
    }


def format_table(summaries: Sequence[Summary], studies: Sequence[Study] = ()) -> str:
    """Writes checkpoints below each other.

    Args:
        summaries: One at least.
        studies: Of some or all of them.

    Returns:
        Several lines, the first with the columns' names.
    """
    layers = [name for name in summaries[0].means if name.startswith("style/")]
    defects = [name for name in summaries[0].means if name.startswith(("grid", "halo"))]
    crossings = {name: found for study in studies for name, found in study.crossings.items()}
    most = max((len(c.values) - 1 for s in studies for c in s.curves.values()), default=0)

    def iterations(start: str) -> Callable[[Summary], str]:
        def show(summary: Summary) -> str:
            if summary.checkpoint not in crossings:
                return ""
            number = crossings[summary.checkpoint][start]
            return f">{most}" if number is None else str(number)

        return show

    def mean(name: str) -> Callable[[Summary], str]:
        return lambda summary: _number(summary.means[name])

    def level(name: str) -> Callable[[Summary], str]:
        return lambda summary: _number(summary.means[name], 2)

    columns: dict[str, Callable[[Summary], str]] = {
        "checkpoint": lambda summary: summary.checkpoint,
        "photos": lambda summary: str(summary.photos),
        **{name: mean(name) for name in ("total", "content", "style", *layers, "tv")},
        "SSIM": mean("ssim"),
        "MS-SSIM": mean("ms_ssim"),
        **{name: level(name) for name in defects},
        "flicker": lambda summary: _number(summary.mean_flicker()),
        "images/s": lambda summary: f"{summary.images_per_second:.2f}",
        "parameters": lambda summary: f"{summary.parameters:,}",
        "from noise": iterations("noise"),
        "from photo": iterations("photo"),
    }
    cells = [[show(summary) for summary in summaries] for show in columns.values()]
    # Nothing found anywhere: no column.
    kept = [(title, *column) for title, column in zip(columns, cells, strict=True) if any(column)]
    widths = [max(map(len, column)) for column in kept]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in zip(*kept, strict=True)
    )


def write_report(
    path: Path,
    rows: Sequence[Row],
    summaries: Sequence[Summary],
    studies: Sequence[Study],
    **more: Any,
) -> None:
    """Writes all that was found as JSON; the file appears whole or not at all.

    Args:
        path: Where to.
        rows: A photo and a checkpoint each.
        summaries: A checkpoint each.
        studies: A style each; none if none was asked for.
        **more: What else there is to say, such as the options.

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
