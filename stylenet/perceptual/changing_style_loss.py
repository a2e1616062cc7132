"""The perceptual loss of a style that changes from batch to batch."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stylenet.perceptual.encoder import Encoder
from stylenet.perceptual.loss_term import LossTerm
from stylenet.perceptual.perceptual_loss import PerceptualLoss, StyleTargets


class ChangingStyleLoss(nn.Module):
    """Perceptual loss whose style targets are given with every batch.

    The encoder sees each image once, as deep as needed.

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

    @torch.no_grad()
    def targets(self, style: Tensor) -> StyleTargets:
        """Compute the targets of one style, or of a style for each photo.

        Args:
            style: Style images, RGB in [0, 1], shape (1, 3, H, W) or (N, 3, H, W).

        Returns:
            Targets of shape (1, …) or (N, …) by term and layer.
        """
        return self._loss.style_targets(self.encoder(style, self._loss.style_layers))

    def forward(
        self, stylized: Tensor, content: Tensor, targets: StyleTargets
    ) -> dict[str, Tensor]:
        """Compute the losses of stylized images.

        Args:
            stylized: Output of the network, RGB in [0, 1], shape (N, 3, H, W).
            content: Input of the network, the same shape and range.
            targets: From :meth:`targets`.

        Returns:
            See :meth:`PerceptualLoss.forward`.
        """
        loss = self._loss
        with torch.no_grad():
            content_features = self.encoder(content, loss.content_layers)
        features = self.encoder(stylized, loss.stylized_layers)
        return loss.compare(stylized, content, features, content_features, targets)
