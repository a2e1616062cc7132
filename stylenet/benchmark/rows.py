"""Results of a benchmark, one row for each case."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from stylenet.arithmetic import processor_name
from stylenet.benchmark.counting import Work
from stylenet.benchmark.peaks import Peaks
from stylenet.benchmark.timing import Timing, quartiles
from stylenet.files import atomic_path


@dataclass(frozen=True)
class Measured:
    """Measurements of one side of a case: StyleNet or the reference.

    Attributes:
        timing: Duration of each run.
        precision: Precision of the arithmetic.
        work: Work of one run, if counted.
        peaks: Peak performance of the machine in that precision, if measured.
        memory: Peak memory of a run in bytes, if measured.
        device_share: Fraction of a run in which the network's device was busy, if measured.
        beside: Duration of each run beside busy programs, if measured.
    """

    timing: Timing
    precision: str
    work: Work | None = None
    peaks: Peaks | None = None
    memory: int | None = None
    device_share: float | None = None
    beside: Timing | None = None

    def share_of_peak(self) -> float | None:
        """Return the operations per second as a fraction of the matrix product's."""
        if self.work is None or self.peaks is None:
            return None
        return self.work.flops / self.timing.median / self.peaks.flops

    def share_of_bandwidth(self) -> float | None:
        """Return the bytes per second as a fraction of the copy's; caches can make it exceed 1."""
        if self.work is None or self.peaks is None:
            return None
        return self.work.bytes / self.timing.median / self.peaks.bandwidth


@dataclass(frozen=True)
class Row:
    """Results of one case; the names are the keys of the JSON file.

    Each ``baseline_`` attribute is the same measurement of the reference.

    Attributes:
        suite: Name of the suite.
        case: Description of the case.
        width: Width of the images in pixels.
        height: Height of the images in pixels.
        batch: Images per run.
        seconds: Median duration of a run.
        seconds_quartiles: Lower and upper quartile of the durations.
        ratio: ``baseline_seconds / seconds``.
        ratio_quartiles: Quartiles of the ratios of successive runs.
        seconds_beside: Median duration of a run beside busy programs.
        kept: ``seconds / seconds_beside``, the fraction of speed left beside busy programs.
        images_per_second: Throughput at the median duration.
        flops: See :class:`stylenet.benchmark.counting.Work`.
        bytes: See :class:`stylenet.benchmark.counting.Work`.
        share_of_peak: Operations per second as a fraction of ``peak_flops``.
        share_of_bandwidth: Bytes per second as a fraction of ``peak_bandwidth``.
        peak_memory: See :class:`stylenet.benchmark.peak_memory.PeakMemory`.
        memory_ratio: ``baseline_peak_memory / peak_memory``.
        device_share: Fraction of time in which the network's device was busy; for videos.
        peak_flops: Operations per second of a matrix product in ``precision``.
        peak_bandwidth: Bytes per second of a copy in ``precision``.
        precision: Precision of the convolutions.
        repeats: Number of timed runs.
        details: Further values, such as the layers of the encoder.
    """

    suite: str
    case: str
    width: int
    height: int
    batch: int
    seconds: float
    seconds_quartiles: tuple[float, float]
    baseline_seconds: float | None
    baseline_seconds_quartiles: tuple[float, float] | None
    ratio: float | None
    ratio_quartiles: tuple[float, float] | None
    seconds_beside: float | None
    baseline_seconds_beside: float | None
    kept: float | None
    baseline_kept: float | None
    images_per_second: float
    baseline_images_per_second: float | None
    flops: int | None
    baseline_flops: int | None
    bytes: int | None
    baseline_bytes: int | None
    share_of_peak: float | None
    baseline_share_of_peak: float | None
    share_of_bandwidth: float | None
    baseline_share_of_bandwidth: float | None
    peak_memory: int | None
    baseline_peak_memory: int | None
    memory_ratio: float | None
    device_share: float | None
    baseline_device_share: float | None
    peak_flops: float | None
    baseline_peak_flops: float | None
    peak_bandwidth: float | None
    baseline_peak_bandwidth: float | None
    precision: str
    baseline_precision: str | None
    repeats: int
    details: dict[str, Any]


def make_row(
    suite: str,
    case: str,
    shape: tuple[int, int, int],
    ours: Measured,
    reference: Measured | None,
    **details: Any,
) -> Row:
    """Combine the measurements of both sides of a case.

    Args:
        suite: Name of the suite.
        case: Description of the case.
        shape: Images per run, height and width.
        ours: Measurements of StyleNet.
        reference: Measurements of the reference, if it ran.
        **details: Further values.
    """
    batch, height, width = shape
    own, others = _columns(ours, batch), _columns(reference, batch)
    values: dict[str, Any] = own | {f"baseline_{name}": value for name, value in others.items()}
    if reference is not None:
        pairs = zip(reference.timing.seconds, ours.timing.seconds, strict=True)
        values["ratio"] = others["seconds"] / own["seconds"]
        values["ratio_quartiles"] = quartiles([theirs / mine for theirs, mine in pairs])
    if own["peak_memory"] and others["peak_memory"]:
        values["memory_ratio"] = others["peak_memory"] / own["peak_memory"]
    return Row(
        suite=suite,
        case=case,
        width=width,
        height=height,
        batch=batch,
        repeats=len(ours.timing.seconds),
        details=details,
        **{"ratio": None, "ratio_quartiles": None, "memory_ratio": None, **values},
    )


def _columns(side: Measured | None, batch: int) -> dict[str, Any]:
    """Return the columns of one side; ``None`` values if it did not run."""
    work, peaks = (None, None) if side is None else (side.work, side.peaks)
    beside = None if side is None else side.beside
    return {
        "seconds": side and side.timing.median,
        "seconds_quartiles": side and side.timing.quartiles,
        "seconds_beside": beside and beside.median,
        "kept": side and beside and side.timing.median / beside.median,
        "images_per_second": side and batch / side.timing.median,
        "flops": work and work.flops,
        "bytes": work and work.bytes,
        "share_of_peak": side and side.share_of_peak(),
        "share_of_bandwidth": side and side.share_of_bandwidth(),
        "peak_memory": side and side.memory,
        "device_share": side and side.device_share,
        "peak_flops": peaks and peaks.flops,
        "peak_bandwidth": peaks and peaks.bandwidth,
        "precision": side and side.precision,
    }


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Describe the machine, for every row.

    Args:
        device: The device that was measured.

    Returns:
        The device, the number of threads and the versions.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return {
        "device": str(device),
        "device_name": name or processor_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def write_rows(path: Path, rows: Sequence[Row], machine: dict[str, Any]) -> None:
    """Write the rows as a JSON list; the file appears complete or not at all.

    Args:
        path: The output file.
        rows: Results of a suite.
        machine: Added to each row.

    Raises:
        StyleNetError: The file cannot be written.
    """
    with atomic_path(path) as temporary:
        content = json.dumps([{**asdict(row), **machine} for row in rows], indent=2)
        temporary.write_text(content + "\n", encoding="utf-8")
