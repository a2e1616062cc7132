"""Arbitrary style transfer (AdaIN): Huang & Belongie 2017 (arXiv:1703.06868)."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from stylenet.moments import mean_and_deviation
from stylenet.networks.arbitrary_style import (
    ArbitraryStyleNetwork,
    style_fractions,
    weighted_sum,
)
from stylenet.networks.encoder_part import EMBEDDED, EncoderPart, make_decoder
from stylenet.networks.layers import InstanceNorm, pad_to_multiple
from stylenet.networks.registry import StyleNetwork, build_network, register_network
from stylenet.networks.staged import StagedNetwork

# Key prefix of the encoder's weights. Its scale has another key, which checkpoints always store.
_ENCODER = "encoder.convolutions."


class _EncoderDecoder(StyleNetwork):
    """Frozen encoder and trained decoder, common to both networks."""

    def __init__(self, encoder: str, layer: str, width: int) -> None:
        super().__init__()
        self.encoder = EncoderPart(encoder, layer)
        self.decoder = make_decoder(encoder, layer, width)
        self.stride = self.encoder.stride
        self.referenced_prefix = "" if encoder in EMBEDDED else _ENCODER

    def preprocess(self, images: Tensor) -> Tensor:
        """Pad images to multiples of ``stride``, to at least 2x2 cells: one has no deviation."""
        return pad_to_multiple(images, self.stride, 2 * self.stride)

    def postprocess(self, x: Tensor) -> Tensor:
        """Map the decoder's output to [0, 1], as Johnson's scaled tanh does."""
        return torch.sigmoid(2.0 * x)


@register_network("adain_style")
class AdainStyleNetwork(_EncoderDecoder, StagedNetwork):
    """AdaIN network for one fixed style: encoder, instance normalization, decoder.

    With a fixed style, AdaIN is instance normalization whose scale is the standard deviation of
    the style's features and whose shift is their mean.

    Attributes:
        norm: The instance normalization that holds the style.
    """

    def __init__(self, encoder: str = "lite", layer: str = "relu4_1", width: int = 32) -> None:
        """Build the network with random weights.

        Args:
            encoder: See :class:`AdainNetwork`.
            layer: See :class:`AdainNetwork`.
            width: See :class:`AdainNetwork`.

        Raises:
            StyleNetError: An argument is out of range.
        """
        super().__init__(encoder, layer, width)
        self.norm = InstanceNorm(self.encoder.channels)
        self.channels = self.encoder.channels
        self.reach = max(self.encoder.reach, self.decoder.reach)

    def forward(self, images: Tensor) -> Tensor:
        """Stylize images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), H and W at least 1.

        Returns:
            RGB in [0, 1], the same shape.
        """
        features = self.norm(self.encoder(self.preprocess(images)))  # (N, C, H'/stride, W'/stride)
        x = self.decoder(features)  # (N, 3, H', W')
        return self.postprocess(x[..., : images.shape[-2], : images.shape[-1]].to(images.dtype))

    def stages(self) -> list[nn.Module]:
        """Return two stages: the encoder, and the normalization with the decoder."""
        return [self.encoder, nn.Sequential(self.norm, *self.decoder)]


@register_network("adain")
class AdainNetwork(_EncoderDecoder, ArbitraryStyleNetwork):
    """AdaIN network for arbitrary styles.

    It gives the content's features the means and standard deviations of the style's features and
    decodes them. Only the decoder is trained, once for all styles.
    """

    def __init__(self, encoder: str = "lite", layer: str = "relu4_1", width: int = 32) -> None:
        """Build the network with random weights, also in the encoder.

        Args:
            encoder: ``lite``, ``vgg19`` or ``vgg16``. Load its weights with
                ``network.encoder.load_weights``.
            layer: Layer whose features are normalized; ``relu4_1`` in the paper.
            width: Decoder channels at full resolution, doubled at each halving of the resolution.
                64 mirrors a VGG.

        Raises:
            StyleNetError: An argument is out of range.
        """
        super().__init__(encoder, layer, width)

    def forward(self, images: Tensor, style_images: Tensor | None = None) -> Tensor:
        """Stylize each image in the style of its own style image; see the base class.

        An image that is its own style image should be reconstructed.
        """
        with torch.no_grad():
            content = self.encoder(self.preprocess(images))  # (N, C, H'/stride, W'/stride)
            layers = self.encoder.features(
                self.preprocess(images if style_images is None else style_images)
            )
            target = adain(content, layers[-1] * self.encoder.scale)  # the content's shape
        x = self.decode(target, layers)
        return self.postprocess(x[..., : images.shape[-2], : images.shape[-1]].to(images.dtype))

    def decode(self, features: Tensor, style_layers: Sequence[Tensor]) -> Tensor:
        """Decode features that have the statistics of the style.

        Args:
            features: Shape (N, C, H / stride, W / stride).
            style_layers: :meth:`EncoderPart.features` of the style images.

        Returns:
            Unbounded values, shape (N, 3, H, W).
        """
        return self.decoder(features)

    @torch.no_grad()
    def select(
        self, images: Sequence[Tensor], weights: Sequence[float] | None = None
    ) -> AdainStyleNetwork:
        """Return the network of one style; see the base class.

        From several style images, it decodes the weighted mean of the features that each alone
        would give, as in the paper.
        """
        fractions = style_fractions(len(images), weights)
        layers = [
            self.encoder.features(self.preprocess(image.to(self.encoder.scale))) for image in images
        ]
        moments = [mean_and_deviation(features[-1] * self.encoder.scale) for features in layers]
        means, deviations = (weighted_sum(part, fractions) for part in zip(*moments, strict=True))
        norm = {"norm.weight": deviations.flatten(), "norm.bias": means.flatten()}
        network = build_network("adain_style", **self.style_arguments()).to(self.encoder.scale)
        network.load_state_dict({**self.style_weights(layers, fractions), **norm})
        return cast(AdainStyleNetwork, network.train(self.training))

    def style_arguments(self) -> dict[str, Any]:
        """Return the arguments of the network of one style."""
        return self.arguments

    def style_weights(
        self, layers: Sequence[Sequence[Tensor]], fractions: Sequence[float]
    ) -> dict[str, Tensor]:
        """Return the weights of encoder and decoder in a style.

        Args:
            layers: :meth:`EncoderPart.features` of each style image.
            fractions: Fraction of each style image, 1 in all.
        """
        return self.state_dict()


def adain(content: Tensor, style: Tensor) -> Tensor:
    """Apply adaptive instance normalization (eq. 8 of the paper).

    Args:
        content: Features x of the content images, shape (N, C, H, W).
        style: Features y of the style images, shape (N, C, H', W').

    Returns:
        The content features with the mean and standard deviation of the style features in each
        channel; shape and dtype of ``content``.
    """
    mean, deviation = mean_and_deviation(content)
    style_mean, style_deviation = mean_and_deviation(style)
    scale = style_deviation / deviation  # (N, C, 1, 1)
    return content * scale.to(content.dtype) + (style_mean - mean * scale).to(content.dtype)
