"""Stylize an image in several passes, from coarse to fine strokes (Wang et al. 2017 in spirit).

Strokes have a fixed size in pixels: one pass over a large print leaves strokes that nobody sees
from afar, and one pass at a small size leaves no detail close by. Here each pass works at a larger
size and gets what the previous one made.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.inference.buffers import Box, ImageBuffer, scale_short_side
from stylenet.inference.options import FULL
from stylenet.inference.postprocess import strips

# Called with the number of steps done and the total.
Progress = Callable[[int, int], None]
# Stylizes a buffer of any size into a new one.
Run = Callable[[ImageBuffer, Progress | None], ImageBuffer]

# Weight of the previous result in the input of the next pass; the rest is the photo.
_GUIDE = 0.5
# Weight of the previous result in the coarse part of the next one.
_KEEP = 0.8


def run_passes(
    content: ImageBuffer,
    sides: Sequence[int | str],
    run: Run,
    progress: Progress | None = None,
    guide: float = _GUIDE,
    keep: float = _KEEP,
) -> ImageBuffer:
    """Stylize an image in several passes."""
    coarse: ImageBuffer | None = None
    for side in sides:
        size = min(content.size) if side == FULL else int(side)
        image = scale_short_side(content, size)
        if coarse is not None:
            image = _mixed(image, coarse.resized(*image.size), guide)
        fine = run(image, progress)
        if coarse is not None:
            _keep_coarse(fine, coarse, keep)
        coarse = fine
    assert coarse is not None
    return coarse if coarse.size == content.size else coarse.resized(*content.size)


def _mixed(photo: ImageBuffer, guide: ImageBuffer, weight: float) -> ImageBuffer:
    """Return the mixture of two buffers of one size."""
    mixed = photo.blank()
    for box in strips(photo):
        old = photo.read(box)
        mixed.write(box, torch.lerp(old, guide.read(box).to(old), weight))
    return mixed


def _keep_coarse(fine: ImageBuffer, coarse: ImageBuffer, weight: float) -> None:
    """Give an image the coarse structure of another one, in place.

    What both have at the resolution of the coarse one is exchanged; finer detail stays.
    """
    box = (0, 0, *coarse.size)
    before = fine.resized(*coarse.size).read(box)  # (1, 3, h, w)
    change = (coarse.read(box) - before) * weight
    for box in strips(fine):
        pixels = fine.read(box)
        fine.write(box, pixels + _upsampled(change.to(pixels), fine.size, box))


def _upsampled(image: Tensor, size: tuple[int, int], box: Box) -> Tensor:
    """Return a box of an image that is scaled up, without scaling all of it.

    Args:
        image: Shape (1, C, h, w).
        size: Height and width of the scaled image.
        box: A box of the scaled image.
    """
    top, left, bottom, right = box
    (y, x) = (
        ((torch.arange(low, high) + 0.5) * (2 / side) - 1).to(image)
        for low, high, side in ((top, bottom, size[0]), (left, right, size[1]))
    )
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).unsqueeze(0)  # (1, h', w', 2)
    return F.grid_sample(image, grid, mode="bicubic", padding_mode="border", align_corners=False)
