"""Write videos from generated frames, without a source video."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path
from stylenet.video.codecs import (
    import_av,
    pixel_formats,
    quality_options,
    usual_codec,
    writing,
)
from stylenet.video.color import SCALING, Colors
from stylenet.video.encoding import keep_frame_order, open_output, set_color_tags

if TYPE_CHECKING:
    from av.video.stream import VideoStream

# See stylenet.video.VideoOptions.
_QUALITY = 18
# BT.709 in 16 to 235 by H.273's and FFmpeg's numbers, which all players know.
_COLORS = Colors(space=1, range=1, primaries=1, transfer=1, matrix=1)
# Unit of the times of frames that come as they like, in seconds.
_CLOCK = Fraction(1, 1000)
# All players support 4:2:0, and VP8 nothing else. 4:4:4 is for odd sizes in H.264.
_EVEN, _ODD = "yuv420p", "yuv444p"


class NewVideo:
    """Writer of a video from frames of equal size.

    Attributes:
        frames: Number of frames so far.
    """

    def __init__(self, path: Path, target: Path, fps: int, asked_by: str = "zoom_frames") -> None:
        """Open the file.

        Args:
            path: The file to write to.
            target: The final path of the video, for messages.
            fps: Frame rate.
            asked_by: The option that requests a video, for messages.

        Raises:
            StyleNetError: The suffix names no video format.
        """
        self._av = import_av()
        self._target, self._fps = target, fps
        self._stream: VideoStream | None = None
        self._last = -1
        self.frames = 0
        self._container = open_output(path, target)
        name, meant_for = self._container.format.name, self._container.default_video_codec
        if name.startswith("image2") or name in ("gif", "apng", "webp") or meant_for == "none":
            self._container.close()
            raise StyleNetError(
                f"output={target} would not be a video; expected .mp4, .mkv or .mov, or leave "
                f"{asked_by} out for an image"
            )
        self._codec = usual_codec(name, meant_for)

    def write(self, pixels: np.ndarray, seconds: float | None = None) -> None:
        """Encode the next frame.

        Args:
            pixels: RGB, uint8, shape (H, W, 3).
            seconds: Its time; ``None`` for the next one of the frame rate. Either all frames have
                a time or none.

        Raises:
            StyleNetError: Encoding or writing failed.
        """
        with writing(self._target, "it could not be encoded"):
            height, width = pixels.shape[:2]
            unit = None if seconds is None else _CLOCK
            stream = self._stream or self._add_stream(height, width, unit)
            frame = self._av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame = frame.reformat(
                format=stream.pix_fmt, interpolation=SCALING, **_COLORS.from_rgb(frame)
            )
            if seconds is not None:
                self._last = max(self._last + 1, round(seconds / _CLOCK))
                frame.pts, frame.time_base = self._last, _CLOCK
            self._container.mux(stream.encode(frame))
            self.frames += 1

    def close(self, complete: bool = True) -> None:
        """Flush the encoder and close the file.

        Args:
            complete: ``False`` closes the file as it is, after an error.

        Raises:
            StyleNetError: The end of the file cannot be written.
        """
        if not complete:
            with suppress(Exception):
                self._container.close()
            return
        with writing(self._target, "its end could not be written"):
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))
            self._container.close()

    def _add_stream(self, height: int, width: int, unit: Fraction | None) -> "VideoStream":
        stream = cast("VideoStream", self._container.add_stream(self._codec, rate=self._fps))
        stream.width, stream.height = width, height
        is_odd = width % 2 or height % 2
        stream.pix_fmt = _ODD if is_odd and _ODD in pixel_formats(self._codec) else _EVEN
        context: Any = stream.codec_context
        if unit is not None:
            stream.time_base = context.time_base = unit
        keep_frame_order(context, self._container.format.name)
        set_color_tags(context, _COLORS)
        context.options = quality_options(self._codec, _QUALITY)
        self._stream = stream
        return stream


@contextmanager
def new_video(target: Path, fps: int, asked_by: str = "zoom_frames") -> Iterator[NewVideo]:
    """Open a video for writing; the file appears complete or not at all.

    Args:
        target: The output file; its suffix chooses the format.
        fps: Frame rate.
        asked_by: The option that requests a video, for messages.

    Yields:
        The writer that takes the frames.

    Raises:
        StyleNetError: The file cannot be written, or its suffix names no video format.
    """
    with atomic_path(target) as temporary:
        video = NewVideo(temporary, target, fps, asked_by)
        try:
            yield video
        except BaseException:
            video.close(complete=False)
            raise
        video.close()
