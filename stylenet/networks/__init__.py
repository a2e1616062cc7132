"""Style transfer networks: RGB images in [0, 1] in, stylized images of the same size out."""

from stylenet.networks.adain import AdainNetwork, AdainStyleNetwork
from stylenet.networks.any_style import AnyStyleNetwork
from stylenet.networks.arbitrary_style import ArbitraryStyleNetwork
from stylenet.networks.blending import blend_networks
from stylenet.networks.compact import CompactNetwork
from stylenet.networks.dials import DIALS, Dials, DialsNetwork
from stylenet.networks.fused import can_fuse, fuse
from stylenet.networks.johnson import JohnsonNetwork
from stylenet.networks.johnson_multi import JohnsonMultiNetwork, add_styles, check_style_names
from stylenet.networks.mixture import join_style_names, parse_mixture
from stylenet.networks.modulated_adain import ModulatedAdainNetwork
from stylenet.networks.normalization import moments, pool_moments
from stylenet.networks.region_norm import differ_only_in_norms, mix_styles, place_regions
from stylenet.networks.registry import (
    StyleNetwork,
    available_networks,
    build_network,
    register_network,
)
from stylenet.networks.staged import StagedNetwork
from stylenet.networks.statistics import (
    StatisticsFunction,
    has_external_statistics,
    with_statistics,
)

__all__ = [
    "DIALS",
    "AdainNetwork",
    "AdainStyleNetwork",
    "AnyStyleNetwork",
    "ArbitraryStyleNetwork",
    "CompactNetwork",
    "Dials",
    "DialsNetwork",
    "JohnsonMultiNetwork",
    "JohnsonNetwork",
    "ModulatedAdainNetwork",
    "StagedNetwork",
    "StatisticsFunction",
    "StyleNetwork",
    "add_styles",
    "available_networks",
    "blend_networks",
    "build_network",
    "can_fuse",
    "check_style_names",
    "differ_only_in_norms",
    "fuse",
    "has_external_statistics",
    "join_style_names",
    "mix_styles",
    "moments",
    "parse_mixture",
    "place_regions",
    "pool_moments",
    "register_network",
    "with_statistics",
]
