"""Content, style and total-variation losses as functions of features and images.

All sums are computed in float32 at least, whatever the dtype of the features: sums of squares over
thousands of positions overflow float16 (largest value 65,504) and lose small terms in bfloat16.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from stylenet.moments import mean_and_variance, wide

# Matrix products of bfloat16 with float32 results exist since PyTorch 2.8.
_WIDE_SUMS = "dtype" in torch.ops.aten.bmm.overloads()

# Keeps a relative loss finite for a target of zeros; real targets are far larger.
_TINY = 1e-12


def gram_matrix(features: Tensor) -> Tensor:
    """Return the Gram matrix of each feature map.

    Products of each two channels, summed over all positions (Gatys et al. 2016) and divided by
    C·H·W (Johnson et al. 2016, eq. 3).

    Args:
        features: Shape (N, C, H, W), any floating type.

    Returns:
        Shape (N, C, C), float32 (float64 for float64 features), also under autocast.

    Example:
        >>> gram_matrix(torch.ones(1, 2, 4, 4))
        tensor([[[0.5000, 0.5000],
                 [0.5000, 0.5000]]])
    """
    with torch.autocast(features.device.type, enabled=False):
        return _Gram.apply(features)


class _Gram(torch.autograd.Function):
    """Gram matrix whose gradient uses the symmetry: one matrix product instead of two and a sum.

    The product is computed in the features' dtype, that of the returned gradient, if it has the
    range of float32. Both together are 3.8 times as fast as autograd (4 x 64 x 256 x 256, bfloat16,
    one core).
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        ctx.save_for_backward(features)
        return _products(features) / features[0].numel()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (features,) = ctx.saved_tensors
        narrow = features.dtype == torch.float16
        flat = (features.float() if narrow else features).flatten(2)
        both = (gradient + gradient.transpose(1, 2)) / features[0].numel()
        # (N, HW, C) is the memory order of channels-last features.
        product = flat.transpose(1, 2) @ both.to(flat.dtype)
        return product.transpose(1, 2).unflatten(2, features.shape[2:]).to(features.dtype)


def _products(features: Tensor) -> Tensor:
    """Multiply each two channels and sum over all positions, (N, C, H, W) to (N, C, C).

    On a GPU, bfloat16 features are multiplied without conversion and summed in float32. Few
    channels and many positions would leave most of a GPU idle, so positions are split into parts.
    """
    if features.device.type != "cuda" or features.dtype != torch.bfloat16 or not _WIDE_SUMS:
        flat = wide(features).flatten(2)  # (N, C, H, W) -> (N, C, HW)
        return flat @ flat.transpose(1, 2)
    count, channels, height, width = features.shape
    parts = next(n for n in (32, 16, 8, 4, 2, 1) if height * width % n == 0)
    # (N, HW, C) is the memory order of channels-last features.
    flat = features.permute(0, 2, 3, 1).reshape(count * parts, -1, channels)
    sums = torch.bmm(flat.transpose(1, 2), flat, out_dtype=torch.float32)
    return sums.unflatten(0, (count, parts)).sum(1)


def moments(features: Tensor) -> Tensor:
    """Return the mean and standard deviation of each channel over all positions.

    Statistics of the style loss of Huang & Belongie 2017, eq. 13.

    Args:
        features: Shape (N, C, H, W), any floating type.

    Returns:
        Shape (N, 2, C), float32 (float64 for float64 features), also under autocast.
    """
    mean, variance = mean_and_variance(features)  # (N, C, 1, 1)
    # The root alone has no finite gradient for a constant channel.
    return torch.stack([mean, (variance + _TINY).sqrt()], dim=1)[..., 0, 0]


def content_loss(
    features: Tensor, target: Tensor, relative: bool = True, reduction: str = "mean"
) -> Tensor:
    """Return the distance between features of stylized and content images.

    Args:
        features: Features of the stylized images, shape (N, C, H, W).
        target: Features of the content images, the same shape.
        relative: ‖F(y) - F(x)‖² / ‖F(x)‖² instead of the mean of the squared differences
            (Johnson et al. 2016, eq. 2).
        reduction: ``mean``, or ``none`` for a value per image.

    Returns:
        The mean over the N images, a scalar; or shape (N,).
    """
    return _reduce(_compare(features, target, relative), reduction)


def style_loss(
    gram: Tensor, target: Tensor, relative: bool = True, reduction: str = "mean"
) -> Tensor:
    """Return the distance between Gram matrices, or :func:`moments`, of images and style.

    Args:
        gram: Statistics of the stylized images, shape (N, C, C); or (N, 2, C).
        target: Statistics of the style, shape (1, C, C) or (N, C, C); or (1, 2, C) or (N, 2, C).
        relative: ‖G(y) - G(s)‖² / ‖G(s)‖² instead of the mean of the squared differences (which is
            Johnson et al. 2016, eq. 4, divided by C², as in their released code).
        reduction: ``mean``, or ``none`` for a value per image.

    Returns:
        The mean over the N images, a scalar; or shape (N,).
    """
    return _reduce(_compare(gram, target.expand_as(gram), relative), reduction)


def total_variation(images: Tensor, reduction: str = "mean") -> Tensor:
    """Return the mean squared difference of horizontally and vertically neighboring pixels.

    The form of Mahendran & Vedaldi 2015 (β = 2) that Johnson et al. 2016 use, as a mean over
    pixels and channels, so that it does not grow with the image size.

    Args:
        images: Shape (N, C, H, W), in [0, 1].
        reduction: ``mean``, or ``none`` for a value per image.

    Returns:
        The mean over the N images, a scalar; or shape (N,).
    """
    with torch.autocast(images.device.type, enabled=False):
        images = wide(images)
        each = (1, 2, 3)
        across = (images[..., :, 1:] - images[..., :, :-1]).square().sum(each)
        down = (images[..., 1:, :] - images[..., :-1, :]).square().sum(each)
        return _reduce((across + down) / images[0].numel(), reduction)


def _compare(values: Tensor, target: Tensor, relative: bool) -> Tensor:
    """Return the squared distance of each of N items, relative or as a mean, shape (N,)."""
    with torch.autocast(values.device.type, enabled=False):
        values, target = wide(values), wide(target)
        # Flattening would copy channels-last features.
        each = tuple(range(1, values.ndim))
        distance = (values - target).square().sum(each)  # (N,)
        # Each image is relative to its own target, so that the loss of a batch does not depend on
        # how it is split over devices.
        scale = target.square().sum(each).clamp_min(_TINY) if relative else values[0].numel()
        return distance / scale


def _reduce(values: Tensor, reduction: str) -> Tensor:
    return values.mean() if reduction == "mean" else values
