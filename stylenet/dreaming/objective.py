"""DeepDream's objective on an image: the mean of the dream loss over layers of an encoder."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stylenet.perceptual import Encoder, check_channels, dream_loss, feature_strength, read_layers


class DreamObjective(nn.Module):
    """The mean of :func:`stylenet.perceptual.dream_loss` over layers of an encoder.

    Attributes:
        layers: Layers whose features grow.
    """

    def __init__(
        self,
        encoder: Encoder,
        layers: Sequence[str],
        channels: Sequence[int] | None = None,
        guide: Tensor | None = None,
    ) -> None:
        """Check the layers and compute the guide's features.

        Args:
            encoder: The frozen encoder.
            layers: Names such as ``relu3_4``.
            channels: Channels that count in each of the layers, from 0; ``None`` for all.
            guide: An image to dream of, RGB in [0, 1], shape (1, 3, H, W); ``None`` for everything
                that the encoder sees.

        Raises:
            StyleNetError: The encoder lacks a layer, or a layer a channel.
        """
        super().__init__()
        self.layers = list(read_layers(layers, required=True))
        encoder.require(self.layers, "layers")
        check_channels("channels", channels)
        check_channels("channels", channels, encoder, self.layers)
        self.encoder = encoder
        self._channels = channels
        self._is_guided = guide is not None
        features: dict[str, Tensor] = {}
        if guide is not None:
            with torch.no_grad():
                features = encoder(guide, self.layers)
        for layer in self.layers:
            self.register_buffer(f"_guide_{layer}", features.get(layer), persistent=False)

    @torch.no_grad()
    def strengths(self, photos: Tensor) -> dict[str, Tensor]:
        """Return :func:`stylenet.perceptual.feature_strength` of photos by layer.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            Shape (N,) for each layer.
        """
        features = self.encoder(photos, self.layers)
        return {layer: feature_strength(features[layer]) for layer in self.layers}

    def compare(self, images: Tensor, strengths: dict[str, Tensor]) -> Tensor:
        """Return the loss of images by strengths measured before.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W).
            strengths: See :meth:`strengths`.

        Returns:
            A scalar.
        """
        return self._by_layer(images, strengths).mean()

    def energy(self, images: Tensor, strengths: dict[str, Tensor]) -> Tensor:
        """Return a loss that can be summed over tiles of an image, weighted by their areas.

        With a guide that is the loss itself. Without one it is -½ (‖F(y)‖ / ‖F(x)‖)², in each layer
        the same ascent; the root's own gradient would be divided by the strength of each tile, and
        raise an empty sky as much as a crowd.

        Args:
            images: RGB in [0, 1], shape (1, 3, H, W).
            strengths: See :meth:`strengths`.

        Returns:
            A scalar.
        """
        losses = self._by_layer(images, strengths)
        return losses.mean() if self._is_guided else -losses.square().mean() / 2

    def forward(self, images: Tensor, photos: Tensor) -> Tensor:
        """Return the loss of images that came from photos.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W).
            photos: The same shape and range.

        Returns:
            A scalar; without channels and guide -1 for the photos themselves.
        """
        return self.compare(images, self.strengths(photos))

    def _by_layer(self, images: Tensor, strengths: dict[str, Tensor]) -> Tensor:
        features = self.encoder(images, self.layers)
        values = []
        for layer in self.layers:
            guide = getattr(self, f"_guide_{layer}")
            values.append(dream_loss(features[layer], strengths[layer], self._channels, guide))
        return torch.stack(values)  # (layers,)
