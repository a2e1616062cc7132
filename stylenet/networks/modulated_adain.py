"""AdaIN with a decoder that each style modulates."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from stylenet.errors import check_number
from stylenet.networks.adain import AdainNetwork
from stylenet.networks.arbitrary_style import weighted_sum
from stylenet.networks.registry import StyleNetwork, register_network
from stylenet.networks.style_predictor import StylePredictor


@register_network("modulated_adain")
class ModulatedAdainNetwork(AdainNetwork):
    """AdaIN network whose style also scales and shifts each channel of the decoder.

    AdaIN tells the decoder a style by the statistics of one layer, and the decoder is the same for
    all styles. Here a perceptron reads the statistics of all layers of the encoder and predicts a
    scale and a shift for each channel of each convolution. This is conditional instance
    normalization (Ghiasi et al. 2017, arXiv:1705.06830) without the normalization, whose spots on
    flat areas take a long training to vanish. The network of one style has the modulation in its
    kernels and biases, so it is as fast as that of :class:`AdainNetwork`.

    Attributes:
        predictor: Predicts the changes of all scales, then of all shifts.
    """

    def __init__(
        self,
        encoder: str = "lite",
        layer: str = "relu4_1",
        width: int = 32,
        hidden: int = 256,
    ) -> None:
        """Build the network with random weights, also in the encoder.

        Args:
            encoder: See :class:`AdainNetwork`.
            layer: See :class:`AdainNetwork`.
            width: See :class:`AdainNetwork`.
            hidden: Width of the perceptron's two hidden layers.

        Raises:
            StyleNetError: An argument is out of range.
        """
        super().__init__(encoder, layer, width)
        check_number("network.hidden", hidden, minimum=1, integer=True)
        self._channels = [layer.out_channels for layer in self._convolutions().values()]
        self.predictor = StylePredictor(self.encoder, hidden, 2 * sum(self._channels))

    def decode(self, features: Tensor, style_layers: Sequence[Tensor]) -> Tensor:
        """Decode features, modulated by the style; see the base class."""
        modulations = self._modulations(self.predictor(style_layers))
        x = features
        for module in self.decoder:
            x = module(x)
            if isinstance(module, nn.Conv2d):
                scale, shift = (part[..., None, None].to(x.dtype) for part in next(modulations))
                x = x * scale + shift
        return x

    def style_arguments(self) -> dict[str, Any]:
        """Return the arguments of the network of one style, which needs no perceptron."""
        return {name: value for name, value in self.arguments.items() if name != "hidden"}

    def style_weights(
        self, layers: Sequence[Sequence[Tensor]], fractions: Sequence[float]
    ) -> dict[str, Tensor]:
        """Return the weights with the modulation; the changes of several styles are averaged."""
        changes = weighted_sum([self.predictor(features) for features in layers], fractions)
        weights = {k: v for k, v in self.state_dict().items() if not k.startswith("predictor.")}
        modulations = self._modulations(changes)
        for name, (scale, shift) in zip(self._convolutions(), modulations, strict=True):
            kernel, bias = f"decoder.{name}.weight", f"decoder.{name}.bias"
            weights[kernel] = weights[kernel] * scale[0, :, None, None, None]
            weights[bias] = weights[bias] * scale[0] + shift[0]
        return weights

    @torch.no_grad()
    def calibrate(self, style_images: Tensor) -> None:
        """Standardize the statistics that the perceptron reads; see the base class."""
        images = (self.preprocess(image) for image in style_images.split(1))
        self.predictor.calibrate(self.encoder.features(image) for image in images)

    def initialize_from(self, trained: StyleNetwork) -> None:
        """Copy the weights of a trained network.

        Args:
            trained: Network of the same architecture, or a network ``adain`` of the same size, with
                whose decoder every style begins.

        Raises:
            StyleNetError: The architectures differ.
        """
        if trained.name == "adain" and trained.arguments == self.style_arguments():
            self.load_state_dict({**self.state_dict(), **trained.state_dict()})
        else:
            super().initialize_from(trained)

    def _convolutions(self) -> dict[str, nn.Conv2d]:
        """Return the convolutions of the decoder by their names in it."""
        children = cast(dict[str, nn.Conv2d], dict(self.decoder.named_children()))
        return {name: m for name, m in children.items() if isinstance(m, nn.Conv2d)}

    def _modulations(self, changes: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Return the scale and the shift, (N, O) each, of each convolution of O channels."""
        scales, shifts = changes.chunk(2, dim=1)
        return zip(
            (1 + scales).split(self._channels, dim=1),
            shifts.split(self._channels, dim=1),
            strict=True,
        )
