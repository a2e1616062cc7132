"""DeepDream's loss: how strongly an encoder sees in an image what it knows.

"Inceptionism: going deeper into neural networks" (Mordvintsev, Olah, Tyka 2015) raises the energy
‖F(y)‖² of a layer's features by gradient ascent on the image. Here it is the root of that energy,
which has the same direction of ascent, divided by the photo's own: L = -‖F(y)‖ / ‖F(x)‖. So the
photo is at -1 whatever the encoder and the layer, and as the loss grows no faster than the features
do, any weight of it beside content and style losses, which grow with their squares at least, comes
to rest somewhere, where the energy itself would run away from a certain weight on.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError
from stylenet.perceptual.encoder import Encoder
from stylenet.perceptual.losses import wide

# Keeps the loss finite where there is nothing but zeros; real features are far larger.
_TINY = 1e-12
# Side of the image by which an encoder's channels are counted: four times what the deepest layer
# of a VGG, behind four poolings, needs.
_PROBE = 64
# Products of positions and guide positions at a time: 16 MB in float32.
_PRODUCTS = 2**22


def feature_strength(features: Tensor) -> Tensor:
    """Measures how large features are.

    Args:
        features: Shape (N, C, H, W), any floating type.

    Returns:
        The root mean square of each image's, shape (N,), float32 (float64 for float64).
    """
    with torch.autocast(features.device.type, enabled=False):
        return wide(features).square().flatten(1).mean(dim=1).clamp_min(_TINY).sqrt()


def dream_loss(
    features: Tensor,
    strength: Tensor,
    channels: Sequence[int] | None = None,
    guide: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Measures how strongly an image excites a layer: the less, the more.

    With a guide the objective is that of the authors' notebook: at every position the dot product
    with the one of the guide's feature vectors for which it is largest, ⟨F(y), G⟩ / (‖F(x)‖·‖G‖)
    with means over channels for sums. The gradient sees that choice as fixed.

    Args:
        features: Of the image, shape (N, C, H, W).
        strength: Of the photo that it came from, or of any yardstick, all channels together: see
            :func:`feature_strength`; shape (N,) or (1,).
        channels: Those that count; ``None`` for all.
        guide: Features of another image, shape (1, C, H', W').
        reduction: ``mean``, or ``none`` for each image's own.

    Returns:
        The mean over the N images, a scalar, or shape (N,); float32 at least, also under
        autocast. Without a guide 0 at most.

    Example:
        >>> features = torch.ones(1, 2, 4, 4)
        >>> dream_loss(3 * features, feature_strength(features))
        tensor(-3.)
    """
    with torch.autocast(features.device.type, enabled=False):
        features = _choose(wide(features), channels)
        if guide is None:
            each = -(feature_strength(features) / strength)
        else:
            guide = _choose(guide.to(features), channels)
            size = strength * feature_strength(guide)
            each = -((features * _best_match(features, guide)).flatten(1).mean(dim=1) / size)
        return each.mean() if reduction == "mean" else each


class DreamLoss(nn.Module):
    """The mean of :func:`dream_loss` over layers of an encoder.

    Attributes:
        layers: Whose features are to grow.
    """

    def __init__(
        self,
        encoder: Encoder,
        layers: Sequence[str],
        channels: Sequence[int] | None = None,
        guide: Tensor | None = None,
    ) -> None:
        """Checks the layers and takes the guide's features once.

        Args:
            encoder: The frozen encoder.
            layers: Names such as ``relu3_4``.
            channels: Those that count, in each of the layers, from 0; ``None`` for all.
            guide: An image to dream of, RGB in [0, 1], shape (1, 3, H, W); ``None`` for whatever
                the encoder sees.

        Raises:
            StyleNetError: The encoder lacks a layer, or a layer a channel.
        """
        super().__init__()
        check_layers("layers", layers, encoder)
        check_channels("channels", channels, encoder, layers)
        self.encoder = encoder
        self.layers = list(layers)
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
        """Measures the yardsticks.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            For each layer what :func:`feature_strength` says.
        """
        features = self.encoder(photos, self.layers)
        return {layer: feature_strength(features[layer]) for layer in self.layers}

    def compare(self, images: Tensor, strengths: dict[str, Tensor]) -> Tensor:
        """Judges images by yardsticks measured before.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W).
            strengths: See :meth:`strengths`.

        Returns:
            The loss, a scalar.
        """
        return self._by_layer(images, strengths).mean()

    def energy(self, images: Tensor, strengths: dict[str, Tensor]) -> Tensor:
        """Judges images by what can be summed up over pieces of them, each by its area.

        With a guide that is the loss itself. Without one it is -½ (‖F(y)‖ / ‖F(x)‖)², in each layer
        the same ascent; the root's own gradient would be divided by the strength of each piece, and
        raise an empty sky as much as a crowd.

        Args:
            images: RGB in [0, 1], shape (1, 3, H, W).
            strengths: See :meth:`strengths`.

        Returns:
            A scalar.
        """
        losses = self._by_layer(images, strengths)
        return losses.mean() if self._is_guided else -losses.square().mean() / 2

    def _by_layer(self, images: Tensor, strengths: dict[str, Tensor]) -> Tensor:
        """The loss of each layer, shape (L,)."""
        features = self.encoder(images, self.layers)
        values = []
        for layer in self.layers:
            guide = getattr(self, f"_guide_{layer}")
            values.append(dream_loss(features[layer], strengths[layer], self._channels, guide))
        return torch.stack(values)

    def forward(self, images: Tensor, photos: Tensor) -> Tensor:
        """Judges images by the photos that they came from.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W).
            photos: The same shape and range.

        Returns:
            The loss, a scalar; without channels and guide -1 for the photos themselves.
        """
        return self.compare(images, self.strengths(photos))


def check_layers(name: str, layers: Any, encoder: Encoder | None = None) -> None:
    """Refuses what is no list of layers, or names some that are not there.

    Args:
        name: The option as a user writes it, for the message.
        layers: What was given for it.
        encoder: Whose layers they are to be; ``None`` to leave that open.

    Raises:
        StyleNetError: It is no list, empty, or has names that the encoder lacks.
    """
    listed = isinstance(layers, Sequence) and not isinstance(layers, str)
    if not listed or not layers or not all(isinstance(layer, str) for layer in layers):
        raise StyleNetError(f"{name}={layers} is not a list of layers such as '[relu3_4]'")
    if encoder is None:
        return
    has = encoder.layers
    missing = [layer for layer in layers if layer not in has]
    if missing:
        relus = ", ".join(layer for layer in has if layer.startswith("relu"))
        raise StyleNetError(
            f"{name}: {encoder.architecture} with encoder.weights={encoder.weights} has no layer "
            f"{', '.join(missing)}; it has {relus}"
        )


def check_channels(
    name: str,
    channels: Any,
    encoder: Encoder | None = None,
    layers: Sequence[str] = (),
) -> None:
    """Refuses what is no list of channels, or numbers some that are not there.

    Args:
        name: The option as a user writes it, for the message.
        channels: What was given for it; ``None`` stands for all.
        encoder: Whose channels they are to be; ``None`` to leave that open.
        layers: In which of its layers.

    Raises:
        StyleNetError: It is no list, empty, or has numbers that a layer lacks.
    """
    if channels is None:
        return
    listed = isinstance(channels, Sequence) and not isinstance(channels, str)
    whole = listed and all(isinstance(c, int) and not isinstance(c, bool) for c in channels)
    if not whole or not channels or min(channels) < 0:
        raise StyleNetError(f"{name}={channels} is not a list of channels from 0 on, as '[3,17]'")
    if encoder is None:
        return
    probe = torch.zeros(1, 3, _PROBE, _PROBE).to(next(encoder.parameters()))
    with torch.no_grad():
        features = encoder(probe, layers)
    for layer in layers:
        count = features[layer].shape[1]
        if max(channels) >= count:
            raise StyleNetError(
                f"{name}={list(channels)}: {layer} of {encoder.architecture} has no channel "
                f"{max(channels)}; its channels are 0 to {count - 1}"
            )


def _choose(features: Tensor, channels: Sequence[int] | None) -> Tensor:
    """The channels that count."""
    return features if channels is None else features[:, list(channels)]


@torch.no_grad()
def _best_match(features: Tensor, guide: Tensor) -> Tensor:
    """For each position the guide's vector of the largest dot product, in the shape of features."""
    vectors = features.permute(0, 2, 3, 1).flatten(0, 2)  # (N, C, H, W) -> (NHW, C)
    known = guide.flatten(2)[0]  # (1, C, H', W') -> (C, H'W')
    rows = max(1, _PRODUCTS // known.shape[1])
    best = torch.cat([(part @ known).argmax(dim=1) for part in vectors.split(rows)])
    n, channels, height, width = features.shape
    # (C, NHW) -> (C, N, H, W) -> (N, C, H, W)
    return known[:, best].view(channels, n, height, width).transpose(0, 1)
