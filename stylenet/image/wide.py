"""Bring images with more than 8 bits a sample to 8 bits."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Tags of TIFF 6.0, and PhotometricInterpretation's value for gray that counts from white. Pillow
# inverts such gray itself if it has another depth than 16 bits.
_BITS, _PHOTOMETRIC = 258, 262
_MIN_IS_WHITE = 0

# Rows that are converted at a time, so that a huge image needs little more memory.
_ROWS = 256


def is_wide(image: Image.Image) -> bool:
    """Tell whether an image is gray with more than 8 bits a sample."""
    return image.mode in ("I", "F") or image.mode.startswith("I;")


def narrow(image: Image.Image) -> Image.Image:
    """Bring 12-bit, 16-bit, 32-bit and floating-point gray to 8 bits.

    Pillow's own conversion clips at 255 and so turns a 16-bit photo white. The number of bits in
    a TIFF file decides what is white (``info["bits"]`` of a copy); floating-point and 32-bit
    samples, which have no such level, are stretched to their own range.

    Args:
        image: Wide, see :func:`is_wide`.

    Returns:
        Mode L.
    """
    values = np.asarray(image)
    bands = [slice(top, top + _ROWS) for top in range(0, image.height, _ROWS)]
    low = min(float(np.min(_finite(values[band]))) for band in bands)
    high = max(float(np.max(_finite(values[band]))) for band in bands)
    tags = getattr(image, "tag_v2", {})  # of a TIFF file just opened
    bits = image.info.get("bits") or min(16, max(tags.get(_BITS, (16,))))
    photometric = image.info.get("photometric", tags.get(_PHOTOMETRIC))
    white = 2**bits - 1
    if image.mode != "F" and low >= 0 and high <= white:
        low, high = 0.0, float(white)  # I;16, and I as PNG's 16-bit gray arrives
    gray = np.empty(values.shape, dtype=np.uint8)
    for band in bands:
        scaled = (_finite(values[band]) - low) / max(high - low, 1e-12) * 255
        gray[band] = scaled.round()
    if image.mode.startswith("I;16") and photometric == _MIN_IS_WHITE:
        gray = 255 - gray
    return Image.fromarray(gray)


def transparent_level(image: Image.Image) -> Image.Image | None:
    """Return the alpha channel of a wide image of which one level is transparent, as in PNG."""
    level = image.info.get("transparency")
    if not isinstance(level, int):
        return None
    return Image.fromarray((np.asarray(image) != level).astype(np.uint8) * np.uint8(255))


def _finite(values: NDArray) -> NDArray:
    """The values as float64, with 0 for what is no number."""
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
