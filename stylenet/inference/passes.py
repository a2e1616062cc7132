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

# Weight of the previous result in the input of the next pass; the rest is the photo. Seen on two
# networks and a photo enlarged to 1743 x 1920: with 0, fine strokes ignore the coarse ones; with
# 0.6 and more, each pass hatches over the pixels of the one before, and lettering dissolves.
_GUIDE = 0.4
# Standard deviation, in pixels of the coarser pass, of the blur between what two passes agree on
# and what the finer one adds. Without it, the enlarged pixels of the coarse pass show as dots.
_BLUR = 1.5


def run_passes(
    content: ImageBuffer, sides: Sequence[int | str], run: Run, progress: Progress | None = None
) -> ImageBuffer:
    """Stylize an image in several passes.

    Each pass after the first stylizes the photo mixed with the previous result. Of its result, the
    coarse structure is replaced by that of the previous result, as in a Laplacian pyramid (Burt &
    Adelson 1983): colors and large strokes are those of the first pass, details those of the last.

    Args:
        content: The content image.
        sides: Short side of each pass in pixels, growing; the last may be ``full``.
        run: Stylizes an image at its own size.
        progress: Passed on to ``run`` in each pass.

    Returns:
        A buffer of the size of ``content``.
    """
    coarse: ImageBuffer | None = None
    for side in sides:
        image = scale_short_side(content, None if side == FULL else int(side))
        if coarse is None:
            coarse = run(image, progress)
            continue
        if image.size == coarse.size:  # a thin image has a largest size
            continue
        fine = run(_mixed(image, coarse.resized(*image.size), _GUIDE), progress)
        _keep_coarse(fine, coarse)
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


def _keep_coarse(fine: ImageBuffer, coarse: ImageBuffer) -> None:
    """Replace the coarse structure of an image by that of another one, in place."""
    full = (0, 0, *coarse.size)
    before = fine.resized(*coarse.size).read(full)  # (1, 3, h, w)
    change = _blurred(coarse.read(full).to(before) - before)
    for box in strips(fine):
        pixels = fine.read(box)  # (1, 3, h', w')
        changed = pixels + _upsampled(change.to(pixels), fine.size, box)
        fine.write(box, changed.clamp(0, 1))


def _blurred(image: Tensor) -> Tensor:
    """Blur an image of shape (1, 3, h, w) by a Gaussian of ``_BLUR`` pixels."""
    reach = round(3 * _BLUR)
    offsets = torch.arange(-reach, reach + 1).to(image)
    kernel = torch.exp(-(offsets / _BLUR).square() / 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    image = F.conv2d(F.pad(image, [reach] * 4, mode="replicate"), kernel, groups=3)
    return F.conv2d(image, kernel.transpose(2, 3), groups=3)


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
