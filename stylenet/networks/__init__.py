"""The networks that are trained: images in [0, 1] in, images of the same size out."""

from stylenet.networks.johnson import JohnsonNetwork
from stylenet.networks.registry import (
    StyleNetwork,
    available_networks,
    build_network,
    register_network,
)

__all__ = [
    "JohnsonNetwork",
    "StyleNetwork",
    "available_networks",
    "build_network",
    "register_network",
]
