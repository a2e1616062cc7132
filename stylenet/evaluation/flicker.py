"""How steadily a checkpoint stylizes a video."""

from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from stylenet.inference import Stylizer
from stylenet.video import FrameStylizer, RgbFrame, VideoOptions, VideoReader
from stylenet.video.flicker import FlickerReport

# Pairs of frames, spread over the video, as in scripts/infer.py: both flows of one take 1.2 s.
_PAIRS = 24


def measure_flicker(stylizer: Stylizer, path: Path, size: int, frames: int) -> FlickerReport | None:
    """Stylizes the beginning of a video in memory, and measures its warping error.

    Args:
        stylizer: What stylizes, as scripts/infer.py does by default.
        path: The video.
        size: Its frames are brought down to this shorter side, in pixels.
        frames: How many to stylize at most.

    Returns:
        The errors (Lai et al. 2018); ``None`` if there are no two frames of one scene.

    Raises:
        StyleNetError: The video is unreadable.
    """
    with VideoReader(path) as reader:
        count = min(frames, reader.expected or frames)
        painter = FrameStylizer(stylizer, None, VideoOptions(flicker=True), max(1, count // _PAIRS))
        images = (item.pixels for item in reader if isinstance(item, RgbFrame))
        for pixels in islice(images, frames):
            painter.stylize(_reduce(pixels, size))
    return painter.meter.report()


def _reduce(pixels: np.ndarray, size: int) -> np.ndarray:
    """A frame, RGB, uint8, shape (H, W, 3), no larger than asked for."""
    height, width = pixels.shape[:2]
    factor = size / min(height, width)
    if factor >= 1:
        return pixels
    sides = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.array(Image.fromarray(pixels).resize(sides, Image.Resampling.LANCZOS))
