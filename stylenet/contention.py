"""Give way to other programs: OpenMP threads that sleep instead of spinning at their barriers.

GNU OpenMP, which PyTorch brings on Linux, lets a thread that waits for others spin for about 3 ms
before it sleeps. Alone that is the fastest. Beside other busy programs the thread that all wait
for is often not running, and spinning takes from it what it needs: with one busy process on each
of two cores training fell to 0.1 to 0.2 of its speed. Sleeping at once keeps 0.4 to 0.55 of it, but
costs up to 1.36 times the time alone, so neither suits both (docs/performance.md). OpenMP reads its
own environment variables once, when PyTorch is loaded, and has no call to change them.
"""

import ctypes
import os
import sys
import threading
import time
from typing import Any, NamedTuple

import psutil

# Of the time of the processors that this process may use. A share of 1/2 comes from a program that
# keeps each of them busy beside us; a desktop at rest takes 0.01 to 0.05.
_MANY, _FEW = 0.15, 0.08
# Processors count their time in steps of 10 ms.
_INTERVAL = 0.5


class ProcessorTime(NamedTuple):
    """Times at one moment, in seconds.

    Attributes:
        now: The clock.
        busy: All work of the processors that this process may use, added up.
        own: The work of this process.
    """

    now: float
    busy: float
    own: float

    @classmethod
    def read(cls) -> "ProcessorTime":
        """Read the times of this moment."""
        times = psutil.cpu_times(percpu=True)
        busy = sum(sum(times[i]) - _waiting(times[i]) for i in usable_processors())
        return cls(time.monotonic(), busy, time.process_time())


def others_share(before: ProcessorTime, after: ProcessorTime, processors: int) -> float:
    """Return the share of the processors' time that went to other programs, from 0 to 1."""
    others = (after.busy - before.busy) - (after.own - before.own)
    return min(1.0, max(0.0, others / (processors * (after.now - before.now))))


def give_way(giving: bool, share: float) -> bool:
    """Decide whether threads are to sleep at barriers.

    Args:
        giving: Whether they do now; between the two bounds this stays.
        share: See :func:`others_share`.

    Returns:
        Whether they are to.
    """
    return share > (_FEW if giving else _MANY)


class SleepAtBarriers:
    """Let waiting OpenMP threads sleep at once, from the creation to :meth:`end`.

    GNU OpenMP shortens spinning from 300,000 rounds to 100 while it manages more threads than there
    are processors. So this parks a Python thread with a team of OpenMP threads of its own. Nothing
    happens with other OpenMP libraries, and where the user has chosen how threads wait
    (``OMP_WAIT_POLICY``, ``GOMP_SPINCOUNT``).
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
        """Let them spin again."""
        self._leave.set()
        if self._thread is not None:
            self._thread.join()

    def _park(self, library: ctypes.CDLL, parked: threading.Event) -> None:
        """Form a team that makes the threads more than the processors, and wait with it."""
        threads = sys.modules["torch"].get_num_threads()
        size = max(2, library.omp_get_num_procs() - threads + 2)
        # What the team runs: free(NULL), which does nothing.
        nothing = ctypes.cast(library.free, ctypes.c_void_p)
        library.GOMP_parallel(nothing, None, ctypes.c_uint(size), ctypes.c_uint(0))
        parked.set()
        self._leave.wait()


def watch() -> None:
    """Let OpenMP threads sleep at barriers whenever other programs keep the processors busy.

    A daemon thread looks every half second from the first call on; further calls do nothing.
    """
    with _lock:
        if not _watching and _gnu_openmp() is not None:
            _watching.append(threading.Thread(target=_watch, name="contention", daemon=True))
            _watching[0].start()


def _watch() -> None:
    """Compare the processors' times with our own, for ever."""
    processors = len(usable_processors())
    sleeping: SleepAtBarriers | None = None
    before = _start
    while True:
        # The first look is at the time since the import.
        time.sleep(max(0.0, _INTERVAL - (time.monotonic() - before.now)))
        after = ProcessorTime.read()
        wanted = give_way(sleeping is not None, others_share(before, after, processors))
        before = after
        if wanted and sleeping is None:
            sleeping = SleepAtBarriers()
        elif not wanted and sleeping is not None:
            sleeping.end()
            sleeping = None


def _gnu_openmp() -> ctypes.CDLL | None:
    """Return GNU OpenMP's functions if PyTorch uses it and the user left its waiting alone."""
    if sys.platform != "linux" or {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        return None
    if "torch" not in sys.modules:  # not imported here: --help shall not wait for it
        return None
    library = ctypes.CDLL(None)  # all that is loaded, PyTorch's libraries among it
    # LLVM's and Intel's have GOMP_parallel too, but wait by another rule.
    if not hasattr(library, "GOMP_parallel") or hasattr(library, "kmp_set_blocktime"):
        return None
    return library


def usable_processors() -> list[int]:
    """Return the numbers of the processors that this process may use."""
    count = psutil.cpu_count() or 1
    allowed = os.sched_getaffinity(0) if sys.platform == "linux" else range(count)
    return [number for number in allowed if number < count] or list(range(count))


def _waiting(times: Any) -> float:
    """Return what is no work in the times of a processor; guests count in user time already."""
    names = ("idle", "iowait", "guest", "guest_nice")
    return sum(getattr(times, name, 0.0) for name in names)


_lock = threading.Lock()
_watching: list[threading.Thread] = []
_start = ProcessorTime.read()
