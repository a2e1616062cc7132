"""DeepDream's loss: how strongly an image excites the layers of an encoder.

"Inceptionism: going deeper into neural networks" (Mordvintsev, Olah, Tyka 2015) raises the energy
‖F(y)‖² of a layer's features by gradient ascent on the image. The loss here is the negative root of
that energy, which has the same direction of ascent, relative to the photo: L = -‖F(y)‖ / ‖F(x)‖.
So the photo itself has a loss of -1 with every encoder and layer. The magnitude of the loss grows
linearly with the features, while content and style losses grow at least quadratically. So their
sum has a minimum for every weight. With the energy itself it would have none above some weight.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.moments import wide
from stylenet.perceptual.encoder import Encoder
from stylenet.perceptual.loss_term import Layers, LossInputs, LossTerm, read_layers

# Keeps the loss finite for features of zeros; real features are far larger.
_TINY = 1e-12
# Height and width of the image for counting channels: four times the smallest size for the deepest
# layer of a VGG, after four poolings.
_PROBE = 64
# Products of image positions and guide positions computed at a time: 16 MB in float32.
_PRODUCTS = 2**22


def feature_strength(features: Tensor) -> Tensor:
    """Return the root mean square of each image's features.

    Args:
        features: Shape (N, C, H, W), any floating type.

    Returns:
        Shape (N,), float32 (float64 for float64 features), also under autocast.
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
    """Return -‖F(y)‖ / ‖F(x)‖, which falls as an image excites a layer more strongly.

    With a guide the objective is that of the authors' notebook: at each position, the largest dot
    product with a feature vector of the guide, -⟨F(y), G⟩ / (‖F(x)‖·‖G‖), with means over channels
    instead of sums. The gradient treats the choice of that vector as constant.

    Args:
        features: Features of the image, shape (N, C, H, W).
        strength: :func:`feature_strength` of the content image, or of another reference, over all
            channels; shape (N,) or (1,).
        channels: Channels that count; ``None`` for all.
        guide: Features of another image, shape (1, C, H', W').
        reduction: ``mean``, or ``none`` for a value per image.

    Returns:
        The mean over the N images, a scalar, or shape (N,); float32 at least, also under
        autocast. Without a guide at most 0.

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


class DreamLoss(LossTerm):
    """DeepDream beside a style: the mean over layers of -‖F(y)‖ / ‖F(x)‖, see :func:`dream_loss`.

    With a weight of 0 the term is left out and costs nothing.

    Attributes:
        channels: Channels of the layers that count; ``None`` for all.
    """

    compares_content = True

    def __init__(
        self,
        weight: float = 1.0,
        layers: Layers | None = None,
        channels: Sequence[int] | None = None,
    ) -> None:
        """Check the options.

        Args:
            weight: See :class:`LossTerm`.
            layers: Layers whose features grow, see :class:`LossTerm`; ``None`` for the deepest
                layer of the terms that compare with the style, whose features are needed anyway.
            channels: Indices from 0 of the channels that count in each layer; ``None`` for all.

        Raises:
            StyleNetError: A value is impossible.
        """
        super().__init__(weight, () if layers is None else read_layers(layers, required=True))
        check_channels("channels", channels)
        self.channels = channels

    @property
    def is_active(self) -> bool:
        """True if the weight is above 0."""
        return self.weight > 0

    def forward(self, inputs: LossInputs) -> dict[str, Tensor]:
        """Measure how strongly the images excite the layers; see :class:`LossTerm`."""
        values: dict[str, Tensor] = {}
        for layer in self.layers:
            strength = feature_strength(inputs.content_features[layer])
            features = inputs.stylized_features[layer]
            values[layer] = dream_loss(features, strength, self.channels, reduction="none")
        return values

    def fit_to(self, encoder: Encoder, terms: Mapping[str, LossTerm]) -> LossTerm:
        """Choose the layer if none is given, and check layers and channels."""
        if not self.layers:
            others = [layer for t in terms.values() if t.compares_style for layer in t.layers]
            encoder.require(others, "layers")
            if not others:
                raise StyleNetError("layers=null needs a style term. Name layers: '[relu3_4]'")
            deepest = max(others, key=encoder.layers.index)
            return self.with_layers([deepest]).fit_to(encoder, terms)
        encoder.require(self.layers, "layers")
        check_channels("channels", self.channels, encoder, list(self.layers))
        return self


def check_channels(
    name: str,
    channels: Any,
    encoder: Encoder | None = None,
    layers: Sequence[str] = (),
) -> None:
    """Check a list of channels, and that all layers have them.

    Args:
        name: Option that holds the channels, for the message.
        channels: Value of the option; ``None`` stands for all channels.
        encoder: Encoder of the layers; ``None`` checks the list only.
        layers: Layers of the encoder.

    Raises:
        StyleNetError: The value is not a list, is empty, or has numbers that a layer lacks.
    """
    if channels is None:
        return
    listed = isinstance(channels, Sequence) and not isinstance(channels, str)
    integers = listed and all(isinstance(c, int) and not isinstance(c, bool) for c in channels)
    if not integers or not channels or min(channels) < 0:
        raise StyleNetError(
            f"{name}={channels} is not a list of channels from 0 on such as '[3,17]'"
        )
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
    return features if channels is None else features[:, list(channels)]


@torch.no_grad()
def _best_match(features: Tensor, guide: Tensor) -> Tensor:
    """Return for each position the guide's vector with the largest dot product, (N, C, H, W)."""
    vectors = features.permute(0, 2, 3, 1).flatten(0, 2)  # (N, C, H, W) -> (NHW, C)
    candidates = guide.flatten(2)[0]  # (1, C, H', W') -> (C, H'W')
    rows = max(1, _PRODUCTS // candidates.shape[1])
    best = torch.cat([(part @ candidates).argmax(dim=1) for part in vectors.split(rows)])
    count, channels, height, width = features.shape
    # (C, NHW) -> (C, N, H, W) -> (N, C, H, W)
    return candidates[:, best].view(channels, count, height, width).transpose(0, 1)
