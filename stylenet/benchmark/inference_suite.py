"""Stylizing images: the stylizer as users call it beside the plain network."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from stylenet.benchmark.baseline import reference_network
from stylenet.benchmark.bench import Bench, Size
from stylenet.benchmark.counting import counting
from stylenet.benchmark.peak_memory import PeakMemory
from stylenet.benchmark.peaks import PeakMeter
from stylenet.benchmark.rows import Measured, Row, make_row
from stylenet.benchmark.timing import alternate
from stylenet.checkpoint import CheckpointInfo
from stylenet.inference import Stylizer


@dataclass(frozen=True)
class InferenceSuite:
    """Times ``stylizer(images)`` on float tensors."""

    def run(self, bench: Bench) -> list[Row]:
        """Measures all sizes.

        Args:
            bench: How, and what.

        Returns:
            A row for each size.
        """
        conditions = bench.conditions
        meter = PeakMeter(conditions.device)
        stylizer = make_stylizer(bench)
        reference = PlainInference(bench) if conditions.baseline else None
        return [_measure(bench, size, stylizer, reference, meter) for size in conditions.sizes]


class PlainInference:
    """The reference network under ``torch.no_grad``.

    Attributes:
        dtype: The type that it computes in.
    """

    dtype = torch.float32

    def __init__(self, bench: Bench) -> None:
        """Builds it.

        Args:
            bench: What stands beside it.
        """
        network, self.described = reference_network(bench.network())
        self._network = network.to(bench.conditions.device).eval()

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Stylizes images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            The same shape, sides rounded up to multiples of 4.
        """
        return self._network(images)


def make_stylizer(bench: Bench) -> Stylizer:
    """Builds what users call.

    Args:
        bench: With which network, where and in which type.

    Returns:
        The stylizer.
    """
    conditions = bench.conditions
    info = CheckpointInfo("none", 0)
    stylizer = Stylizer(bench.network(), info, str(conditions.device), conditions.precision)
    stylizer.prepare()
    return stylizer


def name_of(dtype: torch.dtype) -> str:
    """Return a type's name as users write it, such as ``float32``."""
    return str(dtype).removeprefix("torch.")


def _measure(
    bench: Bench,
    size: Size,
    stylizer: Stylizer,
    reference: PlainInference | None,
    meter: PeakMeter,
) -> Row:
    """Measures one size."""
    conditions = bench.conditions
    images = conditions.images(size)
    sides: list[Stylizer | PlainInference] = [stylizer]
    if reference is not None:
        sides.append(reference)
    memory, work = [], []
    for call in sides:
        meter(call.dtype)
        peak = PeakMemory(conditions.device)
        call(images)
        memory.append(peak.above())
        with counting() as counted:
            call(images)
        work.append(counted)
    timings = alternate(
        [partial(call, images) for call in sides],
        conditions.repeats,
        conditions.warmup,
        conditions.device,
    )
    measured = [
        Measured(timing, name_of(call.dtype), counted, meter(call.dtype), most)
        for timing, call, counted, most in zip(timings, sides, work, memory, strict=True)
    ]
    network, (batch, _, height, width) = stylizer.network, images.shape
    return make_row(
        "inference",
        f"{network.name}, {batch} x {width}x{height}",
        (batch, height, width),
        measured[0],
        measured[1] if reference else None,
        network={"name": network.name, **network.arguments},
        baseline_network=reference.described if reference else None,
    )
