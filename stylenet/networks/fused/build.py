"""Choice of the fused form of a network."""

import importlib.util

import torch
from torch import nn

from stylenet.networks.compact import CompactNetwork
from stylenet.networks.johnson import JohnsonNetwork
from stylenet.networks.registry import StyleNetwork


def can_fuse(network: StyleNetwork, device: torch.device) -> bool:
    """Return whether :func:`fuse` accepts a network on a device.

    It accepts the Johnson and the compact network with instance normalization, on a CUDA device
    with Triton.
    """
    return (
        device.type == "cuda"
        and torch.version.hip is None
        and importlib.util.find_spec("triton") is not None
        and type(network) in (JohnsonNetwork, CompactNetwork)
        and network.arguments.get("norm") == "instance"
    )


def fuse(network: StyleNetwork, dtype: torch.dtype) -> nn.Module:
    """Build the fused form of a network.

    Args:
        network: A network that :func:`can_fuse` accepts; its weights are copied.
        dtype: Data type of convolutions and feature maps.

    Returns:
        A module from RGB in [0, 1], shape (N, 3, H, W), H and W at least 1, to the same in float32.
    """
    from stylenet.networks.fused.networks import FusedCompact, FusedJohnson

    if isinstance(network, JohnsonNetwork):
        return FusedJohnson(network, dtype)
    assert isinstance(network, CompactNetwork)
    return FusedCompact(network, dtype)
