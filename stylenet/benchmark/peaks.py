"""Measure the machine's peak performance: a matrix product and a memory copy."""

from dataclasses import dataclass
from functools import partial

import torch

from stylenet.benchmark.timing import alternate

# Largest size of the square matrices: two cores (0.3 TFLOP/s in bfloat16) and a GPU (1 PFLOP/s)
# take at least a millisecond, so that the overhead of launching does not matter.
_MATRIX_SIZE = {"cuda": 8192}
_MATRIX_SIZE_ELSEWHERE = 2048

# Smaller matrices suffice if they take this many seconds: types that a processor lacks and PyTorch
# computes element by element (float16 on many) would take minutes.
_LONG_ENOUGH = 0.05
_FIRST_MATRIX_SIZE = 256

# Size of the copy: many times the caches (32 MB on the CPU at hand, 50 MB on an H100).
_COPY_BYTES = {"cuda": 2**30}
_COPY_BYTES_ELSEWHERE = 2**28

# Runs of each, of which the fastest counts, as others may use the machine meanwhile.
_REPEATS = 8


@dataclass(frozen=True)
class Peaks:
    """Peak performance in one data type.

    Attributes:
        flops: Floating-point operations per second of the matrix product.
        bandwidth: Bytes per second that the copy reads and writes.
    """

    flops: float
    bandwidth: float


class PeakMeter:
    """Meter that measures on each call and keeps the best result.

    Call it before and after the work to compare with, so that a moment in which others use the
    machine does not distort the peaks.
    """

    def __init__(self, device: torch.device) -> None:
        """Start without measurements.

        Args:
            device: The device to measure.
        """
        self._device = device
        self._best: dict[torch.dtype, Peaks] = {}

    def __call__(self, dtype: torch.dtype) -> Peaks:
        """Measure in a data type and return the best result so far."""
        peaks = _measure(self._device, dtype)
        best = self._best.get(dtype, peaks)
        best = Peaks(max(best.flops, peaks.flops), max(best.bandwidth, peaks.bandwidth))
        self._best[dtype] = best
        return best


def _measure(device: torch.device, dtype: torch.dtype) -> Peaks:
    """Measure the peaks once."""
    largest = _MATRIX_SIZE.get(device.type, _MATRIX_SIZE_ELSEWHERE)
    size = min(_FIRST_MATRIX_SIZE, largest)
    while True:
        matrix = torch.ones(size, size, dtype=dtype, device=device)
        multiply = partial(torch.mm, matrix, matrix.clone(), out=torch.empty_like(matrix))
        (timing,) = alternate([multiply], 1, 1, device)
        if size == largest or timing.median > _LONG_ENOUGH:
            break
        size *= 2
    count = _COPY_BYTES.get(device.type, _COPY_BYTES_ELSEWHERE) // dtype.itemsize
    source = torch.ones(count, dtype=dtype, device=device)
    copy = partial(torch.empty_like(source).copy_, source)
    products, copies = alternate([multiply, copy], _REPEATS, 1, device)
    return Peaks(
        flops=2 * size**3 / min(products.seconds),
        bandwidth=2 * count * dtype.itemsize / min(copies.seconds),
    )
