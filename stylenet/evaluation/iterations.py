"""Number of image optimization iterations that one forward pass equals.

Johnson, Alahi, Fei-Fei 2016 (section 4.1, figure 5) let L-BFGS minimize the objective on which
their network was trained, and found that a pass equals 50 to 100 of its iterations.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from stylenet.optimization import Criterion, OptimizationOptions, Step, optimize_image

# OptimizationOptions.start by the name of the start in the report.
STARTS = {"noise": "noise", "photo": "content"}


@dataclass(frozen=True)
class Curve:
    """Objective over the iterations of an image optimization.

    Attributes:
        values: Objective, as a mean over photos: that of the start, after the first iteration, ….
        seconds: Median time of an iteration.
    """

    values: Sequence[float]
    seconds: float


@dataclass(frozen=True)
class Study:
    """Networks compared with image optimization for one style.

    Attributes:
        style: Name of the style.
        photos: Names of the photos over which all values are averaged.
        curves: Curve by start, ``noise`` or ``photo``.
        objectives: Objective by checkpoint.
        crossings: By checkpoint and start, the number of iterations after which the curve is as low
            as the checkpoint; ``None`` if it never is.
    """

    style: str
    photos: Sequence[str]
    curves: Mapping[str, Curve]
    objectives: Mapping[str, float]
    crossings: Mapping[str, Mapping[str, int | None]]

    def describe(self) -> list[str]:
        """Return one line of text for each checkpoint."""
        return [
            f"one pass of {name} equals {self._count('noise', crossings['noise'])} from noise and "
            f"{self._count('photo', crossings['photo'])} from the photo (objective "
            f"{self.objectives[name]:.4g}, photos: {len(self.photos)})"
            for name, crossings in self.crossings.items()
        ]

    def _count(self, start: str, number: int | None) -> str:
        curve = self.curves[start]
        if number is None:
            return f"more than {len(curve.values) - 1} iterations of L-BFGS"
        return f"{number} iterations of L-BFGS ({number * curve.seconds:.1f} s)"


def find_crossing(values: Sequence[float], level: float) -> int | None:
    """Find the first index at which a curve is no higher than a level.

    Returns:
        The index; ``None`` if the curve stays above the level.
    """
    return next((index for index, value in enumerate(values) if value <= level), None)


def average_curve(
    photos: Sequence[Tensor],
    criterion: Criterion,
    start: str,
    iterations: int,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> Curve:
    """Optimize photos by L-BFGS at one size and average their objectives.

    Args:
        photos: RGB in [0, 1], each of shape (1, 3, H, W).
        criterion: Its ``total`` is minimized.
        start: ``noise`` or ``photo``.
        iterations: Number of gradients.
        seed: Seed of the noise.
        advance: Called after each iteration.

    Returns:
        The curve, with ``iterations`` + 1 values.

    Raises:
        StyleNetError: A photo is too small, or the loss is not finite.
    """
    options = OptimizationOptions(method="lbfgs", start=STARTS[start], steps=iterations, seed=seed)
    runs: list[list[float]] = []
    seconds: list[float] = []
    for photo in photos:
        totals: list[float] = []
        times: list[float] = []

        def record(step: Step, totals: list[float] = totals, times: list[float] = times) -> None:
            totals.append(step.losses["total"])
            times.append(time.perf_counter())
            if step.number:
                advance()

        optimize_image(photo, [criterion], options, record)
        runs.append(totals)
        seconds += [after - before for before, after in pairwise(times)]
    values = [statistics.fmean(column) for column in zip(*runs, strict=True)]
    return Curve(values, statistics.median(seconds))


def compare_with_optimization(
    style: str,
    photos: Mapping[str, Tensor],
    criterion: Criterion,
    objectives: Mapping[str, float],
    iterations: int,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> Study:
    """Compare checkpoints of one style with image optimization for the same objective.

    Args:
        photos: By name, RGB in [0, 1], each of shape (1, 3, H, W).
        objectives: By checkpoint, the mean of ``total`` over its images of these photos.
        iterations: Number of iterations from each start.
        seed: Seed of the noise.
        advance: Called after each iteration of each photo.

    Returns:
        The curves, and their crossings with the checkpoints.

    Raises:
        StyleNetError: See :func:`average_curve`.
    """
    tensors = list(photos.values())
    curves = {
        start: average_curve(tensors, criterion, start, iterations, seed, advance)
        for start in STARTS
    }
    crossings = {
        name: {start: find_crossing(curve.values, level) for start, curve in curves.items()}
        for name, level in objectives.items()
    }
    return Study(style, list(photos), curves, dict(objectives), crossings)
