"""Stopping in good order: the step at hand is finished and saved first."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class Stopping:
    """Notes Ctrl-C and SIGTERM as long as it is entered, instead of ending the program.

    A second Ctrl-C ends it at once.

    Attributes:
        received: The signal that came, if one did.
    """

    def __init__(self) -> None:
        """Notes nothing yet."""
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Stopping":
        """Takes the signals over; elsewhere than in the main thread Python has none."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Gives the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if number == self.received == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
