"""Write videos: frames are encoded, all other streams are copied from the source."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.video.codecs import writing
from stylenet.video.coding import Coding
from stylenet.video.color import SCALING
from stylenet.video.copies import StreamCopies
from stylenet.video.encoding import open_output, set_color_tags
from stylenet.video.frames import RgbFrame
from stylenet.video.journal import Journal
from stylenet.video.reader import VideoReader
from stylenet.video.segments import SegmentedEncoder, can_be_joined
from stylenet.video.times import unit_of_times

if TYPE_CHECKING:
    import av
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Metadata of the container that is not copied: written by the muxer itself, or true only of the
# source's coding.
_OWN_METADATA = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})
# Metadata of the video stream that is copied; Matroska's statistics, for one, are no longer true.
_KEPT_METADATA = frozenset({"language", "title", "handler_name", "comment", "timecode"})


class VideoWriter:
    """Writer of a video that keeps the times, the sound, the colors and the metadata of another.

    Use it from one thread at a time. The file is complete only after :meth:`close`.

    Attributes:
        codec: FFmpeg's name of the encoder.
        frames: Number of frames encoded so far.
        journal: Where complete segments are kept; ``None`` for formats that cannot be joined.
        left_out: Descriptions of the source's streams that the format cannot hold.
    """

    def __init__(
        self,
        path: Path,
        target: Path,
        source: VideoReader,
        codec: str | None,
        quality: float,
        journal: Journal | None = None,
    ) -> None:
        """Open the file and its streams.

        Args:
            path: The file to write to.
            target: The final path of the video, for messages.
            source: The video that the frames come from.
            codec: Name of an encoder; ``None`` for H.264, or the format's default codec.
            quality: See :class:`stylenet.video.VideoOptions`.
            journal: The segments that are encoded already, which are written first; further ones
                are added. Not used by formats that cannot be joined.

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
        short_side = min(source.frames.width, source.frames.height)
        if not can_be_joined(self._format, self.codec, self._coding.has_alpha, short_side):
            journal = None
        self.journal = journal
        self._encoder = SegmentedEncoder(
            self._container, self._stream, self._new_encoder, self._unit, journal
        )
        self.frames = 0 if journal is None else journal.frames
        self._lost_alpha = False

    @property
    def end(self) -> float:
        """Return the time of the last frame so far, in seconds."""
        return float((self._encoder.last or 0) * self._unit)

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
                if item.dts is not None:
                    self._encoder.write_stored(item.dts * item.time_base)
                self._copies.write(item)
                return
            frame = self._frame(item)
            coding = self._source.frames.colors.from_rgb(frame) if self._coding.has_matrix else {}
            frame = self._scaler.reformat(
                frame, format=self._coding.pixel_format, interpolation=SCALING, **coding
            )
            if self._coding.has_matrix:
                # ProRes writes the tags of the frame, not those of the encoder. Older PyAV has
                # none for frames.
                with suppress(AttributeError):
                    set_color_tags(frame, self._source.frames.colors)
            times = self._source.time_base / self._unit
            pts = round(item.pts * times)
            self._encoder.write_stored()
            if self._encoder.last is not None:
                pts = max(pts, self._encoder.last + 1)
            frame.pts, frame.time_base = pts, self._unit
            self._encoder.encode(frame, round(item.duration * times))
            self.frames += 1
            self._last_time = item.pts

    def end_segment(self, state: dict[str, Tensor]) -> None:
        """Complete a segment, from whose end a run can go on.

        Args:
            state: The state of the smoothing after its last frame.

        Raises:
            StyleNetError: Encoding or writing failed.
        """
        if self.journal is None:
            return
        with writing(self._target, "it could not be encoded"):
            self._encoder.end_segment()
            self.journal.commit(self.frames, self._last_time, self._source.layout, state)

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
                self._encoder.write_stored()
                self._encoder.end_segment()
        finally:
            with writing(self._target, "its end could not be written"):
                self._container.close()

    def _frame(self, item: RgbFrame) -> "VideoFrame":
        """Return the frame with its alpha channel, or on white if the target has none."""
        import av

        pixels, alpha = item.pixels, item.alpha
        is_deep = pixels.dtype == np.uint16
        name, name_with_alpha = ("rgb48le", "rgba64le") if is_deep else ("rgb24", "rgba")
        if alpha is None:
            return av.VideoFrame.from_ndarray(pixels, name)
        if self._coding.has_alpha:
            alpha = alpha.astype(pixels.dtype) * (257 if is_deep else 1)
            return av.VideoFrame.from_ndarray(np.dstack([pixels, alpha]), name_with_alpha)
        self._lost_alpha = self._lost_alpha or bool((alpha < 255).any())
        white = np.iinfo(pixels.dtype).max
        flat = white - (white - pixels) * (alpha[..., None].astype(np.float32) / 255)  # (H, W, 3)
        return av.VideoFrame.from_ndarray((flat + 0.5).astype(pixels.dtype), name)

    def _add_stream(self, codec: str | None, quality: float) -> None:
        from av.video.reformatter import VideoReformatter

        source = self._source
        default = self._container.default_video_codec
        self._unit = source.time_base
        if source.clip.rate is None:
            self._unit = unit_of_times(self._format, source.video, source.time_base)
        self._coding = Coding(source, self._format, default, codec, quality, self._unit)
        self.codec = self._coding.codec
        with writing(self._target, f"{self._format} does not take codec={self.codec}"):
            stream = self._container.add_stream(self.codec, rate=source.rate)
        self._stream = cast("VideoStream", stream)
        self._stream.time_base = self._unit
        context = self._stream.codec_context
        if self.codec == "libx265" and self._format in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # the one of two that Apple's players take
        self._scaler = VideoReformatter()
        with writing(self._target, f"codec={self.codec} cannot encode it"):
            self._coding.open(context)

    def _new_encoder(self) -> "VideoCodecContext":
        """Open another encoder like that of the stream."""
        import av

        context: Any = av.CodecContext.create(self.codec, "w")
        context.flags = self._stream.codec_context.flags  # headers in the container or not
        self._coding.open(context)
        return cast("VideoCodecContext", context)

    def _copy_metadata(self) -> None:
        own = _OWN_METADATA | ({"timecode"} if self._source.clip.start else set())
        source, video = self._source.container, self._source.video.metadata
        self._container.metadata.update(
            {k: v for k, v in source.metadata.items() if k.lower() not in own}
        )
        kept = _KEPT_METADATA
        if self._source.clip.start:  # the time code of a frame that is left out
            kept -= {"timecode"}
            if any("timecode" in map(str.lower, m) for m in (source.metadata, video)):
                self.left_out.append("the time code, which is true of the first frame only")
        self._stream.metadata.update({k: v for k, v in video.items() if k.lower() in kept})
        if hasattr(self._container, "set_chapters"):  # newer PyAV
            with suppress(Exception):
                self._container.set_chapters(self._source.chapters())
