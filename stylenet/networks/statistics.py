"""Instance normalization by external statistics: of a whole image, or of a whole video."""

import copy
from collections.abc import Callable
from functools import partial
from typing import cast

from torch import Tensor, nn

from stylenet.networks.normalization import normalize_by
from stylenet.networks.region_norm import RegionNorm
from stylenet.networks.registry import StyleNetwork

# (layer name, its input (N, C, H, W)) -> (mean, variance); see with_statistics().
StatisticsFunction = Callable[[str, Tensor], tuple[Tensor, Tensor]]


def with_statistics(network: StyleNetwork, take: StatisticsFunction) -> StyleNetwork:
    """Copy a network, and let a function supply the statistics of its instance normalizations.

    Instance normalization uses the mean and variance of its input. Those of a tile differ from
    those of the whole image, and those of a video frame from those of its neighbors, so their
    colors would differ, too.

    Args:
        network: Left unchanged; shares its weights with the copy.
        take: Called by each instance normalization, in the order of the layers, with the layer's
            name and its input, shape (N, C, H, W). It returns the mean and the biased variance,
            each of shape (C,) for all images or (N, C, 1, 1), in float32, or float64 for a float64
            input.

    Returns:
        The copy.

    Raises:
        ValueError: The network has no instance normalization.
    """
    shared = {id(p): p for p in [*network.parameters(), *network.buffers()]}
    clone = copy.deepcopy(network, shared)
    norms = {n: m for n, m in clone.named_modules() if isinstance(m, nn.InstanceNorm2d)}
    if not norms:
        raise ValueError(f"network {network.name} has no instance normalization")
    for name, norm in norms.items():
        parent, _, child = name.rpartition(".")
        external = (
            norm.with_statistics(partial(take, name))
            if isinstance(norm, RegionNorm)
            else _ExternalStatisticsNorm(name, norm, take)
        )
        setattr(clone.get_submodule(parent), child, external)
    return clone


def has_external_statistics(network: nn.Module) -> bool:
    """Return whether a network comes from :func:`with_statistics` or from :func:`mix_styles`.

    Its forward pass calls a Python function, which a CUDA graph cannot record.
    """
    external = (_ExternalStatisticsNorm, RegionNorm)
    return any(isinstance(module, external) for module in network.modules())


class _ExternalStatisticsNorm(nn.Module):
    """Instance normalization by the mean and variance that ``take`` returns."""

    def __init__(self, name: str, norm: nn.InstanceNorm2d, take: StatisticsFunction) -> None:
        super().__init__()
        self.name, self.take, self.eps = name, take, norm.eps
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, features: Tensor) -> Tensor:
        mean, variance = self.take(self.name, features)
        weight, bias = cast(Tensor, self.weight), cast(Tensor, self.bias)
        return normalize_by(features, mean, variance, weight, bias, self.eps)
