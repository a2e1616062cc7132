"""Reading films: frames upright in RGB, with their times; everything else as it is stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from stylenet.errors import StyleNetError, first_line
from stylenet.inference.film_codecs import import_av
from stylenet.inference.film_picture import SCALING, Colors, Turn
from stylenet.inference.film_times import FrameTimes

if TYPE_CHECKING:
    import av
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Formats whose header states how long the film is; FFmpeg estimates it for the others.
_TIMED = frozenset({"mov", "mp4", "matroska", "webm", "avi", "flv", "asf"})
# A film that ends this much earlier than its header says is taken for cut off. Headers round, and
# sound and picture seldom end together, but both within less than this.
_SHORT_SECONDS = 0.5
# For films that state no frame rate, such as some of one frame; FFmpeg's own choice.
_RATE = Fraction(25)


@dataclass(frozen=True)
class FilmFrame:
    """A frame of a film.

    Attributes:
        pixels: RGB, uint8, shape (H, W, 3), upright.
        pts: When it is shown, in units of the film's time base.
        duration: For how long; 0 where unknown.
    """

    pixels: np.ndarray
    pts: int
    duration: int


class FilmReader:
    """Reads a film; a context, which closes the file.

    Iterating yields each frame of the film's picture as a :class:`FilmFrame`, and between them the
    packets of sound, subtitles and attachments, in the order of the file.

    Attributes:
        path: The file.
        width: Of the upright frames.
        height: Of the upright frames.
        time_base: The unit of the frames' times, in seconds.
        rate: Frames per second, on average.
        aspect: Width of a pixel by its height.
        colors: How the picture's colours are coded.
        expected: How many frames there should be; ``None`` if unknown.
        container: The open file, for what else is to be copied from it.
        video: The stream of the picture.
        others: The streams whose packets are yielded.
        left_out: What else the film holds, in words.
    """

    def __init__(self, path: str | Path) -> None:
        """Opens a film and decodes it up to its first frame.

        Args:
            path: The file.

        Raises:
            StyleNetError: The file is missing, is no film, has no picture or is damaged; or PyAV
                is not installed.
        """
        self.path = Path(path)
        if not self.path.is_file():
            what = "is a folder, expected a film" if self.path.is_dir() else "no such file"
            raise StyleNetError(f"{path}: {what}")
        if self.path.stat().st_size == 0:
            raise StyleNetError(f"{path} is empty, expected a film")
        av = import_av()
        # Titles that are not UTF-8 end no film; PyAV sees to that itself since release 19.
        is_strict = int(av.__version__.split(".")[0]) < 19
        options = {"metadata_errors": "replace"} if is_strict else {}
        try:
            # "file:" keeps a colon in a name from being taken for a protocol.
            self.container = av.open(f"file:{self.path}", **options)
        except Exception as error:
            raise self._error(
                "is not a film, or of a kind that FFmpeg cannot read", error
            ) from error
        try:
            self._begin()
        except BaseException as error:
            self.container.close()
            if isinstance(error, StyleNetError) or not isinstance(error, Exception):
                raise
            raise self._error("is damaged", error) from error

    def __enter__(self) -> "FilmReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.container.close()

    def __iter__(self) -> "Iterator[FilmFrame | av.Packet]":
        """Reads on from where reading stopped.

        Yields:
            Frames, and packets of the other streams.

        Raises:
            StyleNetError: The film is damaged or cut off.
        """
        yield from self._before
        self._before.clear()
        yield from self._items

    def _begin(self) -> None:
        """Chooses the streams, and reads up to the first frame, which knows size and colours."""
        from av.video.reformatter import VideoReformatter

        moving = [s for s in self.container.streams.video if not _is_cover(s)]
        pictures = [s for s in moving if getattr(s, "codec_context", None) is not None]
        if not pictures:
            what = "a picture that FFmpeg cannot decode" if moving else "no moving picture"
            raise StyleNetError(f"{self.path} has {what}, expected a film")
        # Films of several resolutions hold the best one beside the others.
        self.video: VideoStream = max(pictures, key=lambda s: (s.width or 0) * (s.height or 0))
        self.others = [
            s for s in self.container.streams if s.type in ("audio", "subtitle", "attachment")
        ]
        known = {self.video.index, *(s.index for s in self.others)}
        self.left_out = [
            _describe(s) for s in self.container.streams if s.index not in known
        ]  # covers, other pictures, timecodes
        self.video.thread_type = "AUTO"
        self.time_base = Fraction(self.video.time_base or 1 / _RATE)
        self.rate = Fraction(self.video.average_rate or self.video.guessed_rate or _RATE)
        if not 0 < self.rate <= 1000:  # nonsense of damaged files
            self.rate = _RATE
        # Recordings of broadcasts begin hours after 0; FFmpeg's own command moves them, too.
        start = max(0, self.container.start_time or 0)
        self.start = Fraction(start, 1_000_000)
        self._step = max(1, round(1 / (self.rate * self.time_base)))
        self._shift = round(self.start / self.time_base)
        self._times = FrameTimes(self.container.format.name, self._shift, self._step)
        self._end = Fraction(0)
        self._scaler, self._coded = VideoReformatter(), (0, 0)
        self._items = self._read()
        self._before: list[FilmFrame | av.Packet] = []
        for item in self._items:
            self._before.append(item)
            if isinstance(item, FilmFrame):
                break
        else:
            raise StyleNetError(f"{self.path} has no frame that can be decoded")
        self.expected = self._expect()

    def _read(self) -> "Iterator[FilmFrame | av.Packet]":
        import av

        wanted = [self.video, *(s for s in self.others if s.type != "attachment")]
        try:
            for packet in self.container.demux(wanted):
                if packet.stream.index == self.video.index:
                    self._times.see(packet)
                    for frame in packet.decode():
                        yield self._frame(frame)
                elif packet.size:  # the last one of each stream is empty
                    self._see_end(packet.pts, packet.duration, packet.time_base)
                    yield self._move(packet)
        except av.error.EOFError:
            pass
        except StyleNetError:
            raise
        except Exception as error:  # damage makes PyAV raise anything
            raise self._error("is damaged", error) from error
        self._check_length()

    def _frame(self, frame: "VideoFrame") -> FilmFrame:
        if not any(self._coded):
            self.colors = Colors.of(frame, self.video.codec_context)
            self._coded = (frame.width, frame.height)
            self._turn = Turn.of(frame)
            self.width, self.height = self._turn.size(*self._coded)
            aspect = Fraction(self.video.sample_aspect_ratio or 1) or Fraction(1)
            self.aspect = 1 / aspect if self._turn.swaps else aspect
        width, height = self._coded  # broadcasts may change theirs on the way
        rgb = self._scaler.reformat(
            frame, width, height, "rgb24", interpolation=SCALING, **self.colors.to_rgb(frame)
        )
        duration = getattr(frame, "duration", 0) or 0
        pts = self._times(frame)
        self._see_end(pts + self._shift, duration or self._step, self.time_base)
        return FilmFrame(self._turn.apply(rgb.to_ndarray()), pts, duration)

    def _move(self, packet: "av.Packet") -> "av.Packet":
        """Lets the film begin at 0."""
        shift = round(self.start / packet.time_base)
        if shift:
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
        return packet

    def _see_end(self, pts: int | None, duration: int | None, unit: Fraction) -> None:
        if pts is not None:
            self._end = max(self._end, (pts + (duration or 0)) * unit)

    def _check_length(self) -> None:
        """Finds films that were cut off where FFmpeg itself is silent."""
        stated = Fraction(self.container.duration or 0, 1_000_000)
        got = self._end - self.start
        if _TIMED & set(self.container.format.name.split(",")) and got < stated - Fraction(
            _SHORT_SECONDS
        ):
            raise StyleNetError(
                f"{self.path} is cut off or damaged: it ends after {float(got):.1f} of "
                f"{float(stated):.1f} seconds"
            )

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
    """Whether a stream is a picture attached to a piece of music."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _describe(stream: "av.stream.Stream") -> str:
    context = getattr(stream, "codec_context", None)
    return f"{stream.type} stream {stream.index} ({context.name if context else 'unknown'})"
