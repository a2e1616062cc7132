"""Conversion of images with more than 8 bits per sample to 8 bits."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Tags of TIFF 6.0, and the value of PhotometricInterpretation for gray whose 0 is white. Pillow
# inverts such gray itself except at 16 bits.
_BITS, _PHOTOMETRIC = 258, 262
_MIN_IS_WHITE = 0

# Rows per step; limits the memory that a huge image needs.
_ROWS = 256


def is_wide(image: Image.Image) -> bool:
    """Return whether an image is gray with more than 8 bits per sample."""
    return image.mode in ("I", "F") or image.mode.startswith("I;")


def narrow(image: Image.Image) -> Image.Image:
    """Convert 12-bit, 16-bit, 32-bit and floating-point gray to 8 bits.

    Pillow's own conversion clips at 255, which turns a 16-bit photo white. White is the largest
    value of the file's bits per sample (``info["bits"]`` of a copy of a TIFF image). Floating-point
    and 32-bit samples have no such white level and are stretched to their range.

    Args:
        image: A wide image; see :func:`is_wide`.

    Returns:
        Mode L.
    """
    values = np.asarray(image)
    bands = [slice(top, top + _ROWS) for top in range(0, image.height, _ROWS)]
    low = min(float(np.min(_finite(values[band]))) for band in bands)
    high = max(float(np.max(_finite(values[band]))) for band in bands)
    tags = getattr(image, "tag_v2", {})  # of a freshly opened TIFF file
    bits = image.info.get("bits") or min(16, max(tags.get(_BITS, (16,))))
    photometric = image.info.get("photometric", tags.get(_PHOTOMETRIC))
    white = 2**bits - 1
    if image.mode != "F" and low >= 0 and high <= white:
        low, high = 0.0, float(white)  # mode I;16, and mode I of PNG's 16-bit gray
    gray = np.empty(values.shape, dtype=np.uint8)
    for band in bands:
        scaled = (_finite(values[band]) - low) / max(high - low, 1e-12) * 255
        gray[band] = scaled.round()
    if image.mode.startswith("I;16") and photometric == _MIN_IS_WHITE:
        gray = 255 - gray
    return Image.fromarray(gray)


def transparent_level(image: Image.Image) -> Image.Image | None:
    """Return the alpha channel of a wide image with one transparent level, as in PNG."""
    level = image.info.get("transparency")
    if not isinstance(level, int):
        return None
    return Image.fromarray((np.asarray(image) != level).astype(np.uint8) * np.uint8(255))


def _finite(values: NDArray) -> NDArray:
    """Convert to float64, with 0 for NaN and infinity."""
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
