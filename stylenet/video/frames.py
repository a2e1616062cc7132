"""Decoded frames of a video as the network takes them: upright, 8-bit RGB, standard range."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from stylenet.image.cicp import to_srgb
from stylenet.video.color import SCALING, Colors, Turn

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


@dataclass(frozen=True)
class RgbFrame:
    """A frame of a video.

    Attributes:
        pixels: RGB, uint8, shape (H, W, 3), upright.
        pts: When it is shown, in units of the video's time base.
        duration: For how long; 0 where unknown.
        alpha: Opacity, uint8, shape (H, W); ``None`` where the video has none.
    """

    pixels: np.ndarray
    pts: int
    duration: int
    alpha: np.ndarray | None = None


class FrameConverter:
    """Converts the decoded frames of one video; all become what the first one is.

    Attributes:
        width: Of the upright frames.
        height: Of the upright frames.
        aspect: Width of a pixel by its height.
        colors: The colors of the converted frames, and how they are best coded.
        has_alpha: Whether the frames have an alpha channel.
        conversion: What is done to the colors, in words; empty for nothing.
    """

    def __init__(self, first: "VideoFrame", video: "VideoStream") -> None:
        """Read what the first frame tells.

        Args:
            first: As it was decoded.
            video: The stream that it comes from.
        """
        from av.video.reformatter import VideoReformatter

        self._scaler = VideoReformatter()
        self._coded = Colors.of(first, video.codec_context)
        self._size = (first.width, first.height)
        self._turn = Turn.of(first)
        self.width, self.height = self._turn.size(*self._size)
        aspect = Fraction(video.sample_aspect_ratio or 1) or Fraction(1)
        self.aspect = 1 / aspect if self._turn.swaps else aspect
        self.colors, self.conversion = self._coded.standard, self._coded.conversion
        self.has_alpha = any(component.is_alpha for component in first.format.components)
        self._pool = ThreadPoolExecutor(os.cpu_count()) if self.conversion else None

    def __call__(self, frame: "VideoFrame", pts: int, duration: int) -> RgbFrame:
        """Convert a frame.

        Args:
            frame: As it was decoded, or deinterlaced. Broadcasts may change its size on the way.
            pts: See :class:`RgbFrame`.
            duration: See :class:`RgbFrame`.

        Returns:
            The frame, of the size of the first one.
        """
        name = "rgba" if self.has_alpha else "rgb24"
        if self.conversion:
            name = "rgba64le" if self.has_alpha else "rgb48le"
        coding = self._coded.to_rgb(frame)
        scaled = self._scaler.reformat(frame, *self._size, name, interpolation=SCALING, **coding)
        pixels = self._turn.apply(scaled.to_ndarray())  # (H, W, 3 or 4)
        alpha = np.ascontiguousarray(pixels[..., 3]) if self.has_alpha else None
        if self.has_alpha:
            pixels = np.ascontiguousarray(pixels[..., :3])
        if self._pool is not None:
            alpha = None if alpha is None else (alpha >> 8).astype(np.uint8)
            bands = np.array_split(pixels, 2 * (os.cpu_count() or 1))
            pixels = np.concatenate(list(self._pool.map(self._to_sdr, bands)))
        return RgbFrame(pixels, pts, duration, alpha)

    def _to_sdr(self, pixels: np.ndarray) -> np.ndarray:
        """Convert 16-bit code values of any colors to 8-bit ones of sRGB."""
        codes = pixels.astype(np.float32) / 65535
        sdr = to_srgb(codes, self._coded.primaries, self._coded.transfer)
        return (sdr * 255 + 0.5).astype(np.uint8)
