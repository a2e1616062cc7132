"""Open a video file and choose its streams."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylenet.errors import StyleNetError, first_line
from stylenet.video.codecs import alpha_decoder, describe_stream, import_av
from stylenet.video.times import Timeline

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

# Frame rate for videos that state none, such as some of one frame; FFmpeg's own choice.
_RATE = Fraction(25)
_FASTEST = 1000  # frames a second; a damaged file may state more
# FFmpeg's AVFMT_TS_DISCONT: a format of recordings that may be joined.
_HAS_JOINTS = 0x0200


class OpenVideo:
    """Open video file and the streams to read.

    Attributes:
        path: The file.
        container: The open file.
        video: The stream with the frames.
        decoder: Its decoder.
        others: The streams of sound, subtitles and attachments.
        left_out: Descriptions of all other streams.
        name: Description of the stream with the frames.
        unit: The unit of its times, in seconds.
        rate: Its average frame rate.
        step: Time between frames, in its unit.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Args:
            path: The file.

        Raises:
            StyleNetError: The file is missing, is not a video, has no video stream or is damaged;
                or PyAV is not installed.
        """
        self.path = path
        if not path.is_file():
            problem = "is a folder, expected a video" if path.is_dir() else "no such file"
            raise StyleNetError(f"{path}: {problem}")
        if path.stat().st_size == 0:
            raise StyleNetError(f"{path} is empty, expected a video")
        self._open()

    def rewind(self) -> None:
        """Open the file again, at its beginning: not every format can seek."""
        self.container.close()
        self._open()

    @property
    def wanted(self) -> "list[Stream]":
        """Return the streams with packets; attachments are in the header."""
        return [self.video, *(s for s in self.others if s.type != "attachment")]

    @property
    def offset(self) -> Fraction:
        """Return what is added to all times, in seconds, so that the video starts at 0.

        Recordings of broadcasts start hours after 0; the ffmpeg command shifts them, too.
        """
        return -Fraction(max(0, self.container.start_time or 0), 1_000_000)

    def new_timeline(self) -> Timeline:
        """Return a timeline for reading from the beginning."""
        has_joints = bool(int(self.container.format.flags) & _HAS_JOINTS)
        return Timeline(-self.offset, has_joints)

    def _open(self) -> None:
        av = import_av()
        # Titles that are not UTF-8 must not stop reading; PyAV handles them itself since release
        # 19.
        is_strict = int(av.__version__.split(".")[0]) < 19
        options = {"metadata_errors": "replace"} if is_strict else {}
        try:
            # "file:" keeps a colon in a name from being taken for a protocol.
            self.container: InputContainer = av.open(f"file:{self.path}", **options)
        except Exception as error:
            raise unreadable(
                self.path, "is not a video, or has a format that FFmpeg cannot read", error
            ) from error
        try:
            self._choose_streams()
        except BaseException as error:
            self.container.close()
            if isinstance(error, StyleNetError) or not isinstance(error, Exception):
                raise
            raise unreadable(self.path, "is damaged", error) from error

    def _choose_streams(self) -> None:
        streams = self.container.streams
        moving = [s for s in streams.video if not _is_cover(s)]
        readable = [s for s in moving if getattr(s, "codec_context", None) is not None]
        if not readable:
            problem = "a video stream that FFmpeg cannot decode" if moving else "no video stream"
            raise StyleNetError(f"{self.path} has {problem}, expected a video")
        # Videos with several resolutions have one stream for each; the largest is the best.
        self.video: VideoStream = max(readable, key=lambda s: (s.width or 0) * (s.height or 0))
        self.others = [s for s in streams if s.type in ("audio", "subtitle", "attachment")]
        known = {self.video.index, *(s.index for s in self.others)}
        # Cover images, other video streams, timecodes. QuickTime stores chapters also as a stream.
        has_chapters = bool(self.container.chapters())
        self.left_out = [
            describe_stream(s)
            for s in streams
            if s.index not in known
            and not (has_chapters and getattr(s, "name", None) == "bin_data")
        ]
        self.name = describe_stream(self.video)  # PyAV's streams do not outlive their container
        self.video.thread_type = "AUTO"
        self.decoder: Any = alpha_decoder(self.video) or self.video.codec_context
        self.unit = Fraction(self.video.time_base or 1 / _RATE)
        self.rate = Fraction(self.video.average_rate or self.video.guessed_rate or _RATE)
        if not 0 < self.rate <= _FASTEST:
            self.rate = _RATE
        self.step = max(1, round(1 / (self.rate * self.unit)))


def unreadable(path: Path, problem: str, error: Exception) -> StyleNetError:
    """Return an error of one line for what PyAV raised."""
    reason = getattr(error, "strerror", None) or first_line(error)
    return StyleNetError(f"{path} {problem}: {reason}")


def _is_cover(stream: "VideoStream") -> bool:
    """Return whether a stream is a cover image attached to music."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)
