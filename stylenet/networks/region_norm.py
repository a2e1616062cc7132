"""Instance normalization that mixes the scales and shifts of several styles at each pixel."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylenet.networks.normalization import moments
from stylenet.networks.registry import StyleNetwork
from stylenet.networks.staged import StagedNetwork

# Top, left, bottom, right in pixels; bottom and right are excluded.
Box = tuple[int, int, int, int]
# Pixels of a strip in which the maps of scales and shifts are made: they stay in the cache.
_STRIP = 2**14


class StyleWeights:
    """Weights of the styles at each cell of a network's feature maps.

    Shared by all normalizations of a network. :meth:`place` chooses the part of the image that the
    next forward pass sees.
    """

    def __init__(
        self, read: Callable[[Box], Tensor], size: tuple[int, int], padded: tuple[int, int]
    ) -> None:
        """Start with the whole image.

        Args:
            read: Returns the weights of a box of the image, shape (S, h, w), their sum 1.
            size: Height and width of the image.
            padded: Height and width after the network's padding, right and below.
        """
        self._read, self._size, self._padded = read, size, padded
        self.place((0, 0, *padded))

    def __deepcopy__(self, memo: dict[int, Any]) -> "StyleWeights":
        return self  # copies of a network see the same part of the image

    def place(self, box: Box) -> None:
        """Choose a box of the padded image."""
        self._box = box
        self._maps: dict[tuple[int, int], Tensor] = {}

    def at(self, height: int, width: int, device: torch.device) -> Tensor:
        """Return the weights at the resolution of a feature map of the box.

        Args:
            height: Height of the feature map; a divisor of the box's.
            width: Width of the feature map.
            device: Device of the result.

        Returns:
            Shape (height, width, S), float32; the mean over each cell's pixels.
        """
        if (height, width) not in self._maps:
            top, left, bottom, right = self._box
            lower, outer = min(bottom, self._size[0]), min(right, self._size[1])
            weights = self._read((top, left, lower, outer)).unsqueeze(0)  # (1, S, h, w)
            weights = F.pad(weights, (0, right - outer, 0, bottom - lower), mode="replicate")
            kernel = ((bottom - top) // height, (right - left) // width)
            cells = F.avg_pool2d(weights, kernel)[0].permute(1, 2, 0)  # (height, width, S)
            self._maps[height, width] = cells.contiguous().to(device)
        return self._maps[height, width]


class RegionNorm(nn.InstanceNorm2d):
    """Instance normalization whose scale and shift are a mixture of styles at each pixel.

    Each channel is normalized by the mean and variance of the whole image, as in conditional
    instance normalization (Dumoulin, Shlens, Kudlur 2017); only scale and shift vary.
    """

    def __init__(self, norms: Sequence[nn.InstanceNorm2d], weights: StyleWeights) -> None:
        """Build the layer from one normalization for each style.

        Args:
            norms: The normalizations, with learned scales and shifts.
            weights: Weights of the styles, in the same order.
        """
        super().__init__(norms[0].num_features, eps=norms[0].eps)
        scales = torch.stack([cast(Tensor, norm.weight).detach() for norm in norms])
        shifts = torch.stack([cast(Tensor, norm.bias).detach() for norm in norms])
        self.register_buffer("scales", scales)  # (S, C)
        self.register_buffer("shifts", shifts)  # (S, C)
        self.weights = weights
        self._take: Callable[[Tensor], tuple[Tensor, Tensor]] = moments

    def with_statistics(self, take: Callable[[Tensor], tuple[Tensor, Tensor]]) -> "RegionNorm":
        """Return a copy that normalizes by given statistics; see ``networks.with_statistics``."""
        norm = copy.copy(self)
        norm._take = take
        return norm

    def forward(self, features: Tensor) -> Tensor:
        """Normalize each channel of each image, then scale and shift each pixel.

        Args:
            features: Shape (N, C, H, W).

        Returns:
            The same shape.
        """
        images = [self._normalize(image) for image in features.split(1)]
        return images[0] if len(images) == 1 else torch.cat(images)

    def _normalize(self, image: Tensor) -> Tensor:
        mean, variance = (moment.flatten() for moment in self._take(image))  # (C,) each
        scales = self.get_buffer("scales").to(mean) * (variance + self.eps).rsqrt()
        shifts = self.get_buffer("shifts").to(mean) - mean * scales
        height, width = image.shape[-2:]
        weights = self.weights.at(height, width, image.device).to(mean)  # (H, W, S)
        result = torch.empty_like(image)
        rows = height if image.device.type != "cpu" else max(1, _STRIP // width)
        for top in range(0, height, rows):
            strip = slice(top, min(height, top + rows))
            part = image[0, :, strip].permute(1, 2, 0).to(mean)  # (h, W, C)
            mixed = torch.addcmul(weights[strip] @ shifts, part, weights[strip] @ scales)
            result[0, :, strip] = mixed.permute(2, 0, 1).to(image.dtype)
        return result


def differ_only_in_norms(networks: Sequence[StyleNetwork]) -> bool:
    """Return whether networks are styles of one network, so that :func:`mix_styles` accepts them.

    Args:
        networks: At least one.

    Returns:
        Whether they have the same architecture and share all weights but the scales and shifts of
        their instance normalizations.
    """
    first = networks[0]
    norms = {name for name, module in first.named_modules() if _holds_style(module)}
    if not norms or not isinstance(first, StagedNetwork):
        return False
    weights = first.state_dict()
    for network in networks[1:]:
        if (network.name, network.arguments) != (first.name, first.arguments):
            return False
        for key, value in network.state_dict().items():
            if key.rpartition(".")[0] not in norms and not torch.equal(value, weights[key]):
                return False
    return True


def mix_styles(
    networks: Sequence[StyleNetwork],
    read: Callable[[Box], Tensor],
    size: tuple[int, int],
) -> StyleNetwork:
    """Return one network that mixes the normalizations of several at each pixel.

    Args:
        networks: Networks that :func:`differ_only_in_norms` accepts; left unchanged.
        read: See :class:`StyleWeights`; one weight for each network.
        size: Height and width of the images that the result stylizes.

    Returns:
        A network that shares its convolutions with the first.
    """
    first = cast(StagedNetwork, networks[0])
    padded = first.preprocess(torch.empty(1, 1, *size, device="meta")).shape[-2:]
    weights = StyleWeights(read, size, (padded[0], padded[1]))
    shared = {id(p): p for p in [*first.parameters(), *first.buffers()]}
    mixed = copy.deepcopy(first, shared)
    for name, module in list(mixed.named_modules()):
        if _holds_style(module):
            norms = [cast(nn.InstanceNorm2d, network.get_submodule(name)) for network in networks]
            parent, _, child = name.rpartition(".")
            setattr(mixed.get_submodule(parent), child, RegionNorm(norms, weights))
    return mixed


def place_regions(network: nn.Module, box: Box) -> None:
    """Tell a network of :func:`mix_styles` which part of the image it gets next.

    Args:
        network: Any network; one without regions stays as it is.
        box: The part in pixels of the padded image.
    """
    for module in network.modules():
        if isinstance(module, RegionNorm):
            module.weights.place(box)
            return  # all normalizations share the weights


def _holds_style(module: nn.Module) -> bool:
    return isinstance(module, nn.InstanceNorm2d) and module.weight is not None
