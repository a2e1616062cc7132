"""The interface of networks that take any style image."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError, check_number
from stylenet.networks.encoder_part import EncoderPart
from stylenet.networks.registry import StyleNetwork


class ArbitraryStyleNetwork(StyleNetwork):
    """Network trained on pairs of photo and style image.

    This class is for training: :meth:`select` returns the network of one style, the only form that
    inference, tiling and export use.

    Attributes:
        encoder: Frozen encoder of style images, whose weights training fills in.
    """

    encoder: EncoderPart

    def forward(self, images: Tensor, style_images: Tensor | None = None) -> Tensor:
        """Stylize each image in the style of its own style image.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), H and W at least 1.
            style_images: RGB in [0, 1], shape (N, 3, H', W'), any size. ``None`` takes the images
                as their own style images.

        Returns:
            RGB in [0, 1], the shape of ``images``.
        """
        raise NotImplementedError

    def select(
        self, images: Sequence[Tensor], weights: Sequence[float] | None = None
    ) -> StyleNetwork:
        """Return the network of one style, given by one or several style images.

        Args:
            images: Style images, RGB in [0, 1], each of shape (1, 3, H, W); sizes may differ.
            weights: Weight of each style image; only their ratios matter. ``None`` weighs all
                equally.

        Returns:
            A network that shares no weights with this one.

        Raises:
            StyleNetError: There is no image, or a weight is not above 0.
        """
        raise NotImplementedError

    def calibrate(self, style_images: Tensor) -> None:
        """Set constants by typical style images, before training; by default there are none.

        Args:
            style_images: RGB in [0, 1], shape (N, 3, H, W), N at least 2.
        """

    def trained_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that training changes: all but the encoder's."""
        frozen = {id(parameter) for parameter in self.encoder.parameters()}
        return [p for p in self.parameters() if id(p) not in frozen]


def style_fractions(count: int, weights: Sequence[float] | None) -> list[float]:
    """Check the weights of style images and divide them by their sum.

    Args:
        count: Number of style images.
        weights: See :meth:`ArbitraryStyleNetwork.select`.

    Raises:
        StyleNetError: There is no image, or a weight is not above 0.
    """
    if not count:
        raise StyleNetError("there is no style image; give at least one")
    weights = [1.0] * count if weights is None else list(weights)
    for weight in weights:
        check_number("weight of a style image", weight, above=0)
    return [weight / sum(weights) for weight in weights]


def weighted_sum(parts: Sequence[Tensor], fractions: Sequence[float]) -> Tensor:
    """Return the sum of tensors of equal shape, each multiplied by its fraction."""
    return torch.stack([f * part for f, part in zip(fractions, parts, strict=True)]).sum(0)
