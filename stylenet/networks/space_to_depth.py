"""Rearrangement of pixels between squares of an image and channels."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.networks.exporting import exports_one_size


def space_to_depth(features: Tensor, side: int) -> Tensor:
    """Move each square of pixels into the channels of one cell.

    Like ``torch.nn.functional.pixel_unshuffle``, but with the channels ordered by row, column and
    channel: on channels-last features this copies longer runs of memory.

    Args:
        features: Shape (N, C, H, W), H and W multiples of ``side``.
        side: Side of the squares in pixels.

    Returns:
        Shape (N, side² C, H / side, W / side), channels-last.
    """
    if exports_one_size(features):
        return F.conv2d(features, _one_hot_kernels(features, side), stride=side)
    cells = features.permute(0, 2, 3, 1).unflatten(2, (-1, side)).unflatten(1, (-1, side))
    return cells.transpose(2, 3).flatten(3).permute(0, 3, 1, 2)


def depth_to_space(cells: Tensor, side: int) -> Tensor:
    """Invert :func:`space_to_depth`.

    Args:
        cells: Shape (N, side² C, H, W).
        side: Side of the squares in pixels.

    Returns:
        Shape (N, C, side H, side W), channels-last.
    """
    if exports_one_size(cells):
        colors = cells[:, : cells.shape[1] // side**2]
        return F.conv_transpose2d(cells, _one_hot_kernels(colors, side), stride=side)
    pixels = cells.permute(0, 2, 3, 1).unflatten(3, (side, side, -1)).transpose(2, 3)
    return pixels.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)


def _one_hot_kernels(features: Tensor, side: int) -> Tensor:
    """Return kernels that copy each pixel of a square to its channel of the cell.

    As a convolution, the rearrangement has four dimensions instead of six, which ncnn, XNNPACK and
    OpenCV 4 do not have.

    Args:
        features: Their channels and dtype count, shape (N, C, H, W).
        side: Side of the squares in pixels.

    Returns:
        Shape (side² C, C, side, side), channels in the order of :func:`space_to_depth`.
    """
    channels = features.shape[1]
    identity = torch.eye(side**2 * channels, dtype=features.dtype, device=features.device)
    return identity.unflatten(1, (side, side, channels)).permute(0, 3, 1, 2).contiguous()
