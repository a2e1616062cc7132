"""Convert decoded frames to the network's input: upright 8-bit RGB in standard range."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from stylenet.image.cicp import to_srgb
from stylenet.video.color import SCALING, Colors
from stylenet.video.orientation import Orientation

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


@dataclass(frozen=True)
class RgbFrame:
    """Frame of a video.

    Attributes:
        pixels: RGB, uint8 or, if read so, uint16, shape (H, W, 3), upright.
        pts: Presentation time, in units of the video's time base.
        duration: Duration, in the same unit; 0 if unknown.
        alpha: Opacity, uint8, shape (H, W); ``None`` if the video has no alpha channel.
    """

    pixels: np.ndarray
    pts: int
    duration: int
    alpha: np.ndarray | None = None


class FrameConverter:
    """Converter of one video's decoded frames to the size and colors of the first one.

    Attributes:
        width: Width of the upright frames.
        height: Height of the upright frames.
        aspect: Aspect ratio of a pixel, width by height.
        colors: The color coding of the converted frames, to use for the output.
        has_alpha: Whether the frames have an alpha channel.
        conversion: Description of the color conversion; empty if there is none.
        depth: Bits per sample of the decoded frames.
        is_deep: Whether the converted frames have 16 bits instead of 8.
    """

    def __init__(self, first: "VideoFrame", video: "VideoStream", is_deep: bool = False) -> None:
        """Read size, orientation and colors of the first frame.

        Args:
            first: The first decoded frame.
            video: The stream that it comes from.
            is_deep: Convert to 16 bits instead of 8.
        """
        from av.video.reformatter import VideoReformatter

        self._scaler = VideoReformatter()
        self._coded = Colors.from_frame(first, video.codec_context)
        self._size = (first.width, first.height)
        self._orientation = Orientation.from_frame(first)
        self.width, self.height = self._orientation.size(*self._size)
        aspect = Fraction(video.sample_aspect_ratio or 1) or Fraction(1)
        self.aspect = 1 / aspect if self._orientation.swap_axes else aspect
        self.colors, self.conversion = self._coded.standard, self._coded.conversion
        self.has_alpha = any(component.is_alpha for component in first.format.components)
        self.depth = max((component.bits for component in first.format.components), default=8)
        self.is_deep = is_deep
        self._pool = ThreadPoolExecutor(os.cpu_count()) if self.conversion else None

    def __call__(self, frame: "VideoFrame", pts: int, duration: int) -> RgbFrame:
        """Convert a frame.

        Args:
            frame: A decoded or deinterlaced frame. Broadcasts may change its size midway.
            pts: See :class:`RgbFrame`.
            duration: See :class:`RgbFrame`.

        Returns:
            The frame, scaled to the size of the first one.
        """
        name = "rgba" if self.has_alpha else "rgb24"
        has_words = bool(self.conversion or self.is_deep)
        if has_words:
            name = "rgba64le" if self.has_alpha else "rgb48le"
        coding = self._coded.to_rgb(frame)
        scaled = self._scaler.reformat(frame, *self._size, name, interpolation=SCALING, **coding)
        pixels = self._orientation.apply(scaled.to_ndarray())  # (H, W, 3 or 4)
        alpha = np.ascontiguousarray(pixels[..., 3]) if self.has_alpha else None
        if self.has_alpha:
            pixels = np.ascontiguousarray(pixels[..., :3])
        if has_words and alpha is not None:
            alpha = (alpha >> 8).astype(np.uint8)
        if self._pool is not None:
            bands = np.array_split(pixels, 2 * (os.cpu_count() or 1))
            pixels = np.concatenate(list(self._pool.map(self._to_sdr, bands)))
        return RgbFrame(pixels, pts, duration, alpha)

    def _to_sdr(self, pixels: np.ndarray) -> np.ndarray:
        """Convert 16-bit code values of any color coding to sRGB."""
        codes = pixels.astype(np.float32) / 65535
        sdr = to_srgb(codes, self._coded.primaries, self._coded.transfer)
        if self.is_deep:
            return (sdr * 65535 + 0.5).astype(np.uint16)
        return (sdr * 255 + 0.5).astype(np.uint8)
