"""How many iterations of image optimization one forward pass equals.

Johnson, Alahi, Fei-Fei 2016 (section 4.1, figure 5) let L-BFGS lessen the very objective that their
network was trained on, and found a pass to be worth 50 to 100 of its iterations.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from stylenet.optimization import Criterion, OptimizationOptions, Step, optimize_image

# What an image is optimized from, by the words of the report: those of OptimizationOptions.start.
STARTS = {"noise": "noise", "photo": "content"}


@dataclass(frozen=True)
class Curve:
    """How the objective falls.

    Attributes:
        values: The mean over photos of the objective of the start, after the first iteration, and
            so on.
        seconds: What an iteration takes, the median.
    """

    values: Sequence[float]
    seconds: float


@dataclass(frozen=True)
class Study:
    """Networks beside image optimization towards one style.

    Attributes:
        style: Name of the style.
        photos: Names of the photos that everything is a mean over.
        curves: By where it starts: ``noise``, ``photo``.
        objectives: Of each checkpoint's images.
        crossings: By checkpoint and start, after how many iterations the curve is as low; ``None``
            where it never is.
    """

    style: str
    photos: Sequence[str]
    curves: Mapping[str, Curve]
    objectives: Mapping[str, float]
    crossings: Mapping[str, Mapping[str, int | None]]

    def describe(self) -> list[str]:
        """Says it in a line for each checkpoint.

        Returns:
            The lines.
        """
        return [
            f"one pass of {name} equals {self._count('noise', found['noise'])} from noise and "
            f"{self._count('photo', found['photo'])} from the photo (objective "
            f"{self.objectives[name]:.4g}, photos: {len(self.photos)})"
            for name, found in self.crossings.items()
        ]

    def _count(self, start: str, number: int | None) -> str:
        """A number of iterations in words."""
        curve = self.curves[start]
        if number is None:
            return f"more than {len(curve.values) - 1} iterations of L-BFGS"
        return f"{number} iterations of L-BFGS ({number * curve.seconds:.1f} s)"


def find_crossing(values: Sequence[float], level: float) -> int | None:
    """Finds where a falling curve meets a level.

    Args:
        values: The curve; the first is the start's.
        level: What to meet.

    Returns:
        The first place at which the curve is no higher; ``None`` if there is none.
    """
    return next((place for place, value in enumerate(values) if value <= level), None)


def average_curve(
    photos: Sequence[Tensor],
    criterion: Criterion,
    start: str,
    iterations: int,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> Curve:
    """Optimizes photos by L-BFGS, at one size, and averages their objectives.

    Args:
        photos: RGB in [0, 1], each of shape (1, 3, H, W).
        criterion: What falls.
        start: One of ``noise`` and ``photo``.
        iterations: How many, each one gradient.
        seed: Chooses the noise.
        advance: Called after each iteration.

    Returns:
        The curve, with ``iterations`` + 1 values.

    Raises:
        StyleNetError: A photo is too small, or the loss is no number.
    """
    options = OptimizationOptions(method="lbfgs", start=STARTS[start], steps=iterations, seed=seed)
    runs: list[list[float]] = []
    seconds: list[float] = []
    for photo in photos:
        totals: list[float] = []
        times: list[float] = []

        def note(step: Step, totals: list[float] = totals, times: list[float] = times) -> None:
            totals.append(step.losses["total"])
            times.append(time.perf_counter())
            if step.number:
                advance()

        optimize_image(photo, [criterion], options, note)
        runs.append(totals)
        seconds += [after - before for before, after in pairwise(times)]
    values = [statistics.fmean(column) for column in zip(*runs, strict=True)]
    return Curve(values, statistics.median(seconds))


def study(
    style: str,
    photos: Mapping[str, Tensor],
    criterion: Criterion,
    objectives: Mapping[str, float],
    iterations: int,
    seed: int = 0,
    advance: Callable[[], object] = lambda: None,
) -> Study:
    """Sets checkpoints of one style beside image optimization towards the same objective.

    Args:
        style: Its name.
        photos: By name, RGB in [0, 1], each of shape (1, 3, H, W).
        criterion: What judges.
        objectives: Of each checkpoint's images of these photos, the mean of ``total``.
        iterations: How many, from each start.
        seed: Chooses the noise.
        advance: Called after each iteration of each photo.

    Returns:
        The curves, and where they meet the checkpoints.

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
