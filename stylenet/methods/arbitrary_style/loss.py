"""The loss of a batch in which each photo has a style image of its own."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stylenet.perceptual.encoder import Encoder
from stylenet.perceptual.loss_term import LossTerm
from stylenet.perceptual.perceptual_loss import PerceptualLoss


class ArbitraryStyleLoss(nn.Module):
    """Compares each photo of a batch with a style image of its own.

    The encoder sees each stylized image, photo and style image once, as deep as needed.

    Attributes:
        encoder: The frozen encoder.
    """

    def __init__(self, encoder: Encoder, terms: Mapping[str, LossTerm]) -> None:
        """Check the terms.

        Args:
            encoder: The frozen encoder.
            terms: Terms by name, see :class:`PerceptualLoss`.

        Raises:
            StyleNetError: A term is unusable with the encoder.
        """
        super().__init__()
        self.encoder = encoder
        self._loss = PerceptualLoss(encoder, terms, None)

    def forward(self, stylized: Tensor, content: Tensor, styles: Tensor) -> dict[str, Tensor]:
        """Compute the losses of stylized images.

        Args:
            stylized: Output of the network, RGB in [0, 1], shape (N, 3, H, W).
            content: Input of the network, the same shape and range.
            styles: Style images, shape (N, 3, H', W').

        Returns:
            See :meth:`PerceptualLoss.forward`.
        """
        loss = self._loss
        with torch.no_grad():
            content_features = self.encoder(content, loss.content_layers)
            targets = loss.style_targets(self.encoder(styles, loss.style_layers))
        features = self.encoder(stylized, loss.stylized_layers)
        return loss.compare(stylized, content, features, content_features, targets)
