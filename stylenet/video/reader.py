"""Read videos: frames upright in RGB with their times, other streams as stored packets."""

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from stylenet.errors import StyleNetError, first_line
from stylenet.video.clip import Clip, ClipEnd, FrameSelector
from stylenet.video.codecs import alpha_decoder, describe_lost, describe_stream, import_av
from stylenet.video.deinterlace import Deinterlacer
from stylenet.video.entry import find_entry
from stylenet.video.frames import FrameConverter, RgbFrame
from stylenet.video.times import FrameTimes, Timeline

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.container.core import Chapter
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Formats whose header states the duration; FFmpeg estimates it for the others.
_TIMED = frozenset({"mov", "mp4", "matroska", "webm", "avi", "flv", "asf"})
# A video that ends this much before the duration in its header counts as cut off. Headers round,
# and sound and frames seldom end together, but both differ by less than this.
_SHORT_SECONDS = 0.5
# Frame rate for videos that state none, such as some of one frame; FFmpeg's own choice.
_RATE = Fraction(25)
# FFmpeg's AVFMT_TS_DISCONT: a format of recordings that may be joined.
_HAS_JOINTS = 0x0200


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
        container: The open file, for copying metadata from it.
        video: The video stream.
        others: The streams whose packets are yielded.
        left_out: Descriptions of the streams that are not read.
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
        if not self.path.is_file():
            problem = "is a folder, expected a video" if self.path.is_dir() else "no such file"
            raise StyleNetError(f"{path}: {problem}")
        if self.path.stat().st_size == 0:
            raise StyleNetError(f"{path} is empty, expected a video")
        self.container = self._open()
        try:
            self._start()
        except BaseException as error:
            self.container.close()
            if isinstance(error, StyleNetError) or not isinstance(error, Exception):
                raise
            raise self._error("is damaged", error) from error

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.container.close()

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

    def _open(self) -> "InputContainer":
        av = import_av()
        # Titles that are not UTF-8 must not stop reading; PyAV handles them itself since release
        # 19.
        is_strict = int(av.__version__.split(".")[0]) < 19
        options = {"metadata_errors": "replace"} if is_strict else {}
        try:
            # "file:" keeps a colon in a name from being taken for a protocol.
            container: InputContainer = av.open(f"file:{self.path}", **options)
        except Exception as error:
            raise self._error(
                "is not a video, or has a format that FFmpeg cannot read", error
            ) from error
        return container

    def _start(self) -> None:
        """Choose the streams and decode the first frame, which has the size and the colors."""
        self._skipped = 0
        self._choose_streams()
        start = self.clip.start
        if self._after is not None:
            start += self._after * (1 / self.clip.rate if self.clip.rate else self._unit)
        if start:
            self._skipped = find_entry(
                self.container, self._wanted, self.video, self._new_timeline(), start
            )
            self._reopen()
        self._read_first()
        if self._skipped and (self._first_time or 0) > start:
            # The decoder gave nothing at the keyframe, as with recordings that refresh the image
            # bit by bit: it has to start at the beginning.
            self._skipped = 0
            self._reopen()
            self._read_first()
        self.expected = self._expect()

    def _reopen(self) -> None:
        self.container.close()
        self.container = self._open()
        self._choose_streams()

    def _choose_streams(self) -> None:
        moving = [s for s in self.container.streams.video if not _is_cover(s)]
        readable = [s for s in moving if getattr(s, "codec_context", None) is not None]
        if not readable:
            problem = "a video stream that FFmpeg cannot decode" if moving else "no video stream"
            raise StyleNetError(f"{self.path} has {problem}, expected a video")
        # Videos with several resolutions have one stream for each; the largest is the best.
        self.video: VideoStream = max(readable, key=lambda s: (s.width or 0) * (s.height or 0))
        self.others = [
            s for s in self.container.streams if s.type in ("audio", "subtitle", "attachment")
        ]
        self._wanted = [self.video, *(s for s in self.others if s.type != "attachment")]
        known = {self.video.index, *(s.index for s in self.others)}
        # Cover images, other video streams, timecodes. QuickTime stores chapters also as a stream.
        has_chapters = bool(self.container.chapters())
        self.left_out = [
            describe_stream(s)
            for s in self.container.streams
            if s.index not in known
            and not (has_chapters and getattr(s, "name", None) == "bin_data")
        ]
        self._name = describe_stream(self.video)  # PyAV's streams do not outlive their container
        self.video.thread_type = "AUTO"
        self._decoder: Any = alpha_decoder(self.video) or self.video.codec_context
        self._unit = Fraction(self.video.time_base or 1 / _RATE)
        self._rate = Fraction(self.video.average_rate or self.video.guessed_rate or _RATE)
        if not 0 < self._rate <= 1000:  # an impossible rate in a damaged file
            self._rate = _RATE
        self._step = max(1, round(1 / (self._rate * self._unit)))

    def _read_first(self) -> None:
        """Start to read, and keep all up to the first frame in the buffer."""
        self._deinterlacer = Deinterlacer[tuple[int, int]](self._deinterlace)
        self._times = FrameTimes(self.container.format.name, self._step)
        self._timeline = self._new_timeline()
        self._selector = FrameSelector["VideoFrame"](self.clip, self._unit)
        self.time_base, self.rate = self._selector.unit, self.clip.rate or self._rate
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

    def _new_timeline(self) -> Timeline:
        has_joints = bool(int(self.container.format.flags) & _HAS_JOINTS)
        return Timeline(-self._offset, has_joints)

    @property
    def _offset(self) -> Fraction:
        """Return what is added to all times, in seconds, so that the video starts at 0.

        Recordings of broadcasts start hours after 0; the ffmpeg command shifts them, too.
        """
        return -Fraction(max(0, self.container.start_time or 0), 1_000_000)

    def _read(self) -> "Iterator[RgbFrame | av.Packet]":
        import av

        is_past, is_complete = ClipEnd(self.clip, self._wanted), False
        problem: StyleNetError | None = None
        count = 0
        try:
            for packet in self.container.demux(self._wanted):
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
            problem = self._error("is damaged", error)
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
            decoded = self._decoder.decode(packet)
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
        if self.frames.depth > 8 and not self.frames.is_deep:
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
        return [describe_lost(self._name, self._damaged)] if self._damaged else []

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
        return self.clip.cut_chapters(self.container.chapters(), self._offset)

    def _error(self, problem: str, error: Exception) -> StyleNetError:
        reason = getattr(error, "strerror", None) or first_line(error)
        return StyleNetError(f"{self.path} {problem}: {reason}")


def _is_cover(stream: "VideoStream") -> bool:
    """Return whether a stream is a cover image attached to music."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)
