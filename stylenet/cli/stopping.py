"""An orderly stop on a signal: the current step is finished and saved first."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Stopping:
    """Context in which Ctrl-C and SIGTERM are recorded instead of ending the program.

    A second Ctrl-C ends it at once.

    Attributes:
        received: The signal that arrived, ``None`` before.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Stopping":
        """Install the signal handlers; only the main thread of a Python program can have any."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Restore the previous signal handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == self.received == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
