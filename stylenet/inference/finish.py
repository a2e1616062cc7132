"""What follows the network: colors, strength and mask, in place and strip by strip."""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.image.color import (
    ColorStatistics,
    keep_color,
    match_histogram,
    match_statistics,
)
from stylenet.inference.canvas import Box, Canvas
from stylenet.inference.options import StylizeOptions

# A strip of so many pixels takes some 100 MB with its float copies.
_STRIP = 2**20


def finish(
    photo: Canvas, result: Canvas, settings: StylizeOptions, mask: Image.Image | None = None
) -> None:
    """Applies what the options ask for to a network's result, in place.

    Args:
        photo: The image before.
        result: What the network made of it, of the same size; changed.
        settings: Of these, ``preserve_color`` and ``strength``.
        mask: Mode L, of the same size: white where the result is wanted, black where the photo.
    """
    if settings.color == "none" and settings.strength == 1 and mask is None:
        return
    match = None
    if settings.color in ("histogram", "statistics"):
        before, after = ColorStatistics(), ColorStatistics()
        for box in _strips(photo):
            shown = photo.shown(box)
            before.add(photo.read(box), shown)
            after.add(result.read(box), shown)
        chosen = match_histogram if settings.color == "histogram" else match_statistics
        match = chosen(before, after)
    for box in _strips(photo):
        old = photo.read(box)
        new = result.read(box).to(old)
        if match is not None:
            new = match(new)
        elif settings.color == "luminance":
            new = keep_color(old, new)
        share: Tensor | float = settings.strength
        if mask is not None:
            top, left, bottom, right = box
            gray = np.array(mask.crop((left, top, right, bottom)), dtype=np.float32) / 255
            share = torch.from_numpy(gray).to(old) * settings.strength
        result.write(box, old + (new - old) * share)


def check_mask(mask: Image.Image, width: int, height: int) -> None:
    """Refuses a mask that does not fit.

    Args:
        mask: Any.
        width: Of what it is for.
        height: Of what it is for.

    Raises:
        StyleNetError: The mask has another mode than L, or another size.
    """
    if mask.size != (width, height):
        raise StyleNetError(
            f"the mask has {mask.width}x{mask.height} pixels, the image {width}x{height}; "
            f"resize the mask to the image's size"
        )
    if mask.mode != "L":
        raise StyleNetError(f"the mask is of mode {mask.mode}, expected L: mask.convert('L')")


def _strips(canvas: Canvas) -> Iterator[Box]:
    """Cuts a canvas into strips as wide as it is."""
    height, width = canvas.size
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        yield top, 0, min(height, top + rows), width
