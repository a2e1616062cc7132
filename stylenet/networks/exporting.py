"""Checks for an export, whose graph may need other operations than the network in PyTorch."""

import torch
from torch import Tensor


def is_exporting() -> bool:
    """Return whether the network is exported, not compiled for one size by ``torch.compile``."""
    # is_exporting is new in PyTorch 2.7.
    check = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return bool(check())


def exports_one_size(images: Tensor) -> bool:
    """Return whether the network is exported for one height and width, not for all sizes.

    Args:
        images: Images or features, shape (N, C, H, W).
    """
    # Free sizes are symbols, not integers.
    return is_exporting() and all(isinstance(side, int) for side in images.shape[-2:])
