"""What one stylized photo is worth: the losses of training, and how much of the photo is kept."""

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

# Wang, Simoncelli, Bovik 2003 compare at five scales, each half the one before, with a window of 11
# pixels, which has to fit into the coarsest: 16 * 11.
_SMALLEST_MULTISCALE = 176


def load_square(path: Path, size: int) -> Image.Image:
    """Reads the middle of a photo, so that all photos count alike and take the same time.

    Args:
        path: An image of any mode; transparency is laid on white.
        size: Side of the square, in pixels. A smaller photo is made larger.

    Returns:
        Mode RGB, upright.

    Raises:
        StyleNetError: The photo is unreadable.
    """
    picture = flatten(load_image(path))
    return ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)


@torch.inference_mode()
def judge(
    criterion: Callable[[Tensor, Tensor], dict[str, Tensor]], painted: Tensor, photo: Tensor
) -> dict[str, float]:
    """Takes the losses of a stylized photo.

    Args:
        criterion: A :class:`stylenet.perceptual.PerceptualLoss`.
        painted: RGB in [0, 1], shape (1, 3, H, W).
        photo: What was stylized, the same shape and range.

    Returns:
        By name: ``total``, the weighted sum; ``content``, ``style`` and ``tv`` without their
        weights; ``style/relu1_2`` … by layer.

    Raises:
        StyleNetError: One of them is no number.
    """
    losses = {name: float(value) for name, value in criterion(painted, photo).items()}
    wrong = [name for name, value in losses.items() if not math.isfinite(value)]
    if wrong:
        raise StyleNetError(
            f"the loss {wrong[0]} is {losses[wrong[0]]}; check the checkpoint's weights, "
            f"encoder.weights, and the weights in loss"
        )
    return losses


@torch.inference_mode()
def similarity(painted: Tensor, photo: Tensor) -> tuple[float, float | None]:
    """Measures how much of a photo's structure is kept, whatever became of its colors.

    The structural similarity of Wang et al. 2004 (window of a Gaussian, sigma 1.5) on the
    luminance of ITU-R BT.601, and its multiscale form (Wang, Simoncelli, Bovik 2003).

    Args:
        painted: RGB in [0, 1], shape (1, 3, H, W), sides of at least 11.
        photo: What was stylized, the same shape and range.

    Returns:
        SSIM and MS-SSIM, 1 for the same brightness everywhere; ``None`` for the second where a
        side is shorter than 176 pixels, which five scales need.
    """
    pair = luminance(painted.float()), luminance(photo.float())
    single = structural_similarity_index_measure(*pair, data_range=1.0)
    assert isinstance(single, Tensor)
    if min(photo.shape[-2:]) < _SMALLEST_MULTISCALE:
        return float(single), None
    # Products of negative terms, which strong strokes can cause, would be no numbers.
    multiple = multiscale_structural_similarity_index_measure(
        *pair, data_range=1.0, normalize="relu"
    )
    return float(single), float(multiple)
