"""Time code reliably: synchronized with the device, repeated, in turns."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Timing:
    """Durations of one measurement's repeats.

    Attributes:
        seconds: Durations in order.
    """

    seconds: Sequence[float]

    @property
    def median(self) -> float:
        """Return the median duration."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """Return the lower and the upper quartile."""
        return quartiles(self.seconds)

    def each(self, count: int) -> "Timing":
        """Return the durations divided by a number of equal parts of the work."""
        return Timing([seconds / count for seconds in self.seconds])


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the lower and the upper quartile of at least one value."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def now(device: torch.device) -> float:
    """Return the time in seconds, after all work queued on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def alternate(
    calls: Sequence[Callable[[], Any]], repeats: int, warmup: int, device: torch.device
) -> list[Timing]:
    """Time calls in turns, so that disturbances on the machine affect all of them.

    Args:
        calls: The calls to compare.
        repeats: Timed runs of each call.
        warmup: Runs of each call before, not timed.
        device: The device that the calls run on.

    Returns:
        The durations of each call.
    """
    for call in calls:
        for _ in range(warmup):
            call()
    seconds: list[list[float]] = [[] for _ in calls]
    for turn in range(repeats):
        # Each call leads as often as it follows, since one leaves its data in the caches of the
        # next.
        order = range(len(calls)) if turn % 2 == 0 else reversed(range(len(calls)))
        for index in order:
            start = now(device)
            calls[index]()
            seconds[index].append(now(device) - start)
    return [Timing(times) for times in seconds]
