"""Instance normalization by statistics from elsewhere: of a whole image, or of a whole video."""

import copy
from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

from stylenet.networks.normalization import normalize_by
from stylenet.networks.registry import StyleNetwork

# (name of the layer, its input (N, C, H, W)) -> mean and variance, see below.
TakeStatistics = Callable[[str, Tensor], tuple[Tensor, Tensor]]


def with_statistics(network: StyleNetwork, take: TakeStatistics) -> StyleNetwork:
    """Copies a network so that its instance normalizations ask for their statistics.

    Instance normalization takes mean and variance from the image at hand. A tile of a huge image
    has others than the image, a frame of a video others than its neighbors, and so would come
    out in other colors.

    Args:
        network: Stays as it is, and shares its weights with the copy.
        take: Called in each instance normalization, in the order of the layers, with its name and
            its input, shape (N, C, H, W); returns the mean and the (biased) variance to normalize
            by, each of shape (C,) for all images, or (N, C, 1, 1); in float32, or in float64 for
            such an input.

    Returns:
        The copy.

    Raises:
        ValueError: The network has no instance normalization to ask.
    """
    shared = {id(p): p for p in [*network.parameters(), *network.buffers()]}
    twin = copy.deepcopy(network, shared)
    norms = {n: m for n, m in twin.named_modules() if isinstance(m, nn.InstanceNorm2d)}
    if not norms:
        raise ValueError(f"network {network.name} has no instance normalization")
    for name, norm in norms.items():
        parent, _, child = name.rpartition(".")
        setattr(twin.get_submodule(parent), child, _AskingNorm(name, norm, take))
    return twin


def asks_for_statistics(network: nn.Module) -> bool:
    """Tell whether a network came from :func:`with_statistics`.

    Args:
        network: Any network.

    Returns:
        Whether a function of Python's is called in the middle of its forward pass, which no graph
        can record.
    """
    return any(isinstance(module, _AskingNorm) for module in network.modules())


class _AskingNorm(nn.Module):
    """Scales and shifts by what ``take`` returns, then by the learned weight and bias."""

    def __init__(self, name: str, norm: nn.InstanceNorm2d, take: TakeStatistics) -> None:
        super().__init__()
        self.name, self.take, self.eps = name, take, norm.eps
        self.weight, self.bias = norm.weight, norm.bias

    def forward(self, features: Tensor) -> Tensor:
        mean, variance = self.take(self.name, features)
        weight, bias = cast(Tensor, self.weight), cast(Tensor, self.bias)
        return normalize_by(features, mean, variance, weight, bias, self.eps)
