"""Choice of encoder and pixel format for the frames of a video."""

from fractions import Fraction
from typing import Any

from stylenet.errors import StyleNetError, first_line
from stylenet.video.codecs import (
    DEEP,
    QUIET_X265,
    USUAL,
    alpha_codec,
    alpha_format,
    check_codec,
    pixel_formats,
    quality_options,
    usual_codec,
)
from stylenet.video.encoding import keep_frame_order, set_color_tags
from stylenet.video.reader import VideoReader

# All players support 4:2:0. 4:4:4 is for odd sizes, which H.264 and H.265 cannot halve.
_PIXEL_FORMATS = ("yuv420p", "yuv444p")
_DEEP_FORMATS = ("yuv420p10le", "yuv422p10le", "yuv444p10le")


class Coding:
    """Encoder, pixel format and options that suit a video's frames and the format of a file.

    Attributes:
        codec: FFmpeg's name of the encoder.
        pixel_format: FFmpeg's name of the pixel format.
        has_alpha: Whether the pixel format has an alpha channel.
        has_matrix: Whether it holds luma and chroma, which a color matrix derives from RGB.
    """

    def __init__(
        self,
        source: VideoReader,
        file_format: str,
        default: str,
        codec: str | None,
        quality: float,
        unit: Fraction,
    ) -> None:
        """Choose the encoder and try its pixel formats.

        Args:
            source: The video that the frames come from.
            file_format: FFmpeg's name of the format of the file.
            default: Default encoder of that format.
            codec: Name of an encoder; ``None`` for H.264, or the format's default codec.
            quality: See :class:`stylenet.video.VideoOptions`.
            unit: Unit of the times of the result, in seconds.

        Raises:
            StyleNetError: The encoder is unknown, or cannot encode frames of this size or depth.
        """
        self._source, self._file_format, self._unit = source, file_format, unit
        for_alpha = alpha_codec(file_format) if source.frames.has_alpha else None
        self.codec = codec or for_alpha or usual_codec(file_format, default)
        if codec is None and self.codec == USUAL and source.frames.is_deep:
            self.codec = DEEP
        check_codec(self.codec)
        self.has_alpha = False
        self.pixel_format = self._choose_pixel_format()
        self.has_matrix = self.pixel_format.startswith("yuv")
        self._options = quality_options(self.codec, quality)
        if self.codec == "libx265":
            self._options["x265-params"] = "log-level=error"

    def open(self, context: Any) -> None:
        """Set up an encoder of PyAV for the frames, and open it."""
        self._set_up(context, self.pixel_format)
        context.options = dict(self._options)
        if self.has_matrix:
            set_color_tags(context, self._source.frames.colors)
        context.open()

    def _choose_pixel_format(self) -> str:
        """Return the first pixel format that the encoder accepts for frames of this size."""
        import av

        known = pixel_formats(self.codec)
        formats = [f for f in _PIXEL_FORMATS if f in known] or known[:1] or ["yuv420p"]
        if self._source.frames.is_deep:
            formats = [f for f in _DEEP_FORMATS if f in known]
            if not formats:
                raise StyleNetError(
                    f"codec={self.codec} has no format of 10 bits; use codec={DEEP} in .mp4 or "
                    f".mkv, or bit_depth=8"
                )
        has_alpha = self._source.frames.has_alpha
        with_alpha = alpha_format(self.codec, self._file_format) if has_alpha else ""
        if with_alpha:
            formats.insert(0, with_alpha)
        for pixel_format in formats:
            trial = av.CodecContext.create(self.codec, "w")
            self._set_up(trial, pixel_format)
            if self.codec == "libx265":
                trial.options = QUIET_X265
            try:
                trial.open()
            except Exception as error:
                problem = error
            else:
                self.has_alpha = pixel_format == with_alpha
                return pixel_format
        source = self._source.frames
        raise StyleNetError(
            f"codec={self.codec} cannot encode {source.width}x{source.height} pixels "
            f"({getattr(problem, 'strerror', None) or first_line(problem)}); use codec={USUAL}"
        )

    def _set_up(self, context: Any, pixel_format: str) -> None:
        source = self._source.frames
        context.width, context.height = source.width, source.height
        context.pix_fmt = pixel_format
        context.time_base, context.framerate = self._unit, self._source.rate
        keep_frame_order(context, self._file_format)
        context.sample_aspect_ratio = source.aspect
