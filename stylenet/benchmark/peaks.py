"""What the machine can do at most, measured: a matrix product and a memory copy."""

from dataclasses import dataclass
from functools import partial

import torch

from stylenet.benchmark.timing import alternate

# Of the square matrices, at most: two cores (0.3 TFLOP/s in bfloat16) and a GPU (1 PFLOP/s) take a
# millisecond at least, in which the start of the work is lost.
_SIDE = {"cuda": 8192}
_SIDE_ELSEWHERE = 2048

# Smaller ones do where they take this long, in seconds: what a processor lacks and PyTorch computes
# number by number (float16 on many) would take minutes.
_LONG = 0.05
_FIRST_SIDE = 256

# Of the copy: many times the caches (32 MB on the CPU at hand, 50 MB on an H100).
_COPIED = {"cuda": 2**30}
_COPIED_ELSEWHERE = 2**28

# The fastest counts, for others may use the machine meanwhile.
_REPEATS = 8


@dataclass(frozen=True)
class Peaks:
    """What was measured.

    Attributes:
        flops: Of the matrix product, floating-point operations a second.
        bandwidth: Of the copy, bytes a second, those read and those written.
    """

    flops: float
    bandwidth: float


class PeakMeter:
    """Measures again each time it is asked, and remembers the best.

    Asked before and after what the peaks are compared with, it is not deceived by a moment in which
    others used the machine.
    """

    def __init__(self, device: torch.device) -> None:
        """Begins with nothing.

        Args:
            device: Whose peaks.
        """
        self._device = device
        self._best: dict[torch.dtype, Peaks] = {}

    def __call__(self, dtype: torch.dtype) -> Peaks:
        """Measures.

        Args:
            dtype: In which type.

        Returns:
            The best so far.
        """
        found = _measure(self._device, dtype)
        best = self._best.get(dtype, found)
        best = Peaks(max(best.flops, found.flops), max(best.bandwidth, found.bandwidth))
        self._best[dtype] = best
        return best


def _measure(device: torch.device, dtype: torch.dtype) -> Peaks:
    """Measures once."""
    last = _SIDE.get(device.type, _SIDE_ELSEWHERE)
    side = min(_FIRST_SIDE, last)
    while True:
        one = torch.ones(side, side, dtype=dtype, device=device)
        multiply = partial(torch.mm, one, one.clone(), out=torch.empty_like(one))
        (timing,) = alternate([multiply], 1, 1, device)
        if side == last or timing.median > _LONG:
            break
        side *= 2
    count = _COPIED.get(device.type, _COPIED_ELSEWHERE) // dtype.itemsize
    source = torch.ones(count, dtype=dtype, device=device)
    copy = partial(torch.empty_like(source).copy_, source)
    products, copies = alternate([multiply, copy], _REPEATS, 1, device)
    return Peaks(
        flops=2 * side**3 / min(products.seconds),
        bandwidth=2 * count * dtype.itemsize / min(copies.seconds),
    )
