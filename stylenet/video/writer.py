"""Write videos: frames are encoded, all other streams are copied from the source."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from stylenet.errors import StyleNetError, first_line
from stylenet.video.codecs import (
    QUIET_X265,
    USUAL,
    alpha_codec,
    alpha_format,
    check_codec,
    pixel_formats,
    quality_options,
    usual_codec,
    writing,
)
from stylenet.video.color import SCALING
from stylenet.video.copies import StreamCopies
from stylenet.video.encoding import keep_frame_order, open_output, set_color_tags
from stylenet.video.frames import RgbFrame
from stylenet.video.reader import VideoReader
from stylenet.video.times import unit_of_times

if TYPE_CHECKING:
    import av
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Metadata of the container that is not copied: written by the muxer itself, or true only of the
# source's coding.
_OWN_METADATA = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})
# Metadata of the video stream that is copied; Matroska's statistics, for one, are no longer true.
_KEPT_METADATA = frozenset({"language", "title", "handler_name", "comment", "timecode"})
# All players support 4:2:0. 4:4:4 is for odd sizes, which H.264 and H.265 cannot halve.
_PIXEL_FORMATS = ("yuv420p", "yuv444p")


class VideoWriter:
    """Writer of a video that keeps the times, the sound, the colors and the metadata of another.

    Use it from one thread at a time. The file is complete only after :meth:`close`.

    Attributes:
        codec: FFmpeg's name of the encoder.
        frames: Number of frames encoded so far.
        left_out: Descriptions of the source's streams that the format cannot hold.
    """

    def __init__(
        self, path: Path, target: Path, source: VideoReader, codec: str | None, quality: float
    ) -> None:
        """Open the file and its streams.

        Args:
            path: The file to write to.
            target: The final path of the video, for messages.
            source: The video that the frames come from.
            codec: Name of an encoder; ``None`` for H.264, or the format's default codec.
            quality: See :class:`stylenet.video.VideoOptions`.

        Raises:
            StyleNetError: The format, the encoder or their combination is not supported, or the
                format cannot hold the sound.
        """
        self._source, self._target = source, target
        self._container = open_output(path, target)
        self._format = self._container.format.name
        try:
            if self._format.startswith("image2"):
                raise StyleNetError(
                    f"output={target} would be an image, but the input is a video; "
                    f"expected .mp4, .mkv or .mov"
                )
            self._add_stream(codec, quality)
            self._copies = StreamCopies(source, self._container, target)
            self.left_out = [*source.left_out, *self._copies.left_out]
            self._copy_metadata()
            with writing(self._target, f"{self._format} cannot hold the video"):
                self._container.start_encoding()
        except BaseException:
            self.close(complete=False)
            raise
        self.frames = 0
        self._durations: dict[int, int] = {}
        self._last_pts: int | None = None
        self._lost_alpha = False

    @property
    def end(self) -> float:
        """Return the time of the last frame so far, in seconds."""
        return float((self._last_pts or 0) * self._unit)

    @property
    def lost(self) -> list[str]:
        """Describe what could not be written so far."""
        lost = self._copies.lost
        if self._lost_alpha:
            lost.append(
                f"the transparency, flattened on white: {self.codec} in {self._format} cannot hold "
                f"it; choose a name that ends in .mov or .webm"
            )
        return lost

    def write(self, item: "RgbFrame | av.Packet") -> None:
        """Encode a frame, or copy a packet of another stream.

        Args:
            item: A frame of the source's size, or a packet as :class:`VideoReader` yields it.

        Raises:
            StyleNetError: Encoding or writing failed.
        """
        with writing(self._target, "it could not be encoded"):
            if not isinstance(item, RgbFrame):
                self._copies.write(item)
                return
            frame = self._frame(item)
            coding = self._source.frames.colors.from_rgb(frame) if self._has_matrix else {}
            frame = self._scaler.reformat(
                frame, format=self._pixel_format, interpolation=SCALING, **coding
            )
            times = self._source.time_base / self._unit
            pts = round(item.pts * times)
            if self._last_pts is not None:
                pts = max(pts, self._last_pts + 1)
            frame.pts, frame.time_base = pts, self._unit
            self._last_pts, self._durations[pts] = pts, round(item.duration * times)
            self._mux(self._stream.encode(frame))
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
        try:
            with writing(self._target, "its end could not be encoded"):
                self._mux(self._stream.encode(None))
        finally:
            with writing(self._target, "its end could not be written"):
                self._container.close()

    def _frame(self, item: RgbFrame) -> "VideoFrame":
        """Return the frame with its alpha channel, or on white if the target has none."""
        import av

        if item.alpha is None:
            return av.VideoFrame.from_ndarray(item.pixels, "rgb24")
        if self._has_alpha:
            return av.VideoFrame.from_ndarray(np.dstack([item.pixels, item.alpha]), "rgba")
        self._lost_alpha = self._lost_alpha or bool((item.alpha < 255).any())
        opacity = item.alpha[..., None].astype(np.float32) / 255
        flat = 255 - (255 - item.pixels) * opacity  # (H, W, 3)
        return av.VideoFrame.from_ndarray((flat + 0.5).astype(np.uint8), "rgb24")

    def _add_stream(self, codec: str | None, quality: float) -> None:
        from av.video.reformatter import VideoReformatter

        source = self._source
        for_alpha = alpha_codec(self._format) if source.frames.has_alpha else None
        default = self._container.default_video_codec
        self.codec = codec or for_alpha or usual_codec(self._format, default)
        check_codec(self.codec)
        self._unit = unit_of_times(self._format, source.video, source.time_base)
        self._pixel_format = self._choose_pixel_format()
        with writing(self._target, f"{self._format} does not take codec={self.codec}"):
            stream = self._container.add_stream(self.codec, rate=source.rate)
        self._stream = cast("VideoStream", stream)
        context = self._stream.codec_context
        self._set_up(context, self._pixel_format)
        self._stream.time_base = self._unit
        options = quality_options(self.codec, quality)
        if self.codec == "libx265":
            options["x265-params"] = "log-level=error"
            if self._format in ("mp4", "mov"):
                context.codec_tag = "hvc1"  # the one of two that Apple's players take
        context.options = options
        colors = source.frames.colors
        self._has_matrix = self._pixel_format.startswith("yuv")
        if self._has_matrix:
            set_color_tags(context, colors)
        self._scaler = VideoReformatter()
        with writing(self._target, f"codec={self.codec} cannot encode it"):
            context.open()

    def _choose_pixel_format(self) -> str:
        """Return the first pixel format that the encoder accepts for frames of this size."""
        import av

        known = pixel_formats(self.codec)
        formats = [f for f in _PIXEL_FORMATS if f in known] or known[:1] or ["yuv420p"]
        with_alpha = alpha_format(self.codec, self._format) if self._source.frames.has_alpha else ""
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
                self._has_alpha = pixel_format == with_alpha
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
        keep_frame_order(context, self._format)
        context.sample_aspect_ratio = source.aspect

    def _copy_metadata(self) -> None:
        source = self._source.container
        self._container.metadata.update(
            {k: v for k, v in source.metadata.items() if k.lower() not in _OWN_METADATA}
        )
        video = self._source.video.metadata
        self._stream.metadata.update(
            {k: v for k, v in video.items() if k.lower() in _KEPT_METADATA}
        )
        if hasattr(self._container, "set_chapters"):  # newer PyAV
            with suppress(Exception):
                self._container.set_chapters(source.chapters())

    def _mux(self, packets: "list[av.Packet]") -> None:
        for packet in packets:
            # Encoders drop the duration of a frame, and that of the last frame cannot be inferred.
            duration = self._durations.pop(packet.pts, 0) if packet.pts is not None else 0
            if duration:
                packet.duration = duration
            self._container.mux(packet)
