"""Plot rows: bars, time over the number of pixels, loss curves, and warping errors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stylenet.benchmark.rows import Row
from stylenet.files import atomic_path

_OURS, _REFERENCE = "#1f5fa8", "#b8bcc2"


def draw_plot(path: Path, rows: Sequence[Row], machine: dict[str, Any]) -> None:
    """Plot the rows of one suite; the file appears complete or not at all.

    Args:
        path: The output file, ``*.png``.
        rows: Results of the suite.
        machine: See :func:`stylenet.benchmark.rows.describe_machine`.

    Raises:
        ImportError: Matplotlib is not installed.
        StyleNetError: The file cannot be written.
    """
    # Optional; without pyplot, which looks for a display.
    from matplotlib.figure import Figure

    has_growth = len(rows) > 1 and rows[0].suite in ("inference", "training")
    figure = Figure(figsize=(11 if has_growth else 7, 1.9 + 0.75 * len(rows)), layout="constrained")
    axes = figure.subplots(1, 2 if has_growth else 1, squeeze=False)[0]
    if rows[0].suite == "curve":
        _draw_curves(axes[0], rows[0])
        figure.set_figheight(4)
    elif rows[0].suite == "steady":
        _draw_errors(axes[0], rows)
    else:
        _draw_bars(axes[0], rows)
    if has_growth:
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
    """Draw a pair of bars for each case, with quartiles."""
    memory = rows[0].suite == "memory"
    for position, row in enumerate(rows):
        values = (
            (row.peak_memory, row.baseline_peak_memory)
            if memory
            else (row.seconds, row.baseline_seconds)
        )
        spreads = (row.seconds_quartiles, row.baseline_seconds_quartiles)
        ratio = row.memory_ratio if memory else row.ratio
        for side, (value, spread, color) in enumerate(
            zip(values, spreads, (_OURS, _REFERENCE), strict=True)
        ):
            if value is None:
                continue
            length, error = value / 1e9, None
            if not memory and spread is not None:
                length, error = value, [[value - spread[0]], [spread[1] - value]]
            name = ("StyleNet", "reference")[side]
            # In the memory suite, one precision has different names on the two sides.
            if not memory:
                name += f" ({(row.precision, row.baseline_precision)[side]})"
            axes.barh(
                position + 0.36 * side - 0.18,
                length,
                0.34,
                xerr=error,
                color=color,
                ecolor="black",
                capsize=2,
                label=name if position == 0 else None,
            )
            if side == 0 and ratio is not None:
                axes.annotate(
                    f" {ratio:.2f}x",
                    (length if error is None else length + error[1][0], position - 0.18),
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


def _draw_errors(axes: Any, rows: Sequence[Row]) -> None:
    """Draw the short and long warping errors of each row, a dot for each kind of clip."""
    for position, row in enumerate(rows):
        for name, color, label in (
            ("short", _OURS, "from frame to frame"),
            ("long", "#777b80", f"over {row.details['gap']} frames"),
        ):
            errors = [measures[name] for measures in row.details["clips"].values()]
            axes.plot(
                errors,
                [position] * len(errors),
                "o",
                color=color,
                alpha=0.6,
                label=None if position else label,
            )
    axes.set_yticks(range(len(rows)), [row.case for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("warping error along the true motion, a dot for each kind of clip")
    axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)
    axes.grid(True, axis="x", lw=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_growth(axes: Any, rows: Sequence[Row]) -> None:
    """Draw time over pixels, with a guide for growth in proportion."""
    rows = sorted(rows, key=lambda row: row.width * row.height)
    pixels = [row.batch * row.width * row.height / 1e6 for row in rows]
    axes.loglog(pixels, [row.seconds for row in rows], "o-", color=_OURS, label="StyleNet")
    reference = [(x, r.baseline_seconds) for x, r in zip(pixels, rows, strict=True)]
    if all(seconds is not None for _, seconds in reference):
        axes.loglog(*zip(*reference, strict=True), "o-", color="#777b80", label="reference")
    guide = [rows[0].seconds * x / pixels[0] for x in pixels]
    axes.loglog(pixels, guide, ":", color="black", lw=1, label="in proportion to the pixels")
    axes.set_xlabel("megapixels")
    axes.set_ylabel("seconds")
    axes.grid(True, which="both", lw=0.3)
    axes.legend(fontsize=8, frameon=False)


def _draw_curves(axes: Any, row: Row) -> None:
    """Draw losses over the steps as moving averages over a tenth of the run, a line per run."""
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
