"""Measured choice between float32 and bfloat16 on this machine."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, cache_folder

# Timed runs per type; the fastest counts, because other programs can double the time of a run.
_REPEATS = 4
# Ratio at which one run per type is enough: bfloat16 units give 2 to 4, emulation gives 0.3.
_CLEAR_RATIO = 1.6
# Speedup below which bfloat16 is not worth its lower precision: the noise of the measurement.
_MIN_SPEEDUP = 1.03
# Variables that restrict the instruction sets PyTorch's libraries use.
_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")


def bfloat16_is_faster(
    device: torch.device, work: str, run: Callable[[torch.dtype], object]
) -> bool:
    """Return whether bfloat16 is faster than float32.

    On a CPU both are timed once, in 20 to 300 ms, and the result is stored in the user's cache
    folder. Processor flags are no substitute: some processors list ``avx512_bf16`` and take twice
    as long in bfloat16 as in float32. On a CUDA GPU the answer is whether it supports bfloat16
    natively; on Apple's GPUs it is no.

    Args:
        device: Device of the work.
        work: Description of everything but the machine that affects the times, such as the layers.
        run: Runs a sample of the work with its convolutions in the given type.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    machine = _machine()
    key = hashlib.sha256(json.dumps([machine, work]).encode()).hexdigest()[:32]
    path = cache_folder() / "arithmetic" / f"{key}.json"
    seconds = _read_cached(path)
    if seconds is None:
        try:
            seconds = _measure(run)
        except RuntimeError:
            return False  # the work itself will report the error
        try:
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps({"seconds": seconds, "machine": machine}, indent=2))
        except StyleNetError:
            pass  # without a cache the next start only measures again
    return seconds["float32"] > _MIN_SPEEDUP * seconds["bfloat16"]


def processor_name() -> str:
    """Return the processor's model name."""
    try:
        with open("/proc/cpuinfo") as file:
            lines = [line for line in file if line.startswith("model name")]
    except OSError:  # not on Linux
        lines = []
    return lines[0].partition(":")[2].strip() if lines else platform.processor()


def _measure(run: Callable[[torch.dtype], object]) -> dict[str, float]:
    """Time both types in turns; return the seconds of the fastest run of each."""
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    best = dict.fromkeys(dtypes, float("inf"))
    for dtype in dtypes.values():
        run(dtype)  # the first run of a shape selects and builds its kernels
    for _ in range(_REPEATS):
        for name, dtype in dtypes.items():
            start = time.perf_counter()
            run(dtype)
            best[name] = min(best[name], time.perf_counter() - start)
        ratio = best["float32"] / best["bfloat16"]
        if max(ratio, 1 / ratio) > _CLEAR_RATIO:
            break
    return best


def _read_cached(path: Path) -> dict[str, float] | None:
    """Return the times of an earlier measurement, if any."""
    try:
        seconds = json.loads(path.read_text())["seconds"]
        return {name: float(seconds[name]) for name in ("float32", "bfloat16")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _machine() -> dict[str, Any]:
    """Return everything that the times depend on besides the work."""
    return {
        "processor": processor_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "limits": {name: os.environ[name] for name in _LIMITS if name in os.environ},
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
