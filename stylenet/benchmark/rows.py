"""What a benchmark found, one row a case."""

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
    """One side of a case: what users run, or the reference.

    Attributes:
        timing: Seconds a run.
        precision: In which arithmetic.
        work: Of one run, if it was counted.
        peaks: What the machine can do in that arithmetic, if it was measured.
        memory: The most that a run took, in bytes, if it was measured.
        device_share: Share of a run in which the network's device worked, if it was measured.
        beside: Seconds a run beside busy programs, if it was measured.
    """

    timing: Timing
    precision: str
    work: Work | None = None
    peaks: Peaks | None = None
    memory: int | None = None
    device_share: float | None = None
    beside: Timing | None = None

    def share_of_peak(self) -> float | None:
        """The arithmetic of a run as a share of a matrix product's in the same time."""
        if self.work is None or self.peaks is None:
            return None
        return self.work.flops / self.timing.median / self.peaks.flops

    def share_of_bandwidth(self) -> float | None:
        """The bytes of a run as a share of a copy's in the same time; caches can make it over 1."""
        if self.work is None or self.peaks is None:
            return None
        return self.work.bytes / self.timing.median / self.peaks.bandwidth


@dataclass(frozen=True)
class Row:
    """One case; keys of the JSON file. What begins with ``baseline_`` is the reference's.

    Attributes:
        suite: What was measured.
        case: On what, in words.
        width: Of the images.
        height: Of the images.
        batch: Images a run.
        seconds: Median of a run.
        seconds_quartiles: Between them lie half of the runs.
        baseline_seconds: The same of the reference.
        baseline_seconds_quartiles: The same of the reference.
        ratio: ``baseline_seconds / seconds``.
        ratio_quartiles: Of the ratios of the runs that followed each other.
        seconds_beside: Median of a run beside busy programs.
        baseline_seconds_beside: The same of the reference.
        kept: ``seconds / seconds_beside``, the share of the speed that is left beside them.
        baseline_kept: The same of the reference.
        images_per_second: By the median.
        baseline_images_per_second: The same of the reference.
        flops: See :class:`stylenet.benchmark.counting.Work`.
        baseline_flops: The same of the reference.
        bytes: See :class:`stylenet.benchmark.counting.Work`.
        baseline_bytes: The same of the reference.
        share_of_peak: Of ``peak_flops``.
        baseline_share_of_peak: Of ``baseline_peak_flops``.
        share_of_bandwidth: Of ``peak_bandwidth``.
        baseline_share_of_bandwidth: Of ``baseline_peak_bandwidth``.
        peak_memory: See :class:`stylenet.benchmark.peak_memory.PeakMemory`.
        baseline_peak_memory: The same of the reference.
        memory_ratio: ``baseline_peak_memory / peak_memory``.
        device_share: Share of the time in which the network's device worked; of videos.
        baseline_device_share: The same of the reference.
        peak_flops: Of a matrix product in ``precision``, a second.
        baseline_peak_flops: Of a matrix product in ``baseline_precision``, a second.
        peak_bandwidth: Of a copy in ``precision``, bytes a second.
        baseline_peak_bandwidth: Of a copy in ``baseline_precision``, bytes a second.
        precision: What convolutions computed in.
        baseline_precision: The same of the reference.
        repeats: Timed runs.
        details: What else there is to say, such as the layers of the encoder.
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
    """Puts the two sides of a case together.

    Args:
        suite: What was measured.
        case: On what, in words.
        shape: Images a run, their height and width.
        ours: What users run.
        reference: The reference, if it ran.
        **details: What else there is to say.

    Returns:
        The row.
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
    """What a row says of one side; nothing of one that did not run."""
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
    """Says on what was measured, for every row.

    Args:
        device: Where.

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
    """Writes the rows as a JSON list; the file appears whole or not at all.

    Args:
        path: Where to.
        rows: What was found.
        machine: Goes into each of them.

    Raises:
        StyleNetError: The file cannot be written.
    """
    with atomic_path(path) as temporary:
        content = json.dumps([{**asdict(row), **machine} for row in rows], indent=2)
        temporary.write_text(content + "\n", encoding="utf-8")
