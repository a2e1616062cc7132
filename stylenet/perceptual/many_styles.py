"""The loss of a batch whose photos are repainted in different styles."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stylenet.perceptual.perceptual_loss import PerceptualLoss


class ManyStylesLoss(nn.Module):
    """Judges each photo of a batch by its own style, with one pass of the encoder for all.

    Attributes:
        names: The styles.
    """

    def __init__(self, losses: Mapping[str, PerceptualLoss]) -> None:
        """Takes the losses.

        Args:
            losses: One for each style, by name, all with the same encoder.

        Raises:
            ValueError: There is none, or the encoders differ.
        """
        super().__init__()
        self.names = list(losses)
        self._losses = nn.ModuleList(losses.values())
        if len({id(loss.encoder) for loss in losses.values()}) != 1:
            raise ValueError("the losses of many styles share one encoder")

    def forward(self, images: Tensor, photos: Tensor, styles: Tensor) -> dict[str, Tensor]:
        """Judges repainted photos.

        Args:
            images: The network's output, RGB in [0, 1], shape (N, 3, H, W).
            photos: What it was given, the same shape and range.
            styles: Places of the photos' styles in ``names``, shape (N,), in ascending order, so
                that photos of a style are neighbours.

        Returns:
            Scalars by name: ``total``, ``content``, ``style``, ``tv`` … as of
            :class:`PerceptualLoss`, means over the N photos with their own styles' weights; and
            ``starry/content`` and ``starry/style`` for each style of the batch.
        """
        losses = [loss for loss in self._losses if isinstance(loss, PerceptualLoss)]
        encoder = losses[0].encoder
        with torch.no_grad():
            wanted = {layer: None for loss in losses for layer in loss.photo_layers}
            targets = encoder(photos, list(wanted))
        wanted = {layer: None for loss in losses for layer in loss.image_layers}
        features = encoder(images, list(wanted))
        # Split, not indexed: its gradient is one concatenation.
        counts = torch.bincount(styles, minlength=len(losses)).tolist()
        parts = images.split(counts)
        feature_parts = {layer: found.split(counts) for layer, found in features.items()}
        target_parts = {layer: found.split(counts) for layer, found in targets.items()}
        means: dict[str, Tensor] = {}
        each: dict[str, Tensor] = {}
        for place, count in enumerate(counts):
            if not count:
                continue
            values = losses[place].compare(
                parts[place],
                {layer: found[place] for layer, found in feature_parts.items()},
                {layer: found[place] for layer, found in target_parts.items()},
            )
            for name in (name for name in values if "/" not in name):
                share = values[name] * (count / len(images))
                means[name] = means[name] + share if name in means else share
            for name in ("content", "style"):
                each[f"{self.names[place]}/{name}"] = values[name]
        return means | each
