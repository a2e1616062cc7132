"""Content, style and total-variation losses as functions of features and images.

All sums are taken in float32 at least, whatever the features come in: sums of squares over
thousands of positions overflow float16 (largest value 65,504) and lose the small terms in bfloat16.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Matrix products of bfloat16 that leave in float32; new in PyTorch 2.8.
_WIDE_SUMS = "dtype" in torch.ops.aten.bmm.overloads()

# Keeps a relative loss finite when its target is nothing but zeros; real targets are far larger.
_TINY = 1e-12


def gram_matrix(features: Tensor) -> Tensor:
    """Correlates the channels of a feature map over all positions.

    The Gram matrix of Gatys et al. 2016 with the normalization of Johnson et al. 2016, eq. 3:
    divided by C·H·W.

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
    """With a gradient that uses the symmetry: one matrix product in the place of two and a sum.

    That product is taken in the features' own type where it has float32's range, for the gradient
    leaves in it: together 3.8 times as fast as autograd's (4 x 64 x 256 x 256, bfloat16, one core).
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
        # As (N, HW, C), for that is the order of channels-last features in memory.
        found = flat.transpose(1, 2) @ both.to(flat.dtype)
        return found.transpose(1, 2).unflatten(2, features.shape[2:]).to(features.dtype)


def _products(features: Tensor) -> Tensor:
    """Multiply each two channels and sum over all positions, (N, C, H, W) to (N, C, C).

    On a GPU bfloat16 features are multiplied as they are and summed in float32. Few channels and
    many positions would leave most of a GPU idle, so the positions are cut into parts.
    """
    if features.device.type != "cuda" or features.dtype != torch.bfloat16 or not _WIDE_SUMS:
        flat = wide(features).flatten(2)  # (N, C, H, W) -> (N, C, HW)
        return flat @ flat.transpose(1, 2)
    count, channels, height, width = features.shape
    parts = next(n for n in (32, 16, 8, 4, 2, 1) if height * width % n == 0)
    # As (N, HW, C), the order of channels-last features in memory.
    flat = features.permute(0, 2, 3, 1).reshape(count * parts, -1, channels)
    sums = torch.bmm(flat.transpose(1, 2), flat, out_dtype=torch.float32)
    return sums.unflatten(0, (count, parts)).sum(1)


def moments(features: Tensor) -> Tensor:
    """Takes each channel's mean and standard deviation over all positions.

    What Huang & Belongie 2017 compare styles by, eq. 13.

    Args:
        features: Shape (N, C, H, W), any floating type.

    Returns:
        Shape (N, 2, C), float32 (float64 for float64 features), also under autocast.
    """
    with torch.autocast(features.device.type, enabled=False):
        variance, mean = torch.var_mean(wide(features), dim=(2, 3), correction=0)
        # Of a channel that is zero everywhere the root alone has no gradient.
        return torch.stack([mean, (variance + _TINY).sqrt()], dim=1)


def content_loss(
    features: Tensor, target: Tensor, relative: bool = True, reduction: str = "mean"
) -> Tensor:
    """Compares an image's features with those of its photo.

    Args:
        features: Of the image, shape (N, C, H, W).
        target: Of the photo, the same shape.
        relative: ‖F(y) - F(x)‖² / ‖F(x)‖² instead of the mean of the squared differences
            (Johnson et al. 2016, eq. 2).
        reduction: ``mean``, or ``none`` for each image's own.

    Returns:
        The mean over the N images, a scalar; or shape (N,).
    """
    return _reduce(_compare(features, target, relative), reduction)


def style_loss(
    gram: Tensor, target: Tensor, relative: bool = True, reduction: str = "mean"
) -> Tensor:
    """Compares an image's Gram matrix, or its :func:`moments`, with the style's.

    Args:
        gram: Of the image, shape (N, C, C); or (N, 2, C).
        target: Of the style, shape (1, C, C) or (N, C, C); or (1, 2, C) or (N, 2, C).
        relative: ‖G(y) - G(s)‖² / ‖G(s)‖² instead of the mean of the squared differences (which is
            Johnson et al. 2016, eq. 4, divided by C², as in their released code).
        reduction: ``mean``, or ``none`` for each image's own.

    Returns:
        The mean over the N images, a scalar; or shape (N,).
    """
    return _reduce(_compare(gram, target.expand_as(gram), relative), reduction)


def total_variation(images: Tensor, reduction: str = "mean") -> Tensor:
    """Measures roughness: squared differences of neighboring pixels.

    The form of Mahendran & Vedaldi 2015 (β = 2) that Johnson et al. 2016 use, as a mean over
    pixels and channels, so that it does not grow with the size of the image.

    Args:
        images: Shape (N, C, H, W), in [0, 1].
        reduction: ``mean``, or ``none`` for each image's own.

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
    """Each item's squared distance, relative or per element, shape (N,)."""
    with torch.autocast(values.device.type, enabled=False):
        values, target = wide(values), wide(target)
        # Not flattened, which would copy features that lie channels-last.
        each = tuple(range(1, values.ndim))
        distance = (values - target).square().sum(each)  # (N,)
        # Each image by its own photo, so that a batch is the mean of its parts however it is
        # split over devices.
        scale = target.square().sum(each).clamp_min(_TINY) if relative else values[0].numel()
        return distance / scale


def _reduce(values: Tensor, reduction: str) -> Tensor:
    return values.mean() if reduction == "mean" else values


def wide(values: Tensor) -> Tensor:
    """Brings values to a type in which sums over thousands of positions keep their digits.

    Args:
        values: Any floating type.

    Returns:
        The same in float32, or in float64 if they are.
    """
    return values.to(torch.promote_types(values.dtype, torch.float32))
