"""Read videos: frames upright in RGB with their times, other streams as stored packets."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from stylenet.errors import StyleNetError, first_line
from stylenet.video.codecs import alpha_decoder, describe_lost, describe_stream, import_av
from stylenet.video.deinterlace import Deinterlacer
from stylenet.video.frames import FrameConverter, RgbFrame
from stylenet.video.times import FrameTimes, Timeline

if TYPE_CHECKING:
    import av
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
        time_base: The unit of the frames' times, in seconds.
        rate: Average frame rate.
        expected: Expected number of frames; ``None`` if unknown.
        container: The open file, for copying metadata from it.
        video: The video stream.
        others: The streams whose packets are yielded.
        left_out: Descriptions of the streams that are not read.
    """

    def __init__(self, path: str | Path, deinterlace: str | bool = "auto") -> None:
        """Open a video and decode it up to its first frame.

        Args:
            path: The file.
            deinterlace: See :class:`stylenet.video.deinterlace.Deinterlacer`.

        Raises:
            StyleNetError: The file is missing, is not a video, has no video stream or is damaged;
                or PyAV is not installed.
        """
        self.path, self._deinterlacer = Path(path), Deinterlacer[tuple[int, int]](deinterlace)
        if not self.path.is_file():
            problem = "is a folder, expected a video" if self.path.is_dir() else "no such file"
            raise StyleNetError(f"{path}: {problem}")
        if self.path.stat().st_size == 0:
            raise StyleNetError(f"{path} is empty, expected a video")
        av = import_av()
        # Titles that are not UTF-8 must not stop reading; PyAV handles them itself since release
        # 19.
        is_strict = int(av.__version__.split(".")[0]) < 19
        options = {"metadata_errors": "replace"} if is_strict else {}
        try:
            # "file:" keeps a colon in a name from being taken for a protocol.
            self.container = av.open(f"file:{self.path}", **options)
        except Exception as error:
            raise self._error(
                "is not a video, or has a format that FFmpeg cannot read", error
            ) from error
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

    def _start(self) -> None:
        """Choose the streams and decode the first frame, which has the size and the colors."""
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
        known = {self.video.index, *(s.index for s in self.others)}
        self.left_out = [
            describe_stream(s) for s in self.container.streams if s.index not in known
        ]  # cover images, other video streams, timecodes
        self._name = describe_stream(self.video)  # PyAV's streams do not outlive their container
        self.video.thread_type = "AUTO"
        self._decoder: Any = alpha_decoder(self.video) or self.video.codec_context
        self.time_base = Fraction(self.video.time_base or 1 / _RATE)
        self.rate = Fraction(self.video.average_rate or self.video.guessed_rate or _RATE)
        if not 0 < self.rate <= 1000:  # an impossible rate in a damaged file
            self.rate = _RATE
        self._step = max(1, round(1 / (self.rate * self.time_base)))
        container_format = self.container.format
        self._times = FrameTimes(container_format.name, self._step)
        # Recordings of broadcasts start hours after 0; the ffmpeg command shifts them, too.
        start = Fraction(max(0, self.container.start_time or 0), 1_000_000)
        self._timeline = Timeline(start, bool(int(container_format.flags) & _HAS_JOINTS))
        self._end = Fraction(0)
        self._damaged: list[tuple[Fraction, str]] = []
        self._items = self._read()
        self._buffered: list[RgbFrame | av.Packet] = []
        for item in self._items:
            self._buffered.append(item)
            if isinstance(item, RgbFrame):
                break
        else:
            raise StyleNetError(f"{self.path} has no frame that can be decoded")
        self.expected = self._expect()

    def _read(self) -> "Iterator[RgbFrame | av.Packet]":
        import av

        wanted = [self.video, *(s for s in self.others if s.type != "attachment")]
        problem: StyleNetError | None = None
        try:
            for packet in self.container.demux(wanted):
                if not packet.size:  # the flush packet of each stream
                    continue
                self._timeline.move(packet)
                if packet.stream.index == self.video.index:
                    self._times.observe(packet)
                    yield from self._decode(packet)
                else:
                    self._extend_end(packet.pts, packet.duration, packet.time_base)
                    yield packet
        except av.error.EOFError:
            pass
        except StyleNetError:
            raise
        except Exception as error:  # damage makes PyAV raise anything
            problem = self._error("is damaged", error)
        yield from self._decode(None)
        for frame, times in self._deinterlacer.flush():
            yield self.frames(frame, *times)
        if problem is not None:
            raise problem
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
                self.frames = FrameConverter(frame, self.video)
            pts, duration = self._times(frame), getattr(frame, "duration", 0) or 0
            self._extend_end(pts, duration or self._step, self.time_base)
            frame.pts = pts
            for full_frame, times in self._deinterlacer.push(frame, (pts, duration)):
                yield self.frames(full_frame, *times)

    def _extend_end(self, pts: int | None, duration: int | None, unit: Fraction) -> None:
        if pts is not None:
            self._end = max(self._end, (pts + (duration or 0)) * unit)

    def _check_length(self) -> None:
        """Raise for videos that were cut off, about which FFmpeg itself is silent."""
        stated = Fraction(self.container.duration or 0, 1_000_000)
        names = set(self.container.format.name.split(","))
        if _TIMED & names and self._end < stated - Fraction(_SHORT_SECONDS):
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
        if self.video.frames:
            return self.video.frames
        if self.container.duration:
            return max(1, round(self.container.duration / 1_000_000 * self.rate))
        return None

    def _error(self, problem: str, error: Exception) -> StyleNetError:
        reason = getattr(error, "strerror", None) or first_line(error)
        return StyleNetError(f"{self.path} {problem}: {reason}")


def _is_cover(stream: "VideoStream") -> bool:
    """Return whether a stream is a cover image attached to music."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)
