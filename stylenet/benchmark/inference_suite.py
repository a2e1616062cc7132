"""Measure stylizing images: the stylizer beside the plain network."""

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
    """Suite that times ``stylizer(images)`` on float tensors."""

    def run(self, bench: Bench) -> list[Row]:
        """Measure each size; return a row for each."""
        conditions = bench.conditions
        meter = PeakMeter(conditions.device)
        stylizer = make_stylizer(bench)
        reference = PlainInference(bench) if conditions.baseline else None
        return [_measure(bench, size, stylizer, reference, meter) for size in conditions.sizes]


class PlainInference:
    """Reference network under ``torch.no_grad``.

    Attributes:
        dtype: The type that it computes in.
        described: Description of the network.
    """

    dtype = torch.float32

    def __init__(self, bench: Bench) -> None:
        """Build the reference network.

        Args:
            bench: Builds the network to compare with.
        """
        network, self.described = reference_network(bench.network())
        self._network = network.to(bench.conditions.device).eval()

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Stylize images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            The same shape, with height and width rounded up to multiples of 4.
        """
        return self._network(images)


def make_stylizer(bench: Bench) -> Stylizer:
    """Build a stylizer with the configured network, device and precision, ready to be timed."""
    conditions = bench.conditions
    info = CheckpointInfo("none", 0)
    stylizer = Stylizer(bench.network(), info, str(conditions.device), conditions.precision)
    stylizer.prepare()
    return stylizer


def dtype_name(dtype: torch.dtype) -> str:
    """Return a type's name as users write it, such as ``float32``."""
    return str(dtype).removeprefix("torch.")


def _measure(
    bench: Bench,
    size: Size,
    stylizer: Stylizer,
    reference: PlainInference | None,
    meter: PeakMeter,
) -> Row:
    """Measure one size."""
    conditions = bench.conditions
    images = conditions.images(size)
    calls: list[Stylizer | PlainInference] = [stylizer]
    if reference is not None:
        calls.append(reference)
    memory, work = [], []
    for call in calls:
        meter(call.dtype)
        peak = PeakMemory(conditions.device)
        call(images)
        memory.append(peak.increase())
        with counting() as counted:
            call(images)
        work.append(counted)
    precisions = [stylizer.precision, dtype_name(PlainInference.dtype)][: len(calls)]
    timings = alternate(
        [partial(call, images) for call in calls],
        conditions.repeats,
        conditions.warmup,
        conditions.device,
    )
    measured = [
        # OpenVINO's operations are not PyTorch's, and are not counted.
        Measured(timing, precision, memory=peak)
        if precision == "int8"
        else Measured(timing, precision, counted, meter(call.dtype), peak)
        for timing, precision, call, counted, peak in zip(
            timings, precisions, calls, work, memory, strict=True
        )
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
