"""Resizing to a short side, with a limit for thin images."""

import math

from PIL import Image

# An enlarged image gets at most the pixels of an image with this aspect ratio.
_MAX_ASPECT_RATIO = 8


def short_side_scale(size: tuple[int, int], short_side: int) -> float:
    """Return the factor that resizes an image to a short side.

    Thin images are enlarged less, to at most the pixels of an image with aspect ratio 8:1. Without
    this limit an image of 1 x 2,000 pixels would become one of 512 x 1,024,000.

    Args:
        size: Both sides, in pixels.
        short_side: Wanted length of the short side, in pixels.
    """
    factor = short_side / min(size)
    limit = math.sqrt(_MAX_ASPECT_RATIO * short_side**2 / (size[0] * size[1]))
    return min(factor, max(1.0, limit))


def resize_short_side(image: Image.Image, size: int) -> Image.Image:
    """Resize an image to a short side of ``size`` pixels, keeping its aspect ratio.

    Args:
        image: Any mode but palettes, whose values cannot be averaged.
        size: Short side in pixels; :func:`short_side_scale` limits it for thin images.
    """
    factor = short_side_scale(image.size, size)
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)
