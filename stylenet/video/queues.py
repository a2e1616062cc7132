"""Work handed between threads through bounded queues: reading ahead, writing behind."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

# How often a waiting thread looks whether it is to end. Also lets Ctrl-C through on Windows, where
# a wait without a limit cannot be interrupted.
_LOOK_SECONDS = 0.1


class _End:
    """Stands at the end of a queue."""


def read_ahead(items: Iterable[T], most: int) -> Generator[T, None, None]:
    """Goes through items in another thread, a bounded number ahead.

    Closing the iterator (leaving its loop and dropping it, or ``close()``) ends the thread, and
    returns only when it has ended.

    Args:
        items: What to go through.
        most: How many may wait.

    Yields:
        The items in their order. What ``items`` raises is raised here, after the items before it.
    """
    waiting: queue.Queue[T | _End | BaseException] = queue.Queue(most)
    stop = threading.Event()

    def work() -> None:
        last: _End | BaseException = _End()
        try:
            for item in items:
                if not _put(waiting, item, stop):
                    return
        except BaseException as error:
            last = error
        _put(waiting, last, stop)

    thread = threading.Thread(target=work, name="reader", daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = waiting.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if isinstance(item, _End):
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()


@contextmanager
def newest(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """Goes through items in another thread, and hands over the newest only.

    Args:
        items: What to go through, such as a camera's frames.

    Yields:
        An iterator over the items; those that came while nobody asked are left out but for the
        last one. What ``items`` raises is raised there. Leaving the context ends the thread.
    """
    changed = threading.Condition()
    stop = threading.Event()
    slot: list[T] = []
    ended: list[_End | BaseException] = []

    def work() -> None:
        last: _End | BaseException = _End()
        try:
            for item in items:
                with changed:
                    slot[:] = [item]
                    changed.notify()
                if stop.is_set():
                    break
        except BaseException as error:
            last = error
        finally:
            # A generator lets go of its camera in the thread that ran it.
            close = getattr(items, "close", None)
            if close is not None:
                close()
        with changed:
            ended.append(last)
            changed.notify()

    def take() -> Iterator[T]:
        while True:
            with changed:
                while not slot and not ended:
                    changed.wait(_LOOK_SECONDS)
                if not slot:
                    if isinstance(ended[0], BaseException):
                        raise ended[0]
                    return
                item = slot.pop()
            yield item

    thread = threading.Thread(target=work, name="camera", daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        stop.set()
        thread.join()


class WriteBehind(Generic[T]):
    """Consumes items in another thread; a context.

    Left without an error, it waits until everything is consumed; left with one, what waits is
    dropped. Either way the thread has ended afterwards.

    Example:
        >>> written = []
        >>> with WriteBehind(written.append, 2) as writer:
        ...     for number in range(3):
        ...         writer.put(number)
        >>> written
        [0, 1, 2]
    """

    def __init__(self, consume: Callable[[T], object], most: int) -> None:
        """Sets up; the thread begins with the context.

        Args:
            consume: Called in the other thread, with each item in turn.
            most: How many items may wait.
        """
        self._consume = consume
        self._waiting: queue.Queue[T | _End] = queue.Queue(most)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def put(self, item: T) -> None:
        """Hands over an item, as soon as there is room.

        Args:
            item: What to consume.

        Raises:
            BaseException: What ``consume`` raised for an item before.
        """
        if not _put(self._waiting, item, self._stop):
            self._raise()

    def __enter__(self) -> "WriteBehind[T]":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                _put(self._waiting, _End(), self._stop)
                while self._thread.is_alive():
                    self._thread.join(_LOOK_SECONDS)
        finally:
            self._stop.set()
            self._thread.join()
        if error is None:
            self._raise()

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    item = self._waiting.get(timeout=_LOOK_SECONDS)
                except queue.Empty:
                    continue
                if isinstance(item, _End):
                    return
                self._consume(item)
        except BaseException as error:
            self._error = error
        finally:
            self._stop.set()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error


def _put(waiting: queue.Queue, item: object, stop: threading.Event) -> bool:
    """Waits for room; returns whether there was any before ``stop``."""
    while not stop.is_set():
        try:
            waiting.put(item, timeout=_LOOK_SECONDS)
            return True
        except queue.Full:
            continue
    return False
