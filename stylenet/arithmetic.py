"""Choose between float32 and bfloat16 by what is faster on this machine."""

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

# Timed runs of each, the fastest counts: beside other programs single runs take twice as long.
_REPEATS = 4
# One run each is enough where they differ so much (a bfloat16 unit makes 2 to 4, emulation 0.3).
_CLEARLY = 1.6
# A gain below the noise of the measurement is not worth the lower precision.
_WORTH = 1.03
# What makes PyTorch's libraries use fewer instructions than the processor has.
_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")


def bfloat16_is_faster(
    device: torch.device, work: str, run: Callable[[torch.dtype], object]
) -> bool:
    """Tell whether bfloat16 is faster than float32.

    On a CPU both are measured, in 20 to 300 ms, and the result is remembered in the user's cache
    folder. A flag of the processor does not tell: some processors list ``avx512_bf16`` and take
    twice as long in bfloat16 as in float32.

    Args:
        device: Where the work runs.
        work: All that the result depends on beside the machine, such as the layers.
        run: Does a sample of the work, its convolutions in the given type.

    Returns:
        On a GPU whether it computes in bfloat16 itself; on Apple's never.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    machine = _machine()
    key = hashlib.sha256(json.dumps([machine, work]).encode()).hexdigest()[:32]
    path = cache_folder() / "arithmetic" / f"{key}.json"
    seconds = _remembered(path)
    if seconds is None:
        try:
            seconds = _measure(run)
        except RuntimeError:
            return False  # the work itself will say what is wrong
        try:
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps({"seconds": seconds, "machine": machine}, indent=2))
        except StyleNetError:
            pass  # a cache that cannot be written only costs the next start its time
    return seconds["float32"] > _WORTH * seconds["bfloat16"]


def processor_name() -> str:
    """Return what the processor calls itself."""
    try:
        with open("/proc/cpuinfo") as file:
            named = [line for line in file if line.startswith("model name")]
    except OSError:  # not on Linux
        named = []
    return named[0].partition(":")[2].strip() if named else platform.processor()


def _measure(run: Callable[[torch.dtype], object]) -> dict[str, float]:
    """Time both in turns; return the seconds of the fastest run of each."""
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    best = dict.fromkeys(kinds, float("inf"))
    for dtype in kinds.values():
        run(dtype)  # the first run of a shape chooses and builds its kernels
    for _ in range(_REPEATS):
        for name, dtype in kinds.items():
            start = time.perf_counter()
            run(dtype)
            best[name] = min(best[name], time.perf_counter() - start)
        ratio = best["float32"] / best["bfloat16"]
        if max(ratio, 1 / ratio) > _CLEARLY:
            break
    return best


def _remembered(path: Path) -> dict[str, float] | None:
    """Return the times of an earlier measurement, if there are any."""
    try:
        seconds = json.loads(path.read_text())["seconds"]
        return {name: float(seconds[name]) for name in ("float32", "bfloat16")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _machine() -> dict[str, Any]:
    """Return what the times depend on: another machine, PyTorch or number of threads is timed."""
    return {
        "processor": processor_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "limits": {name: os.environ[name] for name in _LIMITS if name in os.environ},
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
