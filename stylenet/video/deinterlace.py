"""Deinterlacing of videos, by FFmpeg's filter bwdif."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from av.filter import Graph
    from av.video.frame import VideoFrame

T = TypeVar("T")


class Deinterlacer(Generic[T]):
    """Makes whole frames of interlaced ones by FFmpeg's bwdif, as many as there were.

    Attributes:
        seen: How many frames were interlaced.
        done: How many of them were deinterlaced.
    """

    def __init__(self, choice: str | bool) -> None:
        """Begin a video.

        Args:
            choice: ``auto``: frames that are marked as interlaced. ``True``: all frames; of those
                without a mark the top field is the first. ``False``: none; they lose their mark.
        """
        self._choice = choice
        self.seen = self.done = 0
        self._graph: Graph | None = None
        self._form: tuple[int, int, str] | None = None
        self._waiting: list[T] = []

    def push(self, frame: "VideoFrame", about: T) -> "Iterator[tuple[VideoFrame, T]]":
        """Take the next frame.

        Args:
            frame: As it was decoded. Its ``pts`` has to rise.
            about: What belongs to the frame, such as its time.

        Yields:
            Frames that are done, each with what belongs to it, in order.
        """
        self.seen += frame.interlaced_frame
        form = (frame.width, frame.height, frame.format.name)
        if self._graph is not None and form != self._form:
            yield from self.flush()
        wanted = self._choice is True or frame.interlaced_frame
        if self._graph is None and wanted:
            self._graph, self._form = self._build(frame), form
        if self._graph is None:
            yield frame, about
            return
        self.done += wanted and self._choice is not False
        self._waiting.append(about)
        self._graph.push(frame)
        yield from self._pull()

    def flush(self) -> "Iterator[tuple[VideoFrame, T]]":
        """Yield the frames that wait for a next one."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull()
            self._graph = None

    def _build(self, frame: "VideoFrame") -> "Graph | None":
        if self._choice is False:
            # swscale converts the fields of marked frames one by one, and leaves rows out where
            # the fields of a color plane differ in height.
            return _graph(frame, "setfield", mode="prog")
        which = "all" if self._choice is True else "interlaced"
        try:
            return _graph(frame, "bwdif", mode="send_frame", parity="auto", deint=which)
        except ValueError:  # a frame of less than 3 rows or columns
            return None

    def _pull(self) -> "Iterator[tuple[VideoFrame, T]]":
        assert self._graph is not None
        for frame in _pull_all(self._graph):
            yield frame, self._waiting.pop(0)


def _graph(frame: "VideoFrame", name: str, **options: str) -> "Graph":
    """A chain of one filter for frames like this one."""
    from av.filter import Graph

    graph = Graph()
    base: Any = frame.time_base or 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=base
    )
    graph.link_nodes(source, graph.add(name, **options), graph.add("buffersink")).configure()
    return graph


def _pull_all(graph: "Graph") -> "Iterator[VideoFrame]":
    """What has come out of a chain by now."""
    import av

    while True:
        try:
            frame: Any = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield frame
