"""Measures of one stylized photo: the training losses and the similarity to the photo."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from stylenet.errors import StyleNetError
from stylenet.image import flatten, load_image
from stylenet.image.color import luminance

# Wang, Simoncelli, Bovik 2003 compare at five scales, each half the one before. The window of 11
# pixels has to fit into the coarsest: 16 * 11.
_SMALLEST_MULTISCALE = 176


def load_square(path: Path, size: int) -> Image.Image:
    """Load the central square of a photo, so that all photos count the same.

    Args:
        path: An image of any mode; transparency is laid on white.
        size: Height and width of the square in pixels. A smaller photo is enlarged.

    Returns:
        Mode RGB, upright.

    Raises:
        StyleNetError: The photo is unreadable.
    """
    image = flatten(load_image(path))
    return ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)


@torch.inference_mode()
def measure_losses(
    criterion: Callable[[Tensor, Tensor], dict[str, Tensor]], stylized: Tensor, photo: Tensor
) -> dict[str, float]:
    """Compute the losses of a stylized photo.

    Args:
        criterion: A :class:`stylenet.perceptual.PerceptualLoss`.
        stylized: RGB in [0, 1], shape (1, 3, H, W).
        photo: The original, of the same shape and range.

    Returns:
        By name: ``total``, the weighted sum; ``content``, ``style`` and ``tv`` without their
        weights; ``style/relu1_2`` … by layer.

    Raises:
        StyleNetError: A loss is not finite.
    """
    losses = {name: float(value) for name, value in criterion(stylized, photo).items()}
    for name, value in losses.items():
        if not math.isfinite(value):
            raise StyleNetError(
                f"the loss {name} is {value}. Check the weights of the checkpoint, "
                f"encoder.weights, and the weights in loss"
            )
    return losses


@torch.inference_mode()
def measure_similarity(stylized: Tensor, photo: Tensor) -> tuple[float, float | None]:
    """Measure how much of a photo's structure remains, regardless of its colors.

    This is the structural similarity of Wang et al. 2004 (Gaussian window, sigma 1.5) on the
    luminance of ITU-R BT.601, and its multiscale form (Wang, Simoncelli, Bovik 2003).

    Args:
        stylized: RGB in [0, 1], shape (1, 3, H, W), H and W at least 11.
        photo: The original, of the same shape and range.

    Returns:
        SSIM and MS-SSIM, 1 for equal luminance everywhere. MS-SSIM is ``None`` if H or W is below
        176 pixels, which five scales need.
    """
    pair = luminance(stylized.float()), luminance(photo.float())
    single_scale = structural_similarity_index_measure(*pair, data_range=1.0)
    assert isinstance(single_scale, Tensor)
    if min(photo.shape[-2:]) < _SMALLEST_MULTISCALE:
        return float(single_scale), None
    # Strong strokes can cause negative terms, whose powers would be NaN without "relu".
    multiscale = multiscale_structural_similarity_index_measure(
        *pair, data_range=1.0, normalize="relu"
    )
    return float(single_scale), float(multiscale)
