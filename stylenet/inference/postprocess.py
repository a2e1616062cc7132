"""Apply colors, strength and regions to a stylized image, in place and strip by strip."""

from collections.abc import Iterator

import torch
from torch import Tensor

from stylenet.image.color import (
    ColorStatistics,
    keep_color,
    match_histogram,
    match_statistics,
)
from stylenet.inference.buffers import Box, ImageBuffer
from stylenet.inference.options import StylizeOptions
from stylenet.inference.region_map import RegionMap

# Pixels in a strip; with its float copies it takes about 100 MB.

_STRIP = 2**20


def postprocess(
    content: ImageBuffer,
    stylized: ImageBuffer,
    options: StylizeOptions,
    regions: RegionMap | None = None,
) -> None:
    """Apply the options to a stylized image, in place.

    Args:
        content: The content image.
        stylized: The output of the network, of the same size; changed in place.
        options: ``preserve_color`` and ``strength`` are used.
        regions: Of the same size; the content image stays where they have no style.
    """
    if options.color == "none" and options.strength == 1 and regions is None:
        return
    match = None
    if options.color in ("histogram", "statistics"):
        before, after = ColorStatistics(), ColorStatistics()
        for box in strips(content):
            opacity = content.opacity(box)
            before.add(content.read(box), opacity)
            after.add(stylized.read(box), opacity)
        make_match = match_histogram if options.color == "histogram" else match_statistics
        match = make_match(before, after)
    for box in strips(content):
        old = content.read(box)  # (1, 3, h, w)
        new = stylized.read(box).to(old)
        if match is not None:
            new = match(new)
        elif options.color == "luminance":
            new = keep_color(old, new)
        weight: Tensor | float = options.strength
        if regions is not None:
            weight = (regions.opacity(box).to(old) * options.strength).expand_as(old)
        # Unlike old + (new - old) * weight, lerp returns exactly the new image at weight 1.
        stylized.write(box, torch.lerp(old, new, weight))


def strips(buffer: ImageBuffer) -> Iterator[Box]:
    """Yield boxes of full width that cover a buffer from top to bottom."""
    height, width = buffer.size
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        yield top, 0, min(height, top + rows), width
