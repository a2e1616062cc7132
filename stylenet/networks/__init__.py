"""The networks that are trained: images in [0, 1] in, images of the same size out."""

from stylenet.networks.blending import blend_networks
from stylenet.networks.compact import CompactNetwork
from stylenet.networks.johnson import JohnsonNetwork
from stylenet.networks.registry import (
    StyleNetwork,
    available_networks,
    build_network,
    register_network,
)
from stylenet.networks.staged import StagedNetwork
from stylenet.networks.statistics import TakeStatistics, with_statistics

__all__ = [
    "CompactNetwork",
    "JohnsonNetwork",
    "StagedNetwork",
    "StyleNetwork",
    "TakeStatistics",
    "available_networks",
    "blend_networks",
    "build_network",
    "register_network",
    "with_statistics",
]
