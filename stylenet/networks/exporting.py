"""Checks for an export, whose graph may need other operations than the network in PyTorch."""

import torch
from torch import Tensor


def is_exporting() -> bool:
    """Tell an export from compiling for one size, as ``torch.compile`` does."""
    # is_exporting is new in PyTorch 2.7.
    check = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return bool(check())


def exports_one_size(images: Tensor) -> bool:
    """Tell an export for one height and width from an export for all sizes.

    Args:
        images: Images or features, shape (N, C, H, W).
    """
    # Free sizes are symbols, not integers.
    return is_exporting() and all(isinstance(side, int) for side in images.shape[-2:])
