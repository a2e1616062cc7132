"""Apply colors, strength and mask to a stylized image, in place and strip by strip."""

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
from stylenet.inference.buffers import Box, ImageBuffer
from stylenet.inference.options import StylizeOptions

# Pixels in a strip; with its float copies it takes about 100 MB.

_STRIP = 2**20


def postprocess(
    content: ImageBuffer,
    stylized: ImageBuffer,
    options: StylizeOptions,
    mask: Image.Image | None = None,
) -> None:
    """Apply the options to a stylized image, in place.

    Args:
        content: The content image.
        stylized: The output of the network, of the same size; changed in place.
        options: ``preserve_color`` and ``strength`` are used.
        mask: Mode L, of the same size: white where the image is stylized, black where the
            content image stays.
    """
    if options.color == "none" and options.strength == 1 and mask is None:
        return
    match = None
    if options.color in ("histogram", "statistics"):
        before, after = ColorStatistics(), ColorStatistics()
        for box in _strips(content):
            opacity = content.opacity(box)
            before.add(content.read(box), opacity)
            after.add(stylized.read(box), opacity)
        make_match = match_histogram if options.color == "histogram" else match_statistics
        match = make_match(before, after)
    for box in _strips(content):
        old = content.read(box)  # (1, 3, h, w)
        new = stylized.read(box).to(old)
        if match is not None:
            new = match(new)
        elif options.color == "luminance":
            new = keep_color(old, new)
        weight: Tensor | float = options.strength
        if mask is not None:
            top, left, bottom, right = box
            gray = np.array(mask.crop((left, top, right, bottom)), dtype=np.float32) / 255  # (h, w)
            weight = torch.from_numpy(gray).to(old) * options.strength
        stylized.write(box, old + (new - old) * weight)


def check_mask(mask: Image.Image, width: int, height: int) -> None:
    """Raise if a mask does not fit an image.

    Args:
        mask: Has to be of mode L.
        width: Width of the image in pixels.
        height: Height of the image in pixels.

    Raises:
        StyleNetError: The mask has another mode or another size.
    """
    if mask.size != (width, height):
        raise StyleNetError(
            f"the mask has {mask.width}x{mask.height} pixels, the image {width}x{height}; "
            f"resize the mask to the image's size"
        )
    if mask.mode != "L":
        raise StyleNetError(f"the mask has mode {mask.mode}, expected L; use mask.convert('L')")


def _strips(buffer: ImageBuffer) -> Iterator[Box]:
    """Yield boxes of full width that cover a buffer from top to bottom."""
    height, width = buffer.size
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        yield top, 0, min(height, top + rows), width
