"""Mean and variance of feature maps, for networks and losses."""

import torch
from torch import Tensor

# Added to variances, as instance normalization does (PyTorch's default).
_EPS = 1e-5


def wide(values: Tensor) -> Tensor:
    """Convert values to a dtype that is precise enough for sums over thousands of positions.

    Args:
        values: Any floating type.

    Returns:
        float32, or float64 for float64 values.
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))


def mean_and_variance(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and biased variance of each channel over all positions.

    Args:
        features: Shape (N, C, H, W), any floating type.

    Returns:
        Two of shape (N, C, 1, 1), float32 (float64 for float64 features), also under autocast.
    """
    with torch.autocast(features.device.type, enabled=False):
        variance, mean = torch.var_mean(wide(features), dim=(2, 3), correction=0, keepdim=True)
        return mean, variance


def mean_and_deviation(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and standard deviation of each channel over all positions.

    Args:
        features: Shape (N, C, H, W).

    Returns:
        Two of shape (N, C, 1, 1), float32 at least, also under autocast.
    """
    mean, variance = mean_and_variance(features)
    return mean, (variance + _EPS).sqrt()
