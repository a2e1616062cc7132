"""Read the transparency of PNG files where Pillow gets it wrong."""

from pathlib import Path

import numpy as np
from PIL import Image

# Pillow widens samples of 2 and 4 bits to 8, but not the transparent level (``tRNS``).
_WIDENED = {"L;2": 85, "L;4": 17}
_WIDE_RGB = "RGB;16B"


def prepare_transparency(image: Image.Image) -> None:
    """Scale the transparent level or color of a PNG like its samples, in place.

    Args:
        image: Opened, but not decoded yet; other formats are left alone.
    """
    level = image.info.get("transparency")
    rawmode = _rawmode(image)
    if rawmode in _WIDENED and isinstance(level, int):
        factor = _WIDENED[rawmode]
        image.info["transparency"] = level * factor if level * factor <= 255 else level
    elif rawmode == _WIDE_RGB and isinstance(level, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in level)


def exact_transparency(path: Path, image: Image.Image) -> Image.Image | None:
    """Decode an RGB PNG with 16 bits a channel of which one color is transparent.

    Pillow keeps the high byte of each sample; a pixel is transparent only if the low bytes match
    too.

    Args:
        path: The file.
        image: Opened from it, not decoded yet, and as the file has it.

    Returns:
        Mode RGBA; ``None`` for other kinds of images.
    """
    color = image.info.get("transparency")
    if _rawmode(image) != _WIDE_RGB or not isinstance(color, tuple):
        return None
    with Image.open(path, formats=["PNG"]) as other:
        # Of each two bytes this raw mode takes the second.
        other.tile = [tile._replace(args="RGB;16L") for tile in other.tile]
        low = np.asarray(other)
    high = np.asarray(image)
    transparent = np.ones(high.shape[:2], dtype=bool)
    for channel, value in enumerate(color):
        transparent &= (high[..., channel] == value >> 8) & (low[..., channel] == value & 0xFF)
    result = image.copy()
    result.putalpha(Image.fromarray(np.where(transparent, 0, 255).astype(np.uint8)))
    result.info.pop("transparency")
    return result


def _rawmode(image: Image.Image) -> str | None:
    """How the samples of a PNG lie in the file; ``None`` if it is decoded or no PNG."""
    if image.format != "PNG" or not getattr(image, "tile", None):
        return None
    rawmode = image.tile[0].args  # type: ignore[attr-defined]
    return rawmode if isinstance(rawmode, str) else None
