"""Color preservation: stylized images with the colors of their content images."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

# Weights of Y in YIQ (ITU-R BT.601), the color space of Gatys et al. 2017.
_LUMINANCE = (0.299, 0.587, 0.114)
_BINS = 256
# Variance of the error of rounding to 8 bits; keeps the gain finite for a gray image.
_ROUNDING = (1 / 255) ** 2 / 12


def luminance(images: Tensor) -> Tensor:
    """Compute the luminance Y of RGB images.

    Args:
        images: RGB in [0, 1], shape (..., 3, H, W).

    Returns:
        Shape (..., 1, H, W), in [0, 1].
    """
    weights = torch.tensor(_LUMINANCE, dtype=images.dtype, device=images.device)
    return (images * weights.view(3, 1, 1)).sum(-3, keepdim=True)


def keep_color(photo: Tensor, result: Tensor) -> Tensor:
    """Combine the luminance of the stylized image with the colors of the photo.

    Gatys et al. 2017 (arXiv:1611.07865), section 5.2: Y of the stylized image, I and Q of the
    photo. Y has the same weight in red, green and blue, so adding the difference of Y is enough.

    Args:
        photo: RGB in [0, 1], shape (..., 3, H, W).
        result: The same shape.

    Returns:
        The same shape, clamped to [0, 1].
    """
    return (photo + luminance(result) - luminance(photo)).clamp(0, 1)


class ColorStatistics:
    """Histogram, mean and covariance of the colors of an image, accumulated piece by piece."""

    def __init__(self) -> None:
        self._counts = np.zeros((3, _BINS))
        self._sum = np.zeros(3)
        self._products = np.zeros((3, 3))

    def add(self, piece: Tensor, shown: Tensor | None = None) -> None:
        """Add the pixels of a piece of the image.

        Args:
            piece: RGB in [0, 1], shape (1, 3, H, W).
            shown: Weight of each pixel, shape (H, W), because transparent pixels have invisible
                colors; ``None`` for equal weights. The weights of all pieces must not all be zero.
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
        """Mean color in [0, 1], shape (3,)."""
        return self._sum / self._counts[0].sum()

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of the colors, shape (3, 3); the rounding variance keeps it regular."""
        products = self._products / self._counts[0].sum()
        return products - np.outer(self.mean, self.mean) + _ROUNDING * np.eye(3)

    @property
    def ranks(self) -> np.ndarray:
        """Fraction of pixels below each level, plus half of those at the level; shape (3, 256)."""
        below = self._counts.cumsum(1) - self._counts / 2
        return below / self._counts.sum(1, keepdims=True)


def match_histogram(photo: ColorStatistics, result: ColorStatistics) -> Callable[[Tensor], Tensor]:
    """Return the map, one curve per channel, that gives an image the histograms of a photo.

    Args:
        photo: Statistics of the photo.
        result: Statistics of the complete stylized image.

    Returns:
        Function from pieces of the stylized image, shape (1, 3, H, W), to pieces in [0, 1].
    """
    levels = np.linspace(0, 1, _BINS)
    curves = torch.tensor(
        np.stack([np.interp(r, p, levels) for r, p in zip(result.ranks, photo.ranks, strict=True)]),
        dtype=torch.float32,
    )

    def match(piece: Tensor) -> Tensor:
        position = piece[0].flatten(1).float().cpu().clamp(0, 1) * (_BINS - 1)  # (3, H W)
        low = position.floor().long().clamp(max=_BINS - 2)
        left, right = curves.gather(1, low), curves.gather(1, low + 1)
        return torch.lerp(left, right, position - low).view(piece.shape).to(piece)

    return match


def match_statistics(photo: ColorStatistics, result: ColorStatistics) -> Callable[[Tensor], Tensor]:
    """Return the linear map that gives an image the mean and covariance of a photo's colors.

    Among such maps this is the one with symmetric roots, root(photo) root(result)^-1. Gatys et al.
    2017 (section 5.1) prefer it to the Cholesky decomposition, which also depends on the order of
    the channels.

    Args:
        photo: Statistics of the photo.
        result: Statistics of the complete stylized image.

    Returns:
        Function from pieces of the stylized image, shape (1, 3, H, W), to pieces in [0, 1].
    """
    gain = _power(photo.covariance, 0.5) @ _power(result.covariance, -0.5)
    shift = photo.mean - gain @ result.mean

    def match(piece: Tensor) -> Tensor:
        matrix, constant = torch.tensor(gain).to(piece), torch.tensor(shift).to(piece)
        mapped = torch.einsum("ij,njhw->nihw", matrix, piece) + constant.view(3, 1, 1)
        return mapped.clamp(0, 1)

    return match


def _power(covariance: np.ndarray, exponent: float) -> np.ndarray:
    """Raise a symmetric matrix to a power; eigenvalues are at least the rounding variance."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.maximum(values, _ROUNDING) ** exponent @ vectors.T
