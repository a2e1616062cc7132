"""Rows as an image: bars, and how time grows with the number of pixels."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stylenet.benchmark.rows import Row
from stylenet.files import atomic_path

_OURS, _REFERENCE = "#1f5fa8", "#b8bcc2"


def draw_plot(path: Path, rows: Sequence[Row], machine: dict[str, Any]) -> None:
    """Draws the rows of one suite; the file appears whole or not at all.

    Args:
        path: Where to, ``*.png``.
        rows: What was found.
        machine: See :func:`stylenet.benchmark.rows.describe_machine`.

    Raises:
        ImportError: Matplotlib is not installed.
        StyleNetError: The file cannot be written.
    """
    from matplotlib.figure import Figure  # optional; without pyplot, which looks for a display

    scales = len(rows) > 1 and rows[0].suite in ("inference", "training")
    figure = Figure(figsize=(11 if scales else 7, 1.9 + 0.75 * len(rows)), layout="constrained")
    axes = figure.subplots(1, 2 if scales else 1, squeeze=False)[0]
    if rows[0].suite == "curve":
        _draw_curves(axes[0], rows[0])
        figure.set_figheight(4)
    else:
        _draw_bars(axes[0], rows)
    if scales:
        figure.set_figheight(max(4.2, figure.get_figheight()))
        _draw_growth(axes[1], rows)
    threads = 1 if rows[0].suite == "data" else machine["threads"]
    figure.suptitle(
        f"{rows[0].suite} on {machine['device_name'] or machine['device']}, threads: {threads}, "
        f"torch {machine['torch']}",
        fontsize=10,
    )
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")


def _draw_bars(axes: Any, rows: Sequence[Row]) -> None:
    """A pair of bars a case, with quartiles."""
    memory = rows[0].suite == "memory"
    for row, place in zip(rows, range(len(rows)), strict=True):
        sides = (
            (row.peak_memory, row.baseline_peak_memory)
            if memory
            else (row.seconds, row.baseline_seconds)
        )
        spreads = (row.seconds_quartiles, row.baseline_seconds_quartiles)
        ratio = row.memory_ratio if memory else row.ratio
        for side, (value, spread, color) in enumerate(
            zip(sides, spreads, (_OURS, _REFERENCE), strict=True)
        ):
            if value is None:
                continue
            shown, error = value / 1e9, None
            if not memory and spread is not None:
                shown, error = value, [[value - spread[0]], [spread[1] - value]]
            name = ("StyleNet", "reference")[side]
            if not memory:  # whose two parts have names of their own for the same precision
                name += f" ({(row.precision, row.baseline_precision)[side]})"
            axes.barh(
                place + 0.36 * side - 0.18,
                shown,
                0.34,
                xerr=error,
                color=color,
                ecolor="black",
                capsize=2,
                label=name if place == 0 else None,
            )
            if side == 0 and ratio is not None:
                axes.annotate(
                    f" {ratio:.2f}x",
                    (shown if error is None else shown + error[1][0], place - 0.18),
                    va="center",
                    fontsize=9,
                    color=_OURS,
                )
    axes.set_yticks(range(len(rows)), [row.case for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    unit = "seconds an image" if rows[0].suite == "data" else "seconds, median and quartiles"
    axes.set_xlabel("peak memory in GB" if memory else unit)
    axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_growth(axes: Any, rows: Sequence[Row]) -> None:
    """Time over pixels, with what growing in proportion would be."""
    rows = sorted(rows, key=lambda row: row.width * row.height)
    pixels = [row.batch * row.width * row.height / 1e6 for row in rows]
    axes.loglog(pixels, [row.seconds for row in rows], "o-", color=_OURS, label="StyleNet")
    against = [(x, r.baseline_seconds) for x, r in zip(pixels, rows, strict=True)]
    if all(seconds is not None for _, seconds in against):
        axes.loglog(*zip(*against, strict=True), "o-", color="#777b80", label="reference")
    guide = [rows[0].seconds * x / pixels[0] for x in pixels]
    axes.loglog(pixels, guide, ":", color="black", lw=1, label="in proportion to the pixels")
    axes.set_xlabel("megapixels")
    axes.set_ylabel("seconds")
    axes.grid(True, which="both", lw=0.3)
    axes.legend(fontsize=8, frameon=False)


def _draw_curves(axes: Any, row: Row) -> None:
    """Losses over the steps, each a mean over a tenth of the run; pairs in lines of their own."""
    sides = (
        ("losses", f"StyleNet ({row.precision})", _OURS),
        ("baseline_losses", f"reference ({row.baseline_precision})", "#777b80"),
    )
    for (key, label, color), line in zip(sides, ("-", "--"), strict=True):
        for pair, losses in enumerate(row.details[key]):
            width = max(1, len(losses) // 10)
            means = [sum(losses[i : i + width]) / width for i in range(len(losses) - width + 1)]
            steps = range(width, len(losses) + 1)
            axes.semilogy(steps, means, line, lw=1, color=color, label=None if pair else label)
    axes.set_xlabel("steps")
    axes.set_ylabel("loss")
    axes.set_title(row.case, fontsize=9)
    axes.grid(True, which="both", lw=0.3)
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
