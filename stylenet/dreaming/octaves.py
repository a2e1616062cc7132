"""DeepDream on an image, from its smallest octave to its own size."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.dreaming.ascent import ascend, measure_strengths
from stylenet.dreaming.objective import DreamObjective
from stylenet.dreaming.options import SMALLEST, DreamOptions
from stylenet.errors import StyleNetError


def octave_sizes(height: int, width: int, options: DreamOptions) -> list[tuple[int, int]]:
    """Return the sizes of the octaves of an image.

    Args:
        height: Height of the image, in pixels.
        width: Width of the image, in pixels.

    Returns:
        Heights and widths, from the smallest, at least 32 pixels each, to the image's own.

    Raises:
        StyleNetError: The image is smaller than 32 pixels.
    """
    if min(height, width) < SMALLEST:
        raise StyleNetError(
            f"an image of {width}x{height} pixels is too small to dream on, expected "
            f"{SMALLEST}x{SMALLEST} at least; enlarge it to a longest side of "
            f"{math.ceil(SMALLEST * max(height, width) / min(height, width))}"
        )
    sizes = [(height, width)]
    scale = options.octave_scale
    while len(sizes) < options.octaves and round(min(height, width) / scale) >= SMALLEST:
        sizes.append((round(height / scale), round(width / scale)))
        scale *= options.octave_scale
    return sizes[::-1]


def dream(
    image: Tensor,
    loss: DreamObjective,
    options: DreamOptions,
    generator: torch.Generator,
    on_step: Callable[[], object] = lambda: None,
) -> Tensor:
    """Run DeepDream on an image.

    Args:
        image: RGB in [0, 1], shape (1, 3, H, W), with H and W of at least 32.
        loss: Objective, on the device of the image.
        generator: Random generator of the jitter, on the CPU. On the CPU the same seed gives the
            same image.
        on_step: Called after every gradient step.

    Returns:
        The same shape and range.

    Raises:
        StyleNetError: The image is too small.
    """
    height, width = image.shape[2:]
    detail: Tensor | None = None
    for size in octave_sizes(height, width, options):
        base = _resized(image, size)
        strengths = measure_strengths(base, loss, options.tile)
        # Add the dream so far; the image itself comes with its own detail in each octave.
        dreamt = base if detail is None else (base + _resized(detail, size)).clamp(0, 1)
        for _ in range(options.steps):
            dreamt = ascend(dreamt, loss, strengths, options, generator)
            on_step()
        detail = dreamt - base
    return dreamt


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    if image.shape[2:] == size:
        return image
    return F.interpolate(image, size, mode="bicubic", align_corners=False, antialias=True)
