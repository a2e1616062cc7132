"""A visitor's current work, and how it ends early."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from torch.nn.modules.module import register_module_forward_pre_hook


class Stopped(Exception):  # noqa: N818 (no error)
    """The visitor stopped the work or left."""


class Work:
    """One visitor's current work, which may be stopped or run out of time."""

    def __init__(self, minutes: float) -> None:
        """Start the clock."""
        self.stop = threading.Event()
        self._end = time.monotonic() + 60 * minutes
        self._minutes = minutes

    def check(self) -> None:
        """End the work if it was stopped or takes too long.

        Raises:
            Stopped: It was stopped or its time is over.
        """
        if self.stop.is_set():
            raise Stopped("Stopped. There is no new result.")
        if time.monotonic() > self._end:
            raise Stopped(
                f"This took longer than the {self._minutes:g} minutes that are allowed here. "
                f"Choose a shorter video, a smaller photo or a fast style."
            )


@contextmanager
def ending(work: Work) -> Iterator[None]:
    """End the networks of this thread at the next layer when the work is stopped.

    Tiles could be stopped between two of them, but take up to twice the time of the whole image.
    """
    thread = threading.get_ident()

    def check(*_: object) -> None:
        if threading.get_ident() == thread:
            work.check()

    hook = register_module_forward_pre_hook(check)
    try:
        yield
        work.check()
    finally:
        hook.remove()
