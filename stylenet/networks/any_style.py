"""A compact network whose weights are predicted from a style image.

Ghiasi et al. 2017 (arXiv:1705.06830) predict the scales and shifts of all normalizations. Here the
kernels of all convolutions adapt to the style, too.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from stylenet.errors import check_number
from stylenet.networks.arbitrary_style import (
    ArbitraryStyleNetwork,
    style_fractions,
    weighted_sum,
)
from stylenet.networks.compact import CompactNetwork
from stylenet.networks.encoder_part import EncoderPart
from stylenet.networks.layers import pad_to_multiple
from stylenet.networks.registry import StyleNetwork, build_network, register_network
from stylenet.networks.style_predictor import StylePredictor

# The bundled encoder, whose weights are part of each checkpoint.
_ENCODER, _LAYER = "lite", "relu4_1"
# Deviation of the initial weights of the last layer, times the square root of its inputs: predicted
# changes begin small beside the weights of the body.
_INITIAL = 0.08


@register_network("any_style")
class AnyStyleNetwork(ArbitraryStyleNetwork):
    """Predicts the weights of a compact network from the statistics of a style image.

    A small frozen encoder gives the mean and the standard deviation of each of its channels. A
    perceptron maps them to changes of the body's weights: of each scale, shift and bias by itself,
    and of each kernel as a weighted sum of learned kernels, whose weights it predicts (as in the
    conditionally parameterized convolutions of Yang et al. 2019, arXiv:1904.04971). So the network
    of a style is a plain compact network.

    Attributes:
        body: The weights that all styles share.
        kernels: Learned changes of each kernel, stacked: shape (K O, I, H, W).
        predictor: Predicts the changes of all weights.
    """

    def __init__(
        self,
        width: int = 32,
        deep_width: int = 64,
        deep_blocks: int = 3,
        fine_blocks: int = 2,
        kernels: int = 0,
        hidden: int = 256,
    ) -> None:
        """Build the network with random weights, also in the encoder.

        Args:
            width: See :class:`stylenet.networks.CompactNetwork`.
            deep_width: See there.
            deep_blocks: See there.
            fine_blocks: See there.
            kernels: Learned kernels whose weighted sum changes each kernel of the body; 0 leaves
                the kernels the same for all styles, as in Ghiasi et al.
            hidden: Width of the perceptron.

        Raises:
            StyleNetError: An argument is out of range.
        """
        super().__init__()
        check_number("network.kernels", kernels, minimum=0, integer=True)
        check_number("network.hidden", hidden, minimum=1, integer=True)
        self._body_arguments = {
            "width": width,
            "deep_width": deep_width,
            "deep_blocks": deep_blocks,
            "fine_blocks": fine_blocks,
            "head": "resize",
        }
        self.encoder = EncoderPart(_ENCODER, _LAYER)
        self.body = build_network("compact", **self._body_arguments)
        self._count = kernels
        parameters = dict(self.body.named_parameters())
        self._vectors = {name: p.numel() for name, p in parameters.items() if p.ndim == 1}
        self._adapted = [name for name, p in parameters.items() if p.ndim > 1] if kernels else []
        self.kernels = nn.ParameterList(
            torch.randn(kernels * len(p), *p.shape[1:]) * p.detach().std()
            for p in (parameters[name] for name in self._adapted)
        )
        vectors = sum(self._vectors.values())
        outputs = vectors + kernels * len(self._adapted)
        self.predictor = StylePredictor(self.encoder, hidden, outputs)
        # The kernels begin the same for all styles.
        nn.init.normal_(self.predictor.output.weight[:vectors], std=_INITIAL / hidden**0.5)

    def forward(self, images: Tensor, style_images: Tensor | None = None) -> Tensor:
        """Stylize each image in the style of its own style image; see the base class."""
        changes = self._predict(images if style_images is None else style_images)
        weights = self._weights(changes)
        # One image at a time: each has kernels of its own.
        stylized = [
            functional_call(
                self.body, {name: value[i] for name, value in weights.items()}, (image,)
            )
            for i, image in enumerate(images.split(1))
        ]
        return torch.cat(stylized)

    @torch.no_grad()
    def select(
        self, images: Sequence[Tensor], weights: Sequence[float] | None = None
    ) -> CompactNetwork:
        """Return the compact network of one style; see the base class.

        From several style images, its weights are the weighted means of those that each alone
        would give.
        """
        fractions = style_fractions(len(images), weights)
        parts = [self._predict(image.to(self.encoder.scale)) for image in images]
        changes = weighted_sum(parts, fractions)  # (1, outputs)
        network = build_network("compact", **self._body_arguments).to(self.encoder.scale)
        network.load_state_dict({k: value[0] for k, value in self._weights(changes).items()})
        return cast(CompactNetwork, network.train(self.training))

    @torch.no_grad()
    def calibrate(self, style_images: Tensor) -> None:
        """Standardize the statistics that the perceptron reads; see the base class."""
        self.predictor.calibrate(self._layers(image) for image in style_images.split(1))

    def initialize_from(self, trained: StyleNetwork) -> None:
        """Copy the weights of a trained network.

        Args:
            trained: Network of the same architecture, or a compact network of the body's size, with
                which every style begins.

        Raises:
            StyleNetError: The architectures differ.
        """
        if isinstance(trained, CompactNetwork):
            self.body.initialize_from(trained)
        else:
            super().initialize_from(trained)

    @torch.no_grad()
    def _layers(self, style_images: Tensor) -> list[Tensor]:
        """Return the encoder's features of style images, padded to at least 2x2 of its cells."""
        smallest = 2 * self.encoder.stride
        padded = pad_to_multiple(style_images, self.encoder.stride, smallest)
        return self.encoder.features(padded)

    def _predict(self, style_images: Tensor) -> Tensor:
        """Predict the changes of the body's weights for each style image, shape (N, outputs)."""
        return self.predictor(self._layers(style_images))

    def _weights(self, changes: Tensor) -> dict[str, Tensor]:
        """Return the body's weights in N styles by name, each of shape (N, …)."""
        parameters = dict(self.body.named_parameters())
        sizes = [*self._vectors.values(), *[self._count] * len(self._adapted)]
        parts = iter(changes.split(sizes, dim=1))
        weights = {}
        with torch.autocast(changes.device.type, enabled=False):
            for name in self._vectors:
                weights[name] = parameters[name] + next(parts)
            for name, kernels in zip(self._adapted, self.kernels, strict=True):
                shared = parameters[name]
                change = next(parts) @ kernels.reshape(self._count, -1)
                weights[name] = shared + change.view(-1, *shared.shape)
        shared_by_all = [name for name in parameters if name not in weights]
        for name in shared_by_all:
            weights[name] = parameters[name].expand(len(changes), *parameters[name].shape)
        return weights
