"""Label images: one mask for each color or index of a legend."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageColor

from stylenet.errors import StyleNetError

Color = tuple[int, int, int]

# Other colors that cover at least this part of a label image are regions without a style. Rarer
# ones are edges between two regions, or noise of a lossy format.
_OTHER_SHARE = 0.01
# JPEG files of quality 75 changed flat areas of pure colors by up to 24 levels near their edges.
_NOISE = 32
# Pixels counted at a time: NumPy counts in 64 bits, which would take 800 MB for 100 megapixels.
_CHUNK = 2**24
# Modes of Pillow whose pixels are indices.
_INDEXED = ("1", "L", "P", "I", "I;16")


def parse_color(text: str) -> Color:
    """Return a color by its name or hexadecimal code, with or without ``#``.

    Raises:
        StyleNetError: There is no such color.
    """
    for name in (text, f"#{text}"):
        try:
            return ImageColor.getrgb(name)[:3]
        except ValueError:
            continue
    raise StyleNetError(
        f"{text} is not a color. Give a name such as red, a code such as ff8000, or the index of a "
        f"class such as 3."
    )


def split_by_index(labels: Image.Image, indices: Sequence[int]) -> list[Image.Image]:
    """Return the mask of each index of a label image.

    Args:
        labels: An image whose pixels are indices of classes: gray, or with a palette.
        indices: The indices.

    Returns:
        Images of mode L, white where the pixel has the index.

    Raises:
        StyleNetError: The image has colors.
    """
    if labels.mode not in _INDEXED:
        raise StyleNetError(
            f"the label image has mode {labels.mode}, expected gray or a palette for the indices "
            f"{', '.join(map(str, indices))}. Name colors, such as red or ff8000."
        )
    pixels = np.asarray(labels)
    return [Image.fromarray(np.where(pixels == i, 255, 0).astype(np.uint8)) for i in indices]


def split_by_color(labels: Image.Image, colors: Sequence[Color]) -> list[Image.Image]:
    """Return the mask of each color of a label image.

    Each pixel takes the nearest of the colors and of the other colors that cover at least 1 % of
    the image, so that soft edges and the noise of JPEG leave no specks.

    Args:
        labels: Mode RGB.
        colors: The colors.

    Returns:
        Images of mode L, white where the pixel takes the color.
    """
    pixels = np.asarray(labels.convert("RGB"))
    packed = np.zeros(pixels.shape[:2], np.int32)  # (H, W)
    for channel in range(3):
        packed <<= 8
        packed |= pixels[..., channel]
    counts = np.zeros(2**24, np.int64)
    for rows in np.array_split(packed, 1 + packed.size // _CHUNK):
        counts += np.bincount(rows.ravel(), minlength=len(counts))
    present = np.flatnonzero(counts)
    values = np.stack([present >> 16, (present >> 8) & 255, present & 255], 1)  # (U, 3)
    legend = np.array(colors)  # (S, 3)
    frequent = values[counts[present] >= _OTHER_SHARE * packed.size]
    distance = np.abs(frequent[:, None] - legend).max(2).min(1)
    centers = np.concatenate([legend, frequent[distance > _NOISE]])
    nearest = np.full(len(present), 0)
    best = np.full(len(present), np.inf)
    for index, center in enumerate(centers):
        squared = np.square(values - center).sum(1)
        closer = squared < best
        nearest[closer], best[closer] = index, squared[closer]
    table = np.zeros(len(counts), np.uint8)
    table[present] = np.minimum(nearest, len(colors))
    classes = table[packed]  # (H, W)
    return [
        Image.fromarray(np.where(classes == index, 255, 0).astype(np.uint8))
        for index in range(len(colors))
    ]
