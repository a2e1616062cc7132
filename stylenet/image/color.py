"""Keeping the colors of the image that is stylized."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

# ITU-R BT.601: the weights of Y in YIQ, the space in which Gatys et al. 2017 keep colors.
_LUMINANCE = (0.299, 0.587, 0.114)
_BINS = 256
# The variance of what rounding to a byte adds: keeps the gain of a colorless result finite.
_ROUNDING = (1 / 255) ** 2 / 12


def luminance(images: Tensor) -> Tensor:
    """Computes how bright pixels are.

    Args:
        images: RGB in [0, 1], shape (..., 3, H, W).

    Returns:
        Shape (..., 1, H, W), in [0, 1].
    """
    weights = torch.tensor(_LUMINANCE, dtype=images.dtype, device=images.device)
    return (images * weights.view(3, 1, 1)).sum(-3, keepdim=True)


def keep_color(photo: Tensor, result: Tensor) -> Tensor:
    """Takes the brightness from the result and the colors from the photo.

    Gatys et al. 2017 (arXiv:1611.07865), section 5.2: Y of the result, I and Q of the photo. As Y
    enters red, green and blue alike, the difference of Y is all that has to be added.

    Args:
        photo: RGB in [0, 1], shape (..., 3, H, W).
        result: The same shape.

    Returns:
        The same shape, clamped to [0, 1].
    """
    return (photo + luminance(result) - luminance(photo)).clamp(0, 1)


class ColorStatistics:
    """Histogram, mean and covariance of the colors of an image, added up piece by piece."""

    def __init__(self) -> None:
        self._counts = np.zeros((3, _BINS))
        self._sum = np.zeros(3)
        self._products = np.zeros((3, 3))

    def add(self, piece: Tensor, shown: Tensor | None = None) -> None:
        """Counts the pixels of a piece.

        Args:
            piece: RGB in [0, 1], shape (1, 3, H, W).
            shown: How much each pixel counts, shape (H, W): what transparency hides has colors
                that nobody sees. ``None`` for all alike. Of all pieces together not only zeros.
        """
        pixels = piece[0].flatten(1).double().cpu()  # (3, H W)
        weights = None if shown is None else shown.flatten().double().cpu()
        weighted = pixels if weights is None else pixels * weights
        self._sum += weighted.sum(1).numpy()
        self._products += (weighted @ pixels.T).numpy()
        levels = (pixels * (_BINS - 1)).round().long().clamp(0, _BINS - 1)
        for channel in range(3):
            counts = torch.bincount(levels[channel], weights, minlength=_BINS)
            self._counts[channel] += counts.numpy()

    @property
    def mean(self) -> np.ndarray:
        """Shape (3,)."""
        return self._sum / self._counts[0].sum()

    @property
    def covariance(self) -> np.ndarray:
        """Shape (3, 3), of the pixels as bytes, whose rounding keeps it regular."""
        products = self._products / self._counts[0].sum()
        return products - np.outer(self.mean, self.mean) + _ROUNDING * np.eye(3)

    @property
    def ranks(self) -> np.ndarray:
        """The share of pixels below each level, half of its own included; shape (3, 256)."""
        below = self._counts.cumsum(1) - self._counts / 2
        return below / self._counts.sum(1, keepdims=True)


def match_histogram(photo: ColorStatistics, result: ColorStatistics) -> Callable[[Tensor], Tensor]:
    """Finds the curve, one a channel, that gives a result the histograms of a photo.

    Args:
        photo: Of the photo.
        result: Of the whole result.

    Returns:
        What turns pieces of the result, shape (1, 3, H, W), into matched ones in [0, 1].
    """
    levels = np.linspace(0, 1, _BINS)
    curves = torch.tensor(
        np.stack([np.interp(r, p, levels) for r, p in zip(result.ranks, photo.ranks, strict=True)]),
        dtype=torch.float32,
    )

    def match(piece: Tensor) -> Tensor:
        place = piece[0].flatten(1).float().cpu().clamp(0, 1) * (_BINS - 1)  # (3, H W)
        low = place.floor().long().clamp(max=_BINS - 2)
        left, right = curves.gather(1, low), curves.gather(1, low + 1)
        return torch.lerp(left, right, place - low).view(piece.shape).to(piece)

    return match


def match_statistics(photo: ColorStatistics, result: ColorStatistics) -> Callable[[Tensor], Tensor]:
    """Finds the linear map that gives a result the mean and the covariance of a photo's colors.

    Of the maps that do, this is the one by symmetric roots, root(photo) root(result)^-1. Gatys et
    al. 2017 (section 5.1) found it better than Cholesky's, which also depends on the order of the
    channels.

    Args:
        photo: Of the photo.
        result: Of the whole result.

    Returns:
        What turns pieces of the result, shape (1, 3, H, W), into matched ones in [0, 1].
    """
    gain = _power(photo.covariance, 0.5) @ _power(result.covariance, -0.5)
    shift = photo.mean - gain @ result.mean

    def match(piece: Tensor) -> Tensor:
        matrix, constant = torch.tensor(gain).to(piece), torch.tensor(shift).to(piece)
        mapped = torch.einsum("ij,njhw->nihw", matrix, piece) + constant.view(3, 1, 1)
        return mapped.clamp(0, 1)

    return match


def _power(covariance: np.ndarray, exponent: float) -> np.ndarray:
    """Raises a symmetric matrix to a power by its eigenvalues, none below rounding's variance."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.maximum(values, _ROUNDING) ** exponent @ vectors.T
