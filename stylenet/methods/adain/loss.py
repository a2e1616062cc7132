"""The loss of a batch in which each photo has a painting of its own."""

import torch
from torch import Tensor, nn

from stylenet.perceptual.encoder import Encoder
from stylenet.perceptual.perceptual_loss import LossOptions, PerceptualLoss


class AnyStyleLoss(nn.Module):
    """Judges each photo of a batch by its own painting.

    The encoder sees each image once: what was stylized, photos and paintings, each as deep as
    needed.

    Attributes:
        encoder: The frozen encoder.
    """

    def __init__(self, encoder: Encoder, options: LossOptions) -> None:
        """Takes the parts.

        Args:
            encoder: The frozen encoder.
            options: What is compared, and how much it counts.

        Raises:
            StyleNetError: The encoder lacks a layer.
        """
        super().__init__()
        self.encoder = encoder
        self._judge = PerceptualLoss(encoder, options, None)

    def forward(self, images: Tensor, photos: Tensor, paintings: Tensor) -> dict[str, Tensor]:
        """Judges stylized photos.

        Args:
            images: The network's output, RGB in [0, 1], shape (N, 3, H, W).
            photos: What it was given, the same shape and range.
            paintings: Of the styles, shape (N, 3, H', W').

        Returns:
            See :meth:`PerceptualLoss.forward`.
        """
        judge = self._judge
        with torch.no_grad():
            targets = self.encoder(photos, judge.photo_layers)
            styles = judge.style_of(self.encoder(paintings, judge.options.style_layers))
        return judge.compare(images, self.encoder(images, judge.image_layers), targets, styles)
