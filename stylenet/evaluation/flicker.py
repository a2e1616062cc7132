"""Flicker of stylized videos."""

from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from stylenet.inference import Stylizer
from stylenet.video import FrameStylizer, RgbFrame, VideoOptions, VideoReader
from stylenet.video.flicker import FlickerReport

# Pairs of frames, spread over the video, as in `stylenet infer`: the two optical flows of a pair
# take 1.2 s.
_PAIRS = 24


def measure_flicker(stylizer: Stylizer, path: Path, size: int, frames: int) -> FlickerReport | None:
    """Stylize the beginning of a video in memory and measure its warping error.

    The video options are the defaults of ``stylenet infer``.

    Args:
        size: Short side in pixels to which larger frames are reduced.
        frames: Maximum number of frames to stylize.

    Returns:
        The errors (Lai et al. 2018); ``None`` if no two frames belong to one scene.

    Raises:
        StyleNetError: The video is unreadable.
    """
    with VideoReader(path) as reader:
        count = min(frames, reader.expected or frames)
        every = max(1, count // _PAIRS)
        frame_stylizer = FrameStylizer(stylizer, None, VideoOptions(flicker=True), every)
        images = (item.pixels for item in reader if isinstance(item, RgbFrame))
        for image in islice(images, frames):
            frame_stylizer.stylize(_reduce(image, size))
    return frame_stylizer.meter.report()


def _reduce(image: np.ndarray, size: int) -> np.ndarray:
    """Reduce a frame, RGB, uint8, shape (H, W, 3), to a short side of at most ``size``."""
    height, width = image.shape[:2]
    factor = size / min(height, width)
    if factor >= 1:
        return image
    shape = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.array(Image.fromarray(image).resize(shape, Image.Resampling.LANCZOS))
