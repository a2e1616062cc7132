"""Measure the peak memory of code."""

import ctypes
import sys

import psutil
import torch


class PeakMemory:
    """Peak memory above that at creation.

    On a CPU it is the process's resident memory: exact in a fresh process, slightly low in one that
    did the same work before and kept some of its memory. On CUDA it is the memory that PyTorch
    allocated.
    """

    def __init__(self, device: torch.device) -> None:
        """Record the present memory and start measuring.

        Args:
            device: The device to measure.
        """
        self._device = device
        if device.type == "cuda":
            self._start = torch.cuda.memory_allocated(device)
        else:
            _give_back()
            self._start = psutil.Process().memory_info().rss
        self.reset()

    def reset(self) -> None:
        """Forget the peak so far; it still counts from the memory at creation."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        elif sys.platform == "linux":
            try:
                with open("/proc/self/clear_refs", "w") as file:
                    file.write("5")  # resets the peak, see proc(5)
            except OSError:  # a sandbox without this file: the peak counts from the process's start
                pass

    def increase(self) -> int | None:
        """Return the peak in bytes above the memory at creation; ``None`` if unknown."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) - self._start
        if self._device.type != "cpu":
            return None
        return max(0, _resident_peak() - self._start)


def _give_back() -> None:
    """Return freed memory to the system: after a training step a gigabyte was kept."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # glibc has it, other C libraries may not
        trim(0)


def _resident_peak() -> int:
    """Return the peak resident memory of this process in bytes."""
    if sys.platform == "linux":
        # Not getrusage, whose number is inherited from the parent process.
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
