"""Transparency of PNG files that Pillow reads wrongly."""

from pathlib import Path

import numpy as np
from PIL import Image

# Pillow scales samples of 2 and 4 bits to 8 bits, but not the transparent level (``tRNS``).
_SCALES = {"L;2": 85, "L;4": 17}
_WIDE_RGB = "RGB;16B"


def prepare_transparency(image: Image.Image) -> None:
    """Scale the transparent level or color of a PNG in place, as Pillow scales its samples.

    Args:
        image: Opened but not decoded. Other formats stay unchanged.
    """
    level = image.info.get("transparency")
    rawmode = _rawmode(image)
    if rawmode in _SCALES and isinstance(level, int):
        factor = _SCALES[rawmode]
        image.info["transparency"] = level * factor if level * factor <= 255 else level
    elif rawmode == _WIDE_RGB and isinstance(level, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in level)


def exact_transparency(path: Path, image: Image.Image) -> Image.Image | None:
    """Decode an RGB PNG with 16 bits per channel and one transparent color.

    Pillow keeps only the high byte of each sample, but a pixel is transparent only if the low bytes
    match too.

    Args:
        path: The file.
        image: Opened from the file, not decoded, with unchanged ``info``.

    Returns:
        Mode RGBA; ``None`` for other images.
    """
    color = image.info.get("transparency")
    if _rawmode(image) != _WIDE_RGB or not isinstance(color, tuple):
        return None
    with Image.open(path, formats=["PNG"]) as other:
        # This raw mode reads the low byte of each sample.
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
    """Return Pillow's raw mode of an undecoded PNG; ``None`` for other images."""
    if image.format != "PNG" or not getattr(image, "tile", None):
        return None
    rawmode = image.tile[0].args  # type: ignore[attr-defined]
    return rawmode if isinstance(rawmode, str) else None
