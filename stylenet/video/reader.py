"""Read videos: frames upright in RGB with their times, other streams as stored packets."""

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from stylenet.errors import StyleNetError, first_line
from stylenet.video.clip import Clip, ClipEnd, FrameSelector
from stylenet.video.codecs import describe_lost
from stylenet.video.deinterlace import Deinterlacer
from stylenet.video.entry import find_entry
from stylenet.video.frames import FrameConverter, RgbFrame
from stylenet.video.source import OpenVideo, unreadable
from stylenet.video.times import FrameTimes

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.container.core import Chapter
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Formats whose header states the duration; FFmpeg estimates it for the others.
_TIMED = frozenset({"mov", "mp4", "matroska", "webm", "avi", "flv", "asf"})
# A video that ends this much before the duration in its header counts as cut off. Headers round,
# and sound and frames seldom end together, but both differ by less than this.
_SHORT_SECONDS = 0.5


class VideoReader:
    """Reader of a video file; a context manager that closes the file.

    Iterating yields each frame as a :class:`RgbFrame`, and between them the packets of sound,
    subtitles and attachments, in the order of the file.

    Attributes:
        path: The file.
        frames: Converter of the frames; knows their size and colors.
        clip: The part of the video that is read.
        time_base: The unit of the frames' times, in seconds.
        rate: Average frame rate.
        expected: Expected number of frames; ``None`` if unknown.
        is_damaged: Whether reading ended in an error of the file.
    """

    def __init__(
        self,
        path: str | Path,
        deinterlace: str | bool = "auto",
        clip: Clip | None = None,
        after: int | None = None,
        is_deep: bool = False,
    ) -> None:
        """Open a video and decode it up to its first frame.

        Args:
            path: The file.
            deinterlace: See :class:`stylenet.video.deinterlace.Deinterlacer`.
            clip: The part to read; ``None`` for all.
            after: Leave out the frames up to this time, in units of ``time_base``; not the sound.
            is_deep: Yield frames of 16 bits instead of 8.

        Raises:
            StyleNetError: The file is missing, is not a video, has no video stream or is damaged,
                or ends before the clip starts; or PyAV is not installed.
        """
        self.path, self.clip, self._deinterlace = Path(path), clip or Clip(), deinterlace
        self._after, self._is_deep, self.is_damaged = after, is_deep, False
        self._source = OpenVideo(self.path)
        try:
            self._start()
        except BaseException as error:
            self.container.close()
            if isinstance(error, StyleNetError) or not isinstance(error, Exception):
                raise
            raise unreadable(self.path, "is damaged", error) from error

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.container.close()

    @property
    def container(self) -> "InputContainer":
        """Return the open file, for copying metadata from it."""
        return self._source.container

    @property
    def video(self) -> "VideoStream":
        """Return the stream with the frames."""
        return self._source.video

    @property
    def others(self) -> "list[Stream]":
        """Return the streams whose packets are yielded."""
        return self._source.others

    @property
    def left_out(self) -> list[str]:
        """Describe the streams that are not read."""
        return self._source.left_out

    def __iter__(self) -> "Iterator[RgbFrame | av.Packet]":
        """Continue reading.

        Yields:
            Frames, and packets of the other streams.

        Raises:
            StyleNetError: The video is damaged or cut off.
        """
        yield from self._buffered
        self._buffered.clear()
        yield from self._items

    def _start(self) -> None:
        """Choose the streams and decode the first frame, which has the size and the colors."""
        self._skipped = 0
        start = self.clip.start
        if self._after is not None:
            start += self._after * (1 / self.clip.rate if self.clip.rate else self._source.unit)
        if start:
            self._skipped = find_entry(self._source, start)
            self._source.rewind()
        self._read_first()
        if self._skipped and (self._first_time or 0) > start:
            # The decoder gave nothing at the keyframe, as with recordings that refresh the image
            # bit by bit: it has to start at the beginning.
            self._skipped = 0
            self._source.rewind()
            self._read_first()
        self.expected = self._expect()

    def _read_first(self) -> None:
        """Start to read, and keep all up to the first frame in the buffer."""
        self._deinterlacer = Deinterlacer[tuple[int, int]](self._deinterlace)
        source = self._source
        self._unit, self._step = source.unit, source.step
        self._times = FrameTimes(self.container.format.name, self._step)
        self._timeline = source.new_timeline()
        self._selector = FrameSelector["VideoFrame"](self.clip, self._unit)
        self.time_base, self.rate = self._selector.unit, self.clip.rate or source.rate
        self._end = Fraction(0)
        self._first_time: Fraction | None = None
        self._last_time = Fraction(0)
        self._damaged: list[tuple[Fraction, str]] = []
        self._items = self._read()
        self._buffered: list[RgbFrame | av.Packet] = []
        for item in self._items:
            self._buffered.append(item)
            if isinstance(item, RgbFrame):
                return
        if self._after is not None:  # the last segment ended with the video
            return
        if self._first_time is not None:  # all frames are outside the clip
            raise StyleNetError(
                f"video.start={float(self.clip.start):g} is past the last frame of {self.path}, at "
                f"{float(self._last_time):.2f} s; choose an earlier start"
            )
        raise StyleNetError(f"{self.path} has no frame that can be decoded")

    def _read(self) -> "Iterator[RgbFrame | av.Packet]":
        import av

        wanted = self._source.wanted
        is_past, is_complete = ClipEnd(self.clip, wanted), False
        problem: StyleNetError | None = None
        count = 0
        try:
            for packet in self.container.demux(wanted):
                if not packet.size:  # the flush packet of each stream
                    continue
                self._timeline.move(packet)
                if is_past(packet) and self._selector.has_ended:
                    break
                if packet.stream.index == self.video.index:
                    count += 1
                    if count > self._skipped and not self._selector.has_ended:
                        self._times.observe(packet)
                        yield from self._decode(packet)
                else:
                    self._extend_end(packet.pts, packet.duration, packet.time_base)
                    if self.clip.cut_packet(packet):
                        yield packet
            else:
                is_complete = True
        except av.error.EOFError:
            is_complete = True
        except StyleNetError:
            raise
        except Exception as error:  # damage makes PyAV raise anything
            problem = unreadable(self.path, "is damaged", error)
        yield from self._decode(None)
        for frame, times in self._deinterlacer.flush():
            yield from self._select(frame, *times)
        yield from self._convert(self._selector.flush(self._step))
        if problem is not None:
            self.is_damaged = True
            raise problem
        if is_complete:
            self._check_length()

    def _decode(self, packet: "av.Packet | None") -> Iterator[RgbFrame]:
        """Decode a packet, or ``None`` to flush the decoder; skip damaged packets."""
        import av

        try:
            decoded = self._source.decoder.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:  # like the ffmpeg command; the next may be fine
            self._damaged.append((self._end, error.strerror or first_line(error)))
            return
        for frame in decoded:
            if not hasattr(self, "frames"):
                self.frames = FrameConverter(frame, self.video, self._is_deep)
            pts, duration = self._times(frame), getattr(frame, "duration", 0) or 0
            self._last_time = pts * self._unit
            if self._first_time is None:
                self._first_time = self._last_time
            self._extend_end(pts, duration or self._step, self._unit)
            frame.pts = pts
            for full_frame, times in self._deinterlacer.push(frame, (pts, duration)):
                yield from self._select(full_frame, *times)

    def _select(self, frame: "VideoFrame", pts: int, duration: int) -> Iterator[RgbFrame]:
        yield from self._convert(self._selector.push(frame, pts, duration))

    def _convert(self, selected: "Iterator[tuple[VideoFrame, int, int]]") -> Iterator[RgbFrame]:
        """Convert selected frames; one that comes repeatedly keeps the same pixels."""
        last: RgbFrame | None = None
        for frame, pts, duration in selected:
            if self._after is not None and pts <= self._after:
                continue
            if last is None:
                last = self.frames(frame, pts, duration)
            else:
                last = dataclasses.replace(last, pts=pts, duration=duration)
            yield last

    def _extend_end(self, pts: int | None, duration: int | None, unit: Fraction) -> None:
        if pts is not None:
            self._end = max(self._end, (pts + (duration or 0)) * unit)

    def _check_length(self) -> None:
        """Raise for videos that were cut off, about which FFmpeg itself is silent."""
        stated = Fraction(self.container.duration or 0, 1_000_000)
        names = set(self.container.format.name.split(","))
        if _TIMED & names and self._end < stated - Fraction(_SHORT_SECONDS):
            self.is_damaged = True
            raise StyleNetError(
                f"{self.path} is cut off or damaged: it ends after {float(self._end):.1f} of "
                f"{float(stated):.1f} seconds"
            )

    @property
    def changes(self) -> list[str]:
        """Describe what was done to the frames read so far."""
        changes = []
        if self.frames.conversion:
            changes.append(f"colors converted from {self.frames.conversion} to BT.709 SDR")
        elif self.frames.depth > 8 and not self.frames.is_deep:
            kept = "video.bit_depth=10 writes 10"
            changes.append(f"{self.frames.depth} bits a sample reduced to 8 ({kept})")
        interlaced = self._deinterlacer
        if interlaced.done:
            done = f"{interlaced.done} frames deinterlaced"
            changes.append(f"{done} (video.deinterlace=false leaves them as they are)")
        elif interlaced.seen:
            changes.append(f"{interlaced.seen} interlaced frames stylized as they are")
        return changes

    @property
    def lost(self) -> list[str]:
        """Describe the packets that could not be decoded so far."""
        return [describe_lost(self._source.name, self._damaged)] if self._damaged else []

    def _expect(self) -> int | None:
        """Return the number of frames as far as the headers tell it."""
        if self.clip == Clip() and self.video.frames:
            return self.video.frames
        end = self.clip.end
        if self.container.duration:
            duration = Fraction(self.container.duration, 1_000_000)
            end = duration if end is None else min(end, duration)
        return None if end is None else max(1, round((end - self.clip.start) * self.rate))

    @property
    def layout(self) -> str:
        """Return size and colors of the frames as text."""
        frames = self.frames
        return f"{frames.width}x{frames.height} {frames.aspect} {frames.colors}"

    def chapters(self) -> "list[Chapter]":
        """Return the chapters of the clip, as PyAV represents them."""
        return self.clip.cut_chapters(self.container.chapters(), self._source.offset)
