"""Reading videos: frames upright in RGB, with their times; everything else as it is stored."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from stylenet.errors import StyleNetError, first_line
from stylenet.video.codecs import (
    alpha_decoder,
    describe_lost,
    describe_stream,
    import_av,
)
from stylenet.video.deinterlace import Deinterlacer
from stylenet.video.frames import FrameConverter, RgbFrame
from stylenet.video.times import FrameTimes, Timeline

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

# Formats whose header states how long the video is; FFmpeg estimates it for the others.
_TIMED = frozenset({"mov", "mp4", "matroska", "webm", "avi", "flv", "asf"})
# A video that ends this much earlier than its header says is taken for cut off. Headers round, and
# sound and image seldom end together, but both within less than this.
_SHORT_SECONDS = 0.5
# For videos that state no frame rate, such as some of one frame; FFmpeg's own choice.
_RATE = Fraction(25)
# FFmpeg's AVFMT_TS_DISCONT: a format of recordings that may be joined.
_HAS_JOINTS = 0x0200


class VideoReader:
    """Reads a video; a context, which closes the file.

    Iterating yields each frame of the video's image as a :class:`RgbFrame`, and between them the
    packets of sound, subtitles and attachments, in the order of the file.

    Attributes:
        path: The file.
        frames: Converts the frames; knows their size and colors.
        time_base: The unit of the frames' times, in seconds.
        rate: Frames per second, on average.
        expected: How many frames there should be; ``None`` if unknown.
        container: The open file, for what else is to be copied from it.
        video: The stream of the image.
        others: The streams whose packets are yielded.
        left_out: What else the video holds and is not read, in words.
    """

    def __init__(self, path: str | Path, deinterlace: str | bool = "auto") -> None:
        """Open a video and decode it up to its first frame.

        Args:
            path: The file.
            deinterlace: See :class:`stylenet.video.deinterlace.Deinterlacer`.

        Raises:
            StyleNetError: The file is missing, is no video, has no image or is damaged; or PyAV
                is not installed.
        """
        self.path, self._deinterlacer = Path(path), Deinterlacer[tuple[int, int]](deinterlace)
        if not self.path.is_file():
            what = "is a folder, expected a video" if self.path.is_dir() else "no such file"
            raise StyleNetError(f"{path}: {what}")
        if self.path.stat().st_size == 0:
            raise StyleNetError(f"{path} is empty, expected a video")
        av = import_av()
        # Titles that are not UTF-8 end no video; PyAV sees to that itself since release 19.
        is_strict = int(av.__version__.split(".")[0]) < 19
        options = {"metadata_errors": "replace"} if is_strict else {}
        try:
            # "file:" keeps a colon in a name from being taken for a protocol.
            self.container = av.open(f"file:{self.path}", **options)
        except Exception as error:
            raise self._error(
                "is not a video, or of a kind that FFmpeg cannot read", error
            ) from error
        try:
            self._begin()
        except BaseException as error:
            self.container.close()
            if isinstance(error, StyleNetError) or not isinstance(error, Exception):
                raise
            raise self._error("is damaged", error) from error

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.container.close()

    def __iter__(self) -> "Iterator[RgbFrame | av.Packet]":
        """Reads on from where reading stopped.

        Yields:
            Frames, and packets of the other streams.

        Raises:
            StyleNetError: The video is damaged or cut off.
        """
        yield from self._before
        self._before.clear()
        yield from self._items

    def _begin(self) -> None:
        """Chooses the streams, and reads up to the first frame, which knows size and colors."""
        moving = [s for s in self.container.streams.video if not _is_cover(s)]
        images = [s for s in moving if getattr(s, "codec_context", None) is not None]
        if not images:
            what = "an image that FFmpeg cannot decode" if moving else "no moving image"
            raise StyleNetError(f"{self.path} has {what}, expected a video")
        # Videos of several resolutions hold the best one beside the others.
        self.video: VideoStream = max(images, key=lambda s: (s.width or 0) * (s.height or 0))
        self.others = [
            s for s in self.container.streams if s.type in ("audio", "subtitle", "attachment")
        ]
        known = {self.video.index, *(s.index for s in self.others)}
        self.left_out = [
            describe_stream(s) for s in self.container.streams if s.index not in known
        ]  # covers, other images, timecodes
        self._name = describe_stream(self.video)  # PyAV's streams do not outlive their container
        self.video.thread_type = "AUTO"
        self._decoder: Any = alpha_decoder(self.video) or self.video.codec_context
        self.time_base = Fraction(self.video.time_base or 1 / _RATE)
        self.rate = Fraction(self.video.average_rate or self.video.guessed_rate or _RATE)
        if not 0 < self.rate <= 1000:  # nonsense of damaged files
            self.rate = _RATE
        self._step = max(1, round(1 / (self.rate * self.time_base)))
        form = self.container.format
        self._times = FrameTimes(form.name, self._step)
        # Recordings of broadcasts begin hours after 0; FFmpeg's own command moves them, too.
        start = Fraction(max(0, self.container.start_time or 0), 1_000_000)
        self._timeline = Timeline(start, bool(int(form.flags) & _HAS_JOINTS))
        self._end = Fraction(0)
        self._damaged: list[tuple[Fraction, str]] = []
        self._items = self._read()
        self._before: list[RgbFrame | av.Packet] = []
        for item in self._items:
            self._before.append(item)
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
                if not packet.size:  # the last one of each stream
                    continue
                self._timeline.move(packet)
                if packet.stream.index == self.video.index:
                    self._times.see(packet)
                    yield from self._decode(packet)
                else:
                    self._see_end(packet.pts, packet.duration, packet.time_base)
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
        """Decode a packet; ``None`` for what waits in the decoder. Damaged ones are skipped."""
        import av

        try:
            decoded = self._decoder.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:  # as FFmpeg's own command: the next may be whole
            self._damaged.append((self._end, error.strerror or first_line(error)))
            return
        for frame in decoded:
            if not hasattr(self, "frames"):
                self.frames = FrameConverter(frame, self.video)
            pts, duration = self._times(frame), getattr(frame, "duration", 0) or 0
            self._see_end(pts, duration or self._step, self.time_base)
            frame.pts = pts
            for whole, times in self._deinterlacer.push(frame, (pts, duration)):
                yield self.frames(whole, *times)

    def _see_end(self, pts: int | None, duration: int | None, unit: Fraction) -> None:
        if pts is not None:
            self._end = max(self._end, (pts + (duration or 0)) * unit)

    def _check_length(self) -> None:
        """Finds videos that were cut off where FFmpeg itself is silent."""
        stated = Fraction(self.container.duration or 0, 1_000_000)
        names = set(self.container.format.name.split(","))
        if _TIMED & names and self._end < stated - Fraction(_SHORT_SECONDS):
            raise StyleNetError(
                f"{self.path} is cut off or damaged: it ends after {float(self._end):.1f} of "
                f"{float(stated):.1f} seconds"
            )

    @property
    def changes(self) -> list[str]:
        """What was done to the frames read so far, in words."""
        changes = []
        if self.frames.conversion:
            changes.append(f"colors converted from {self.frames.conversion} to BT.709 SDR")
        interlaced = self._deinterlacer
        if interlaced.done:
            changes.append(f"{interlaced.done} frames deinterlaced (video.deinterlace=false: not)")
        elif interlaced.seen:
            changes.append(f"{interlaced.seen} interlaced frames stylized as they are")
        return changes

    @property
    def lost(self) -> list[str]:
        """What could not be read so far, in words."""
        return [describe_lost(self._name, self._damaged)] if self._damaged else []

    def _expect(self) -> int | None:
        if self.video.frames:
            return self.video.frames
        if self.container.duration:
            return max(1, round(self.container.duration / 1_000_000 * self.rate))
        return None

    def _error(self, what: str, error: Exception) -> StyleNetError:
        reason = getattr(error, "strerror", None) or first_line(error)
        return StyleNetError(f"{self.path} {what}: {reason}")


def _is_cover(stream: "VideoStream") -> bool:
    """Whether a stream is an image attached to a piece of music."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)
