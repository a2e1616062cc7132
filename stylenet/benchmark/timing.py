"""Times that mean something: synchronized, repeated, taken in turns."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Timing:
    """The repeats of one measurement.

    Attributes:
        seconds: Each of them, in order.
    """

    seconds: Sequence[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        """What a quarter of them stay below, and what a quarter exceed."""
        return quartiles(self.seconds)

    def each(self, count: int) -> "Timing":
        """Divides the work.

        Args:
            count: Equal parts of what was timed.

        Returns:
            The times of one part.
        """
        return Timing([seconds / count for seconds in self.seconds])


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Says how far values spread.

    Args:
        values: One at least.

    Returns:
        The lower and the upper quartile.
    """
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def now(device: torch.device) -> float:
    """Reads the clock once everything that the device was given is done.

    Args:
        device: Where the work runs.

    Returns:
        Seconds from some point in time.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def alternate(
    calls: Sequence[Callable[[], Any]], repeats: int, warmup: int, device: torch.device
) -> list[Timing]:
    """Times calls in turns, so that what else happens on the machine meets all of them.

    Args:
        calls: What is timed.
        repeats: Timed runs of each.
        warmup: Runs of each before, not timed.
        device: Where they run.

    Returns:
        The times of each.
    """
    for call in calls:
        for _ in range(warmup):
            call()
    seconds: list[list[float]] = [[] for _ in calls]
    for turn in range(repeats):
        # Each leads as often as it follows: what one leaves in the caches is the other's start.
        order = range(len(calls)) if turn % 2 == 0 else reversed(range(len(calls)))
        for place in order:
            start = now(device)
            calls[place]()
            seconds[place].append(now(device) - start)
    return [Timing(times) for times in seconds]
