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
from stylenet.networks.adain import mean_and_deviation
from stylenet.networks.arbitrary_style import ArbitraryStyleNetwork, style_fractions
from stylenet.networks.compact import CompactNetwork
from stylenet.networks.encoder_part import EncoderPart
from stylenet.networks.layers import pad_to_multiple
from stylenet.networks.registry import StyleNetwork, build_network, register_network

# The bundled encoder, whose weights are part of each checkpoint.
_ENCODER, _LAYER = "lite", "relu4_1"
# Standardized statistics are clamped to this many deviations, so that an image unlike all paintings
# (a single color) gives a network within the range of training.
_CLAMP = 5.0
# Keeps standardized statistics finite where all style images agree.
_SMALLEST_DEVIATION = 1e-4
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
        perceptron: From standardized statistics to a code of the style.
        output: From the code to the changes of all weights.
    """

    means: Tensor
    deviations: Tensor

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
        convolutions = cast(list[nn.Conv2d], list(self.encoder.convolutions.values()))
        statistics = 2 * sum(convolution.out_channels for convolution in convolutions)
        self.register_buffer("means", torch.zeros(statistics))
        self.register_buffer("deviations", torch.ones(statistics))
        self.perceptron = nn.Sequential(
            nn.Linear(statistics, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
        )
        self.output = nn.Linear(hidden, sum(self._vectors.values()) + kernels * len(self._adapted))
        nn.init.normal_(self.output.weight, std=_INITIAL / hidden**0.5)
        nn.init.zeros_(self.output.bias)
        # The kernels begin the same for all styles.
        nn.init.zeros_(self.output.weight[sum(self._vectors.values()) :])

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
        changes = torch.zeros(1, self.output.out_features).to(self.means)
        for image, fraction in zip(images, style_fractions(len(images), weights), strict=True):
            changes = changes + fraction * self._predict(image.to(self.means))
        network = build_network("compact", **self._body_arguments).to(self.means)
        network.load_state_dict({k: value[0] for k, value in self._weights(changes).items()})
        return cast(CompactNetwork, network.train(self.training))

    @torch.no_grad()
    def calibrate(self, style_images: Tensor) -> None:
        """Standardize the statistics by the means and deviations over typical style images."""
        statistics = torch.cat([self._statistics(image) for image in style_images.split(1)])
        deviations, means = torch.std_mean(statistics, dim=0, correction=0)
        self.means.copy_(means)
        self.deviations.copy_(deviations.clamp_min(_SMALLEST_DEVIATION))

    def initialize_from(self, trained: StyleNetwork) -> None:
        """Copy the weights of a trained network.

        Args:
            trained: Network of the same architecture, or a compact network of the body's size to
                begin with in every style; its head is copied only if it has the same form.

        Raises:
            StyleNetError: The architectures differ.
        """
        if not isinstance(trained, CompactNetwork):
            super().initialize_from(trained)
            return
        head = {"head": trained.arguments["head"]}
        if {**trained.arguments, **head} != {**self.body.arguments, **head}:
            self.body.initialize_from(trained)  # names the difference
        weights = trained.state_dict()
        if trained.arguments["head"] != self.body.arguments["head"]:
            weights = {k: value for k, value in weights.items() if not k.startswith("head.")}
        self.body.load_state_dict({**self.body.state_dict(), **weights})

    def _statistics(self, style_images: Tensor) -> Tensor:
        """Return the mean and standard deviation of each channel of the encoder, (N, S)."""
        smallest = 2 * self.encoder.stride
        padded = pad_to_multiple(style_images, self.encoder.stride, smallest)
        with torch.no_grad():
            moments = [m for x in self.encoder.features(padded) for m in mean_and_deviation(x)]
        return torch.cat(moments, dim=1).flatten(1)  # from (N, S, 1, 1)

    def _predict(self, style_images: Tensor) -> Tensor:
        """Predict the changes of the body's weights for each style image, shape (N, outputs)."""
        statistics = (self._statistics(style_images) - self.means) / self.deviations
        with torch.autocast(style_images.device.type, enabled=False):
            return self.output(self.perceptron(statistics.clamp(-_CLAMP, _CLAMP)))

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
