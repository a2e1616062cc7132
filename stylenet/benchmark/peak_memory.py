"""The most memory that something took above what was there before."""

import ctypes
import sys

import psutil
import torch


class PeakMemory:
    """Measures from its creation on.

    On a CPU it is the process' resident memory: exact in a fresh process, a little low in one that
    has done the same work before and keeps some of its memory. On CUDA it is what PyTorch
    allocated.
    """

    def __init__(self, device: torch.device) -> None:
        """Takes what is there now as the ground.

        Args:
            device: Whose memory.
        """
        self._device = device
        if device.type == "cuda":
            self._ground = torch.cuda.memory_allocated(device)
        else:
            _give_back()
            self._ground = psutil.Process().memory_info().rss
        self.forget()

    def forget(self) -> None:
        """Drops the peak so far; the ground stays."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        elif sys.platform == "linux":
            try:
                with open("/proc/self/clear_refs", "w") as file:
                    file.write("5")  # resets the peak, see proc(5)
            except OSError:  # a sandbox without it: the peak since the start of the process
                pass

    def above(self) -> int | None:
        """Says what the peak was.

        Returns:
            Bytes above the ground; ``None`` where this device does not tell.
        """
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) - self._ground
        if self._device.type != "cpu":
            return None
        return max(0, _resident_peak() - self._ground)


def _give_back() -> None:
    """Returns memory that was freed to the system: in a step of training a gigabyte was kept."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # glibc has it, other C libraries may not
        trim(0)


def _resident_peak() -> int:
    """The most resident memory of this process, in bytes."""
    if sys.platform == "linux":
        # Not getrusage: its number comes along from the process that started this one.
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
