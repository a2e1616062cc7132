"""Format rows as a table."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from stylenet.benchmark.rows import Row

_Column = tuple[str, Callable[[Row], str]]


def format_table(rows: Sequence[Row], machine: dict[str, Any]) -> str:
    """Format rows as a table below a heading about the machine and its peak performance.

    Args:
        rows: Results of one suite.
        machine: See :func:`stylenet.benchmark.rows.describe_machine`.
    """
    columns = _COLUMNS[rows[0].suite]
    cells = [[title for title, _ in columns], *([show(row) for _, show in columns] for row in rows)]
    # Columns that are empty in every row are dropped.
    kept = [i for i in range(len(columns)) if any(line[i] for line in cells[1:])]
    widths = [max(len(line[i]) for line in cells) for i in kept]
    lines = [
        "  ".join(
            line[i].ljust(width) if i == 0 else line[i].rjust(width)
            for i, width in zip(kept, widths, strict=True)
        ).rstrip()
        for line in cells
    ]
    return "\n".join([_heading(rows[0], machine), *lines])


def _heading(row: Row, machine: dict[str, Any]) -> str:
    """Format the suite, the machine and its peak performance."""
    threads = 1 if row.suite == "data" else machine["threads"]
    title = (
        f"{row.suite} on {machine['device']} ({machine['device_name']}), threads: {threads}, "
        f"torch {machine['torch']}"
    )
    peaks = dict.fromkeys(
        f"{precision}: matrix product {flops / 1e9:,.0f} GFLOP/s, copy {bandwidth / 1e9:,.1f} GB/s"
        for precision, flops, bandwidth in (
            (row.precision, row.peak_flops, row.peak_bandwidth),
            (row.baseline_precision, row.baseline_peak_flops, row.baseline_peak_bandwidth),
        )
        if flops and bandwidth
    )
    return "\n".join([title, *(f"peak in {peak}" for peak in peaks)])


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"


def _spread(pair: tuple[float, float] | None) -> str:
    return "" if pair is None else f"{_time(pair[0])} - {_time(pair[1])}"


def _factor(number: float | None) -> str:
    return "" if number is None else f"{number:.2f}x"


def _percent(number: float | None) -> str:
    return "" if number is None else f"{number:.0%}"


def _giga(number: float | None) -> str:
    return "" if number is None else f"{number / 1e9:,.2f}"


def _decimal(number: float | None) -> str:
    return "" if number is None else f"{number:,.1f}"


def _number(number: float | None) -> str:
    return "" if number is None else f"{number:,.0f}"


# Kinds of clips, see stylenet.benchmark.clips.
_CLIPS = ("pan", "object", "shake", "cut")


def _errors(clip: str) -> Callable[[Row], str]:
    """Return a function that formats the short and long errors of a clip, times 1,000."""

    def show(row: Row) -> str:
        measures = row.details["clips"][clip]
        return f"{1e3 * measures['short']:.0f}/{1e3 * measures['long']:.0f}"

    return show


def _over_clips(row: Row, name: str, combine: Callable[[list[float]], float], digits: int) -> str:
    values = [measures[name] for measures in row.details["clips"].values() if name in measures]
    return f"{combine(values):.{digits}f}"


_CASE: _Column = ("case", lambda row: row.case)
_SECONDS: list[_Column] = [
    ("time", lambda row: _time(row.seconds)),
    ("quartiles", lambda row: _spread(row.seconds_quartiles)),
    ("reference", lambda row: _time(row.baseline_seconds)),
]
_RATIO: _Column = ("ratio", lambda row: _factor(row.ratio))
_WORK: list[_Column] = [
    ("GFLOP", lambda row: _giga(row.flops)),
    ("of peak", lambda row: _percent(row.share_of_peak)),
    ("ref.", lambda row: _percent(row.baseline_share_of_peak)),
    ("GB moved", lambda row: _giga(row.bytes)),
    ("of copy", lambda row: _percent(row.share_of_bandwidth)),
    ("ref.", lambda row: _percent(row.baseline_share_of_bandwidth)),
]
_MEMORY: list[_Column] = [
    ("peak GB", lambda row: _giga(row.peak_memory)),
    ("reference GB", lambda row: _giga(row.baseline_peak_memory)),
]
_COLUMNS: dict[str, list[_Column]] = {
    "inference": [_CASE, *_SECONDS, _RATIO, *_WORK, *_MEMORY],
    "training": [_CASE, *_SECONDS, _RATIO, *_WORK, *_MEMORY],
    "curve": [
        _CASE,
        ("loss", lambda row: f"{row.details['difference']:+.1%}"),
        ("standard error", lambda row: f"{row.details['standard_error']:.1%}"),
        ("runs differ by", lambda row: f"{row.details['noise']:.1%}"),
        *_SECONDS,
        _RATIO,
    ],
    "data": [
        _CASE,
        ("images/s a core", lambda row: _number(row.images_per_second)),
        ("reference", lambda row: _number(row.baseline_images_per_second)),
        _RATIO,
        ("time an image", lambda row: _time(row.seconds)),
        ("quartiles", lambda row: _spread(row.seconds_quartiles)),
        ("file kB", lambda row: f"{row.bytes / 1e3:,.0f}" if row.bytes else ""),
    ],
    "video": [
        _CASE,
        *_SECONDS,
        _RATIO,
        ("frames/s", lambda row: _decimal(row.images_per_second)),
        ("ref.", lambda row: _decimal(row.baseline_images_per_second)),
        ("device busy", lambda row: _percent(row.device_share)),
        ("ref.", lambda row: _percent(row.baseline_device_share)),
    ],
    "contention": [
        _CASE,
        ("alone", lambda row: _time(row.seconds)),
        ("beside", lambda row: _time(row.seconds_beside)),
        ("kept", lambda row: _percent(row.kept)),
        ("reference alone", lambda row: _time(row.baseline_seconds)),
        ("beside", lambda row: _time(row.baseline_seconds_beside)),
        ("kept", lambda row: _percent(row.baseline_kept)),
    ],
    "steady": [
        _CASE,
        *(
            (name.replace(", recorded", " rec."), _errors(name))
            for name in (*_CLIPS, *(f"{clip}, recorded" for clip in (*_CLIPS, "still")))
        ),
        ("sharpness", lambda row: _over_clips(row, "sharpness", min, 2)),
        ("loss", lambda row: _over_clips(row, "total", statistics.fmean, 3)),
        ("ghost", lambda row: _over_clips(row, "ghost", max, 3)),
        ("frames/s", lambda row: _decimal(row.images_per_second)),
    ],
    "memory": [
        _CASE,
        *_MEMORY,
        ("ratio", lambda row: _factor(row.memory_ratio)),
        *_SECONDS,
    ],
}
