"""Pass work between threads through bounded queues: reading ahead, writing behind."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")

# Interval, in seconds, at which a waiting thread checks whether to stop. It also lets Ctrl-C
# through on Windows, where a wait without a timeout cannot be interrupted.
_POLL_SECONDS = 0.1


class _EndOfQueue:
    """End of a queue."""


def read_ahead(items: Iterable[T], max_ahead: int) -> Generator[T, None, None]:
    """Iterate over items in another thread, up to a number of items ahead.

    Closing the iterator (by ``close()``, or by leaving its loop and dropping it) stops the thread
    and waits for its end.

    Args:
        items: The items, such as frames being decoded.
        max_ahead: Maximum number of items read ahead.

    Yields:
        The items in order. An exception of ``items`` is raised after the items before it.
    """
    waiting: queue.Queue[T | _EndOfQueue | BaseException] = queue.Queue(max_ahead)
    stop = threading.Event()

    def work() -> None:
        last: _EndOfQueue | BaseException = _EndOfQueue()
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
                item = waiting.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(item, _EndOfQueue):
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join()


@contextmanager
def latest(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """Iterate over items in another thread, dropping all but the latest one.

    Leaving the context ends the thread.

    Args:
        items: The items, such as a camera's frames.

    Yields:
        An iterator over the items that skips items that arrived while another one was being
        processed, except the latest. An exception of ``items`` is raised there.
    """
    changed = threading.Condition()
    stop = threading.Event()
    slot: list[T] = []
    ended: list[_EndOfQueue | BaseException] = []

    def work() -> None:
        last: _EndOfQueue | BaseException = _EndOfQueue()
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
            # A generator has to release its camera in the thread that ran it.
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
                    changed.wait(_POLL_SECONDS)
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
    """Consumer of items in another thread; a context manager.

    Leaving it without an error waits until all items are consumed; leaving it with an error drops
    the waiting ones. Either way the thread has ended afterwards.

    Example:
        >>> written = []
        >>> with WriteBehind(written.append, 2) as writer:
        ...     for number in range(3):
        ...         writer.put(number)
        >>> written
        [0, 1, 2]
    """

    def __init__(self, consume: Callable[[T], object], max_waiting: int) -> None:
        """Prepare the thread, which starts with the context.

        Args:
            consume: Called in the other thread with each item in turn.
            max_waiting: Maximum number of items that wait.
        """
        self._consume = consume
        self._waiting: queue.Queue[T | _EndOfQueue] = queue.Queue(max_waiting)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="writer", daemon=True)

    def put(self, item: T) -> None:
        """Add an item, waiting for room.

        Raises:
            BaseException: The exception that ``consume`` raised for an earlier item.
        """
        if not _put(self._waiting, item, self._stop):
            self._raise()

    def __enter__(self) -> "WriteBehind[T]":
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                _put(self._waiting, _EndOfQueue(), self._stop)
                while self._thread.is_alive():
                    self._thread.join(_POLL_SECONDS)
        finally:
            self._stop.set()
            self._thread.join()
        if error is None:
            self._raise()

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    item = self._waiting.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    continue
                if isinstance(item, _EndOfQueue):
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
    """Wait for room and add an item; return ``False`` if ``stop`` was set first."""
    while not stop.is_set():
        try:
            waiting.put(item, timeout=_POLL_SECONDS)
            return True
        except queue.Full:
            continue
    return False
