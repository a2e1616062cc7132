"""How steadily an artefact repaints a film."""

from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from stylenet.inference import Stylizer
from stylenet.inference.film import FilmPainter, FilmSettings
from stylenet.inference.film_frames import FilmFrame
from stylenet.inference.film_reader import FilmReader
from stylenet.inference.flicker import FlickerReport

# Pairs of frames, spread over the film, as in scripts/infer.py: both flows of one take 1.2 s.
_PAIRS = 24


def measure_flicker(stylizer: Stylizer, path: Path, size: int, frames: int) -> FlickerReport | None:
    """Repaints the beginning of a film in memory, and measures its warping error.

    Args:
        stylizer: What repaints, as scripts/infer.py does by default.
        path: The film.
        size: Its frames are brought down to this shorter side, in pixels.
        frames: How many to repaint at most.

    Returns:
        The errors (Lai et al. 2018); ``None`` if there are no two frames of one scene.

    Raises:
        StyleNetError: The film is unreadable.
    """
    with FilmReader(path) as reader:
        count = min(frames, reader.expected or frames)
        painter = FilmPainter(stylizer, None, FilmSettings(flicker=True), max(1, count // _PAIRS))
        pictures = (item.pixels for item in reader if isinstance(item, FilmFrame))
        for pixels in islice(pictures, frames):
            painter.paint(_reduce(pixels, size))
    return painter.meter.report()


def _reduce(pixels: np.ndarray, size: int) -> np.ndarray:
    """A frame, RGB, uint8, shape (H, W, 3), no larger than asked for."""
    height, width = pixels.shape[:2]
    factor = size / min(height, width)
    if factor >= 1:
        return pixels
    sides = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.array(Image.fromarray(pixels).resize(sides, Image.Resampling.LANCZOS))
