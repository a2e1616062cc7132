"""Plot of image optimization and networks, as in figure 5 of Johnson et al. 2016."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stylenet.evaluation.iterations import Study
from stylenet.files import atomic_path

_CURVES = {"noise": "#b8bcc2", "photo": "#6b7178"}
_NETWORKS = ("#1f5fa8", "#c8571b", "#2c8a57", "#8e3b8a", "#a88a1f", "#b02a3a", "#3aa6b9", "#5b4a3f")


def draw_iterations(path: Path, studies: Sequence[Study]) -> None:
    """Draw a panel for each style; the file is written atomically.

    Args:
        path: A ``.png`` file.
        studies: At least one.

    Raises:
        ImportError: Matplotlib is not installed.
        StyleNetError: The file cannot be written.
    """
    from matplotlib.figure import Figure  # optional; pyplot would look for a display

    figure = Figure(figsize=(1 + 4.6 * len(studies), 4.4), layout="constrained")
    panels = figure.subplots(1, len(studies), squeeze=False)[0]
    for axes, study in zip(panels, studies, strict=True):
        _draw(axes, study)
    panels[0].set_ylabel("objective, mean over photos")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150, format="png")


def _draw(axes: Any, study: Study) -> None:
    """Draw the curves, a line for each checkpoint, and their crossings."""
    for start, curve in study.curves.items():
        label = f"L-BFGS from {'noise' if start == 'noise' else 'the photo'}"
        axes.plot(range(len(curve.values)), curve.values, color=_CURVES[start], lw=2, label=label)
    last = max(len(curve.values) for curve in study.curves.values()) - 1
    for index, (name, level) in enumerate(study.objectives.items()):
        color = _NETWORKS[index % len(_NETWORKS)]
        label = _label(name, study.crossings[name], last)
        axes.axhline(level, color=color, lw=1.2, ls="--", label=label)
        _mark(axes, study.crossings[name], level, color)
    values = [value for curve in study.curves.values() for value in curve.values]
    if min(*values, *study.objectives.values()) > 0:  # a dream term can make it negative
        axes.set_yscale("log")
        for set_format in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
            set_format("{x:g}")
        axes.yaxis.get_minor_locator().set_params(subs=(2, 3, 5))  # more labels would overlap
    axes.set_xlim(0, last)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title(f"{study.style}, photos: {len(study.photos)}", fontsize=10)
    axes.set_xlabel("iteration of L-BFGS")
    axes.grid(True, which="both", lw=0.3)
    axes.legend(fontsize=8, frameon=False, loc="upper right")
    axes.spines[["top", "right"]].set_visible(False)


def _mark(axes: Any, crossings: Mapping[str, int | None], level: float, color: str) -> None:
    """Draw a dot where a curve crosses the line of a network."""
    iterations = [number for number in crossings.values() if number is not None]
    axes.plot(iterations, [level] * len(iterations), "o", color=color, ms=5)


def _label(name: str, crossings: Mapping[str, int | None], last: int) -> str:
    # The counts stand in the legend because labels beside many dots would overlap.
    counts = {
        start: f"more than {last}" if number is None else str(number)
        for start, number in crossings.items()
    }
    return f"{name}: {counts['noise']} from noise, {counts['photo']} from the photo"
