"""Deinterlace videos with FFmpeg's bwdif filter."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from av.filter import Graph
    from av.video.frame import VideoFrame

T = TypeVar("T")


class Deinterlacer(Generic[T]):
    """Deinterlacer that outputs one full frame for each interlaced one.

    Attributes:
        seen: Number of frames that were interlaced.
        done: Number of frames that were deinterlaced.
    """

    def __init__(self, mode: str | bool) -> None:
        """Start a video.

        Args:
            mode: ``auto`` deinterlaces the frames that are marked as interlaced; ``True`` all
                frames, taking the top field as the first of frames without a mark; ``False``
                none, and removes their mark.
        """
        self._mode = mode
        self.seen = self.done = 0
        self._graph: Graph | None = None
        self._frame_format: tuple[int, int, str] | None = None
        self._waiting: list[T] = []

    def push(self, frame: "VideoFrame", data: T) -> "Iterator[tuple[VideoFrame, T]]":
        """Add the next frame.

        Args:
            frame: A decoded frame; its ``pts`` has to increase.
            data: Anything that belongs to the frame, such as its time.

        Yields:
            Finished frames in order, each with its data.
        """
        self.seen += frame.interlaced_frame
        frame_format = (frame.width, frame.height, frame.format.name)
        if self._graph is not None and frame_format != self._frame_format:
            yield from self.flush()
        wanted = self._mode is True or frame.interlaced_frame
        if self._graph is None and wanted:
            self._graph, self._frame_format = self._build(frame), frame_format
        if self._graph is None:
            yield frame, data
            return
        self.done += wanted and self._mode is not False
        self._waiting.append(data)
        self._graph.push(frame)
        yield from self._pull()

    def flush(self) -> "Iterator[tuple[VideoFrame, T]]":
        """Yield the frames that are still in the filter."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pull()
            self._graph = None

    def _build(self, frame: "VideoFrame") -> "Graph | None":
        if self._mode is False:
            # swscale converts the fields of marked frames separately, and skips rows if the fields
            # of a color plane differ in height.
            return _graph(frame, "setfield", mode="prog")
        frames = "all" if self._mode is True else "interlaced"
        try:
            return _graph(frame, "bwdif", mode="send_frame", parity="auto", deint=frames)
        except ValueError:  # a frame of fewer than 3 rows or columns
            return None

    def _pull(self) -> "Iterator[tuple[VideoFrame, T]]":
        assert self._graph is not None
        for frame in _pull_all(self._graph):
            yield frame, self._waiting.pop(0)


def _graph(frame: "VideoFrame", name: str, **options: str) -> "Graph":
    """Build a filter graph of one filter for frames like this one."""
    from av.filter import Graph

    graph = Graph()
    base: Any = frame.time_base or 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=base
    )
    graph.link_nodes(source, graph.add(name, **options), graph.add("buffersink")).configure()
    return graph


def _pull_all(graph: "Graph") -> "Iterator[VideoFrame]":
    """Yield the frames that a filter graph has finished."""
    import av

    while True:
        try:
            frame: Any = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield frame
