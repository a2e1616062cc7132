"""Any style in one network: Huang & Belongie 2017 (arXiv:1703.06868)."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError, check_number
from stylenet.networks.encoder_part import EMBEDDED, EncoderPart, make_decoder
from stylenet.networks.layers import InstanceNorm, pad_to_multiple
from stylenet.networks.registry import StyleNetwork, build_network, register_network
from stylenet.networks.staged import StagedNetwork

# Added to variances, as in instance normalization.
_EPS = 1e-5
# Where a checkpoint leaves the encoder's weights out; its scale stays.
_ENCODER = "encoder.convolutions."


class _AnyStyle(StyleNetwork):
    """What both networks have: an encoder's part that is never trained, and a decoder."""

    def __init__(self, encoder: str, layer: str, width: int) -> None:
        super().__init__()
        self.encoder = EncoderPart(encoder, layer)
        self.decoder = make_decoder(encoder, layer, width)
        self.stride = self.encoder.stride
        self.recorded = "" if encoder in EMBEDDED else _ENCODER

    def enter(self, images: Tensor) -> Tensor:
        """Pads images to multiples of ``stride``, for at least 2x2 cells: one has no deviation."""
        return pad_to_multiple(images, self.stride, 2 * self.stride)

    def leave(self, x: Tensor) -> Tensor:
        """Brings what the decoder gives to [0, 1], as Johnson's scaled tanh does."""
        return torch.sigmoid(2 * x)


@register_network("adain_style")
class AdainStyleNetwork(_AnyStyle, StagedNetwork):
    """A style of :class:`AdainNetwork`: encoder, instance normalization, decoder.

    AdaIN with a style that stays the same is instance normalization whose scale is the standard
    deviation of the style's features and whose shift is their mean.

    Attributes:
        norm: That normalization.
    """

    def __init__(self, encoder: str = "lite", layer: str = "relu4_1", width: int = 32) -> None:
        """Builds the network with fresh weights.

        Args:
            encoder: See :class:`AdainNetwork`.
            layer: See there.
            width: See there.

        Raises:
            StyleNetError: A value is impossible.
        """
        super().__init__(encoder, layer, width)
        self.norm = InstanceNorm(self.encoder.channels)
        self.channels = self.encoder.channels
        self.reach = max(self.encoder.reach, self.decoder.reach)

    def forward(self, images: Tensor) -> Tensor:
        """Stylizes images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), any H and W from 1.

        Returns:
            RGB in [0, 1], the same shape.
        """
        x = self.decoder(self.norm(self.encoder(self.enter(images))))
        return self.leave(x[..., : images.shape[-2], : images.shape[-1]].to(images.dtype))

    def stages(self) -> list[nn.Module]:
        """The encoder; the normalization and the decoder."""
        return [self.encoder, nn.Sequential(self.norm, *self.decoder)]


@register_network("adain")
class AdainNetwork(_AnyStyle):
    """Gives the features of a photo the means and deviations of a painting's, and decodes them.

    Only the decoder is trained, once for all styles. It is for training: :meth:`select` makes the
    network of one style, which is all that inference, tiles and export know of.
    """

    def __init__(self, encoder: str = "lite", layer: str = "relu4_1", width: int = 32) -> None:
        """Builds the network with fresh weights, those of the encoder without a meaning.

        Args:
            encoder: Which encoder, ``lite``, ``vgg19`` or ``vgg16``. Its weights are taken by
                ``encoder.fill``.
            layer: Whose features are changed; ``relu4_1`` in the paper.
            width: Channels of the decoder at the image's size; each halving of the size doubles
                them. 64 is the mirror image of a VGG.

        Raises:
            StyleNetError: A value is impossible.
        """
        super().__init__(encoder, layer, width)

    def forward(self, images: Tensor, paintings: Tensor | None = None) -> Tensor:
        """Stylizes images, each in the style of a painting of its own.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), any H and W from 1.
            paintings: The same of any height and width; ``None`` for the images themselves, which
                asks for them as they are.

        Returns:
            RGB in [0, 1], the shape of ``images``.
        """
        with torch.no_grad():
            features = self.encoder(self.enter(images))
            styles = features if paintings is None else self.encoder(self.enter(paintings))
            target = adain(features, styles)
        x = self.decoder(target)
        return self.leave(x[..., : images.shape[-2], : images.shape[-1]].to(images.dtype))

    @torch.no_grad()
    def select(
        self, pictures: Sequence[Tensor], weights: Sequence[float] | None = None
    ) -> AdainStyleNetwork:
        """Makes the network of a style.

        Args:
            pictures: Of the style, RGB in [0, 1], each of shape (1, 3, H, W) with a size of its
                own.
            weights: How much each counts; only their ratios matter. ``None`` for all alike.

        Returns:
            A network of its own weights. Of several images it gives the weighted mean of the
            features that each alone would give, as the paper does.

        Raises:
            StyleNetError: There is no image, or a weight is not above 0.
        """
        if not pictures:
            raise StyleNetError("there is no style image; give at least one")
        weights = [1.0] * len(pictures) if weights is None else weights
        for weight in weights:
            check_number("weight of a style image", weight, above=0)
        total = sum(weights)
        means: Tensor | float = 0.0
        deviations: Tensor | float = 0.0
        for image, weight in zip(pictures, weights, strict=True):
            found = self.encoder(self.enter(image.to(self.encoder.scale)))
            mean, deviation = mean_and_deviation(found)
            means = means + weight / total * mean.flatten()
            deviations = deviations + weight / total * deviation.flatten()
        network = build_network("adain_style", **self.arguments).to(self.encoder.scale)
        own = {f"norm.{name}": value for name, value in (("weight", deviations), ("bias", means))}
        network.load_state_dict({**self.state_dict(), **own})
        return cast(AdainStyleNetwork, network.train(self.training))


def adain(features: Tensor, styles: Tensor) -> Tensor:
    """Adaptive instance normalization, eq. 8 of the paper.

    Args:
        features: x, shape (N, C, H, W).
        styles: y, shape (N, C, H', W').

    Returns:
        Features with the means and deviations of the styles', of the first's shape and type.
    """
    mean, deviation = mean_and_deviation(features)
    wanted, spread = mean_and_deviation(styles)
    scale = spread / deviation
    return features * scale.to(features.dtype) + (wanted - mean * scale).to(features.dtype)


def mean_and_deviation(features: Tensor) -> tuple[Tensor, Tensor]:
    """Takes each channel's mean and standard deviation over all positions.

    Args:
        features: Shape (N, C, H, W).

    Returns:
        Two of shape (N, C, 1, 1), float32 at least, also under autocast.
    """
    with torch.autocast(features.device.type, enabled=False):
        wide = features.to(torch.promote_types(features.dtype, torch.float32))
        variance, mean = torch.var_mean(wide, dim=(2, 3), correction=0, keepdim=True)
        return mean, (variance + _EPS).sqrt()
