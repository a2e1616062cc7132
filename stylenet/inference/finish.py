"""What follows the network: colours, strength and mask, in place and strip by strip."""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.inference.canvas import Box, Canvas
from stylenet.inference.colour import (
    ColourStatistics,
    keep_colour,
    match_histogram,
    match_statistics,
)
from stylenet.inference.settings import RepaintSettings

# A strip of so many pixels takes some 100 MB with its float copies.
_STRIP = 2**20


def finish(
    photo: Canvas, result: Canvas, settings: RepaintSettings, mask: Image.Image | None = None
) -> None:
    """Applies what the settings ask for to a network's result, in place.

    Args:
        photo: The picture before.
        result: What the network made of it, of the same size; changed.
        settings: Of these, ``preserve_color`` and ``strength``.
        mask: Mode L, of the same size: white where the result is wanted, black where the photo.
    """
    if settings.colour == "none" and settings.strength == 1 and mask is None:
        return
    match = None
    if settings.colour in ("histogram", "statistics"):
        before, after = ColourStatistics(), ColourStatistics()
        for box in _strips(photo):
            shown = photo.shown(box)
            before.add(photo.read(box), shown)
            after.add(result.read(box), shown)
        chosen = match_histogram if settings.colour == "histogram" else match_statistics
        match = chosen(before, after)
    for box in _strips(photo):
        old = photo.read(box)
        new = result.read(box).to(old)
        if match is not None:
            new = match(new)
        elif settings.colour == "luminance":
            new = keep_colour(old, new)
        share: Tensor | float = settings.strength
        if mask is not None:
            top, left, bottom, right = box
            grey = np.array(mask.crop((left, top, right, bottom)), dtype=np.float32) / 255
            share = torch.from_numpy(grey).to(old) * settings.strength
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
            f"the mask has {mask.width}x{mask.height} pixels, the picture {width}x{height}; "
            f"resize the mask to the picture's size"
        )
    if mask.mode != "L":
        raise StyleNetError(f"the mask is of mode {mask.mode}, expected L: mask.convert('L')")


def _strips(canvas: Canvas) -> Iterator[Box]:
    """Cuts a canvas into strips as wide as it is."""
    height, width = canvas.size
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        yield top, 0, min(height, top + rows), width
