"""OpenMP threads that sleep instead of spinning at barriers while other programs are busy.

GNU OpenMP, which PyTorch uses on Linux, lets a waiting thread spin for about 3 ms before it sleeps.
Without other busy programs this is fastest. With them, spinning threads take processor time from
the thread that all others wait for: with one busy process on each of two cores training fell to 0.1
to 0.2 of its speed. Sleeping at once keeps 0.4 to 0.55 of the speed, but takes up to 1.36 times as
long on an idle machine, so neither fits both cases (docs/performance.md). OpenMP reads its
environment variables only when PyTorch is loaded, and has no function to change them later.
"""

import ctypes
import os
import sys
import threading
import time
from typing import Any, NamedTuple

import psutil

# Fractions of the available processor time used by other programs, above which threads start to
# sleep and below which they spin again. One busy program per core takes 1/2; an idle desktop takes
# 0.01 to 0.05.
_START, _STOP = 0.15, 0.08
# Seconds between two measurements; processor times have steps of 10 ms.
_INTERVAL = 0.5


class ProcessorTime(NamedTuple):
    """Processor times at one moment, in seconds.

    Attributes:
        now: Monotonic clock.
        busy: Busy time of all processors that this process may use.
        own: Processor time of this process.
    """

    now: float
    busy: float
    own: float

    @classmethod
    def read(cls) -> "ProcessorTime":
        """Read the current times."""
        times = psutil.cpu_times(percpu=True)
        busy = sum(sum(times[i]) - _idle_time(times[i]) for i in usable_processors())
        return cls(time.monotonic(), busy, time.process_time())


def other_programs_fraction(before: ProcessorTime, after: ProcessorTime, processors: int) -> float:
    """Return the fraction of the processor time that other programs used, from 0 to 1."""
    others = (after.busy - before.busy) - (after.own - before.own)
    return min(1.0, max(0.0, others / (processors * (after.now - before.now))))


def should_sleep(sleeping: bool, fraction: float) -> bool:
    """Decide whether threads should sleep at barriers.

    Args:
        sleeping: Whether they do now; between the two bounds this does not change.
        fraction: See :func:`other_programs_fraction`.
    """
    return fraction > (_STOP if sleeping else _START)


class SleepAtBarriers:
    """Makes waiting OpenMP threads sleep at once, from the constructor to :meth:`end`.

    GNU OpenMP shortens spinning from 300,000 iterations to 100 while it manages more threads than
    processors. So this parks a Python thread that has a team of OpenMP threads of its own. It does
    nothing with other OpenMP libraries, or if the user sets ``OMP_WAIT_POLICY`` or
    ``GOMP_SPINCOUNT``.
    """

    def __init__(self) -> None:
        self._leave = threading.Event()
        self._thread: threading.Thread | None = None
        library = _gnu_openmp()
        if library is None:
            return
        parked = threading.Event()
        self._thread = threading.Thread(target=self._park, args=(library, parked), daemon=True)
        self._thread.start()
        parked.wait()

    def end(self) -> None:
        """Let the threads spin again."""
        self._leave.set()
        if self._thread is not None:
            self._thread.join()

    def _park(self, library: ctypes.CDLL, parked: threading.Event) -> None:
        """Start a team, so that there are more threads than processors, and wait with it."""
        threads = sys.modules["torch"].get_num_threads()
        size = max(2, library.omp_get_num_procs() - threads + 2)
        # The team runs free(NULL), which does nothing.
        nothing = ctypes.cast(library.free, ctypes.c_void_p)
        library.GOMP_parallel(nothing, None, ctypes.c_uint(size), ctypes.c_uint(0))
        parked.set()
        self._leave.wait()


def watch() -> None:
    """Start to make OpenMP threads sleep at barriers whenever other programs are busy.

    A daemon thread measures every half second from the first call on; further calls do nothing.
    """
    with _lock:
        if not _watching and _gnu_openmp() is not None:
            _watching.append(threading.Thread(target=_watch, name="contention", daemon=True))
            _watching[0].start()


def _watch() -> None:
    """Compare busy time and own time in an endless loop."""
    processors = len(usable_processors())
    sleeping: SleepAtBarriers | None = None
    before = _start
    while True:
        # The first measurement covers the time since the import.
        time.sleep(max(0.0, _INTERVAL - (time.monotonic() - before.now)))
        after = ProcessorTime.read()
        sleep = should_sleep(
            sleeping is not None, other_programs_fraction(before, after, processors)
        )
        before = after
        if sleep and sleeping is None:
            sleeping = SleepAtBarriers()
        elif not sleep and sleeping is not None:
            sleeping.end()
            sleeping = None


def _gnu_openmp() -> ctypes.CDLL | None:
    """Return GNU OpenMP's functions if PyTorch uses it and the user has not set how it waits."""
    if sys.platform != "linux" or {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        return None
    if "torch" not in sys.modules:  # not imported here, because --help must not wait for it
        return None
    library = ctypes.CDLL(None)  # everything loaded, including PyTorch's libraries
    # LLVM's and Intel's OpenMP have GOMP_parallel too, but wait by other rules.
    if not hasattr(library, "GOMP_parallel") or hasattr(library, "kmp_set_blocktime"):
        return None
    return library


def usable_processors() -> list[int]:
    """Return the numbers of the processors that this process may use."""
    count = psutil.cpu_count() or 1
    allowed = os.sched_getaffinity(0) if sys.platform == "linux" else range(count)
    return [number for number in allowed if number < count] or list(range(count))


def _idle_time(times: Any) -> float:
    """Return the idle time of a processor; guest times are also part of the user time."""
    names = ("idle", "iowait", "guest", "guest_nice")
    return sum(getattr(times, name, 0.0) for name in names)


_lock = threading.Lock()
_watching: list[threading.Thread] = []
_start = ProcessorTime.read()
