"""The droplet loss: no spot may dominate the statistics of an instance normalization.

Instance normalization takes away the size of its input. A network that wants to keep the size
learns to draw a spot of enormous values in a flat area: mean and variance of a channel are then
those of the spot, and all else comes out as small as the network likes. Karras et al. 2020
(arXiv:1912.04958, section 2) found such droplets in StyleGAN. The later layers of a trained network
hide them, but a short training for another style shows them, as black or white blobs.
"""

from typing import Any

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError
from stylenet.moments import wide
from stylenet.networks import StyleNetwork
from stylenet.networks.dials import DialNorm
from stylenet.networks.johnson_multi import ConditionalInstanceNorm
from stylenet.training.loss_weight import check_loss_weight

_NORMS = (nn.InstanceNorm2d, ConditionalInstanceNorm, DialNorm)

# Kurtosis of a channel, the mean fourth power of its deviations divided by the squared variance,
# from which it counts. Geometric means over the channels of a layer are 4 to 8 in `mosaic`, which
# has no droplets, and up to 201 in `great_wave`.
_LIMIT = 8.0
# At least as many rows and columns are looked at, at equal distances: in crops of 192 pixels every
# eighth, where a droplet is 16 to 24 pixels wide. All of them would cost two thirds of a step.
_POSITIONS = 24
_TINY = 1e-12  # keeps the kurtosis of a constant channel finite


def droplet_loss(features: Tensor) -> Tensor:
    """Measure how far single spots dominate the variance of the channels.

    Args:
        features: Input of an instance normalization, shape (N, C, H, W).

    Returns:
        Mean over all channels of log(kurtosis / 8), or 0 where the kurtosis is below 8; a scalar,
        in float32 at least. A channel whose variance lies in a hundredth of its pixels counts 2.5.
    """
    step = max(1, min(features.shape[-2:]) // _POSITIONS)
    with torch.autocast(features.device.type, enabled=False):
        sampled = wide(features[..., ::step, ::step]).contiguous()  # (N, C, h, w)
        squares = (sampled - sampled.mean((2, 3), keepdim=True)).square()
        kurtosis = squares.square().mean((2, 3)) / (squares.mean((2, 3)).square() + _TINY)
        return (kurtosis / _LIMIT).clamp_min(1).log().mean()


class DropletLoss:
    """Mean of :func:`droplet_loss` over all instance normalizations of a network.

    Attributes:
        weight: Factor of the loss in the total.
    """

    def __init__(self, weight: float, network: StyleNetwork) -> None:
        """Find the normalizations.

        Args:
            weight: ``loss.droplet_weight``, 0 or more.
            network: The network to train.

        Raises:
            StyleNetError: The weight is impossible, or the network has no instance normalization.
        """
        self.weight = check_loss_weight("loss.droplet_weight", weight)
        self._norms = [module for module in network.modules() if isinstance(module, _NORMS)]
        if not self._norms:
            raise StyleNetError(
                f"loss.droplet_weight={weight} is for networks with instance normalization, which "
                f"network={network.name} does not have. Set loss.droplet_weight=0."
            )
        self._values: list[Tensor] = []
        self._handles: list[Any] = []

    def attach(self) -> None:
        """Measure the input of each normalization from now on."""
        self._handles = [norm.register_forward_pre_hook(self._collect) for norm in self._norms]

    def clear(self) -> None:
        """Forget the passes so far."""
        self._values.clear()

    def take(self) -> Tensor:
        """Return the loss of the passes since :meth:`clear`, a scalar without the weight."""
        value = torch.stack(self._values).mean()
        self._values.clear()
        return value

    def remove(self) -> None:
        """Detach from the network."""
        for handle in self._handles:
            handle.remove()
        self._values.clear()

    def _collect(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._values.append(droplet_loss(inputs[0]))
