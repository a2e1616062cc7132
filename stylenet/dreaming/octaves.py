"""DeepDream on an image, from its smallest octave to its own size."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.dreaming.ascent import ascend, measure_strengths
from stylenet.dreaming.options import SMALLEST, DreamOptions
from stylenet.errors import StyleNetError
from stylenet.perceptual import DreamLoss


def octave_sizes(height: int, width: int, settings: DreamOptions) -> list[tuple[int, int]]:
    """Lists the sizes at which an image is dreamt on.

    Args:
        height: Of the image, in pixels.
        width: Of the image.
        settings: How many octaves, and their scale.

    Returns:
        Heights and widths, from the smallest, whose sides have 32 pixels or more, to the own.

    Raises:
        StyleNetError: The image itself is smaller.
    """
    if min(height, width) < SMALLEST:
        raise StyleNetError(
            f"an image of {width}x{height} pixels is too small to dream on, expected "
            f"{SMALLEST}x{SMALLEST} at least; enlarge it to a longest side of "
            f"{math.ceil(SMALLEST * max(height, width) / min(height, width))}"
        )
    sizes = [(height, width)]
    scale = settings.octave_scale
    while len(sizes) < settings.octaves and round(min(height, width) / scale) >= SMALLEST:
        sizes.append((round(height / scale), round(width / scale)))
        scale *= settings.octave_scale
    return sizes[::-1]


def dream(
    image: Tensor,
    loss: DreamLoss,
    settings: DreamOptions,
    generator: torch.Generator,
    on_step: Callable[[], object] = lambda: None,
) -> Tensor:
    """Makes an image show more of what the encoder sees in it.

    Args:
        image: RGB in [0, 1], shape (1, 3, H, W), each side 32 pixels or more.
        loss: What the encoder is asked; on the device of the image.
        settings: How the dream goes.
        generator: Draws the jitter; on the CPU. The same seed gives the same image there.
        on_step: Called after every gradient step.

    Returns:
        The same shape and range.

    Raises:
        StyleNetError: The image is too small.
    """
    height, width = image.shape[2:]
    detail: Tensor | None = None
    for size in octave_sizes(height, width, settings):
        base = _resized(image, size)
        strengths = measure_strengths(base, loss, settings.tile)
        # What was dreamt so far, apart from the image, whose own detail each octave has anew.
        dreamt = base if detail is None else (base + _resized(detail, size)).clamp(0, 1)
        for _ in range(settings.steps):
            dreamt = ascend(dreamt, loss, strengths, settings, generator)
            on_step()
        detail = dreamt - base
    return dreamt


def _resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Another size, without aliasing."""
    if image.shape[2:] == size:
        return image
    return F.interpolate(image, size, mode="bicubic", align_corners=False, antialias=True)
