"""The image sizes of an optimization, from coarse to fine."""

import torch
from torch import Tensor
from torch.nn import functional as F

from stylenet.errors import StyleNetError, check_number

# Default long side of the coarsest scale, in pixels: the size of training crops, six times the
# receptive field of 40 pixels at relu3_4 of VGG.
_COARSEST = 256

# VGG halves an image four times on the way to relu5_1.
SMALLEST_SIDE = 16


def plan_scales(size: tuple[int, int], scales: int | None) -> list[float]:
    """Return the scales, each twice as fine as the one before.

    Gatys et al. 2017 (arXiv:1611.07865, section 6) begin a large image at a small size, at which
    the fixed receptive field of the encoder covers whole shapes.

    Args:
        size: Height and width of the finished image.
        scales: Number of scales; ``None`` begins with a long side of at least 256 pixels.

    Returns:
        Factors of the size, coarse to fine; the last is 1.

    Raises:
        StyleNetError: A side would be shorter than 16 pixels at some scale.
    """
    if scales is not None:
        check_number("scales", scales, minimum=1, integer=True)
    _check_sides(size)
    if scales is None:
        scales = 1
        while max(size) >= _COARSEST * 2**scales and min(size) >= SMALLEST_SIDE * 2**scales:
            scales += 1
    factors = [0.5**exponent for exponent in reversed(range(scales))]
    if min(_scaled(size, factors[0])) < SMALLEST_SIDE:
        raise StyleNetError(
            f"scales={scales} begins with a side of less than {SMALLEST_SIDE} pixels, for the "
            f"image has {size[1]}x{size[0]}; give fewer scales"
        )
    return factors


def resize(images: Tensor, factor: float) -> Tensor:
    """Resize images by a factor.

    Args:
        images: RGB in [0, 1], shape (N, 3, H, W).
        factor: Factor of height and width.

    Returns:
        RGB in [0, 1], shape (N, 3, H', W'); the same tensor for factor 1.
    """
    height, width = images.shape[-2:]
    return resize_to(images, _scaled((height, width), factor))


def resize_to(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize images to a size.

    Args:
        images: RGB in [0, 1], shape (N, 3, H, W).
        size: Height and width.

    Returns:
        RGB in [0, 1], shape (N, 3, *size); the same tensor if they have that size already.
    """
    if images.shape[-2:] == torch.Size(size):
        return images
    resized = F.interpolate(images, size, mode="bicubic", align_corners=False, antialias=True)
    return resized.clamp(0, 1)


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    height, width = (max(1, round(side * factor)) for side in size)
    return height, width


def _check_sides(size: tuple[int, int]) -> None:
    if min(size) < SMALLEST_SIDE:
        raise StyleNetError(
            f"the image would have {size[1]}x{size[0]} pixels, and the encoder needs at least "
            f"{SMALLEST_SIDE} on each side; give a larger size"
        )
