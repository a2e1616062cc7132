"""The whole loss: what one encoder says of a picture, its photo and a style."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError, check_choice, check_number
from stylenet.perceptual.encoder import Encoder
from stylenet.perceptual.losses import content_loss, gram_matrix, style_loss, total_variation


@dataclass(frozen=True)
class LossSettings:
    """What is compared, and how much it counts.

    Attributes:
        form: ``relative`` (every term is a fraction of its target's own size) or ``absolute``.
        content_layers: Layers whose features are compared with the photo's.
        style_layers: Layers whose Gram matrices are compared with the style's; the style loss is
            their mean (relative) or their sum (absolute, as in the paper).
        content_weight: Weight of the content loss.
        style_weight: Weight of the style loss.
        tv_weight: Weight of the total variation.
    """

    form: str
    content_layers: Sequence[str]
    style_layers: Sequence[str]
    content_weight: float
    style_weight: float
    tv_weight: float

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_choice("loss.form", self.form, ("relative", "absolute"))
        for name in ("content_weight", "style_weight", "tv_weight"):
            check_number(f"loss.{name}", getattr(self, name), minimum=0)
        for name in ("content_layers", "style_layers"):
            layers = getattr(self, name)
            listed = isinstance(layers, Sequence) and not isinstance(layers, str)
            if not listed or not all(isinstance(layer, str) for layer in layers):
                raise StyleNetError(
                    f"loss.{name}={layers} is not a list of layers such as '[relu1_2,relu2_2]'"
                )
            if not layers:
                raise StyleNetError(f"loss.{name}=[] is empty; name at least one layer")


class PerceptualLoss(nn.Module):
    """Content, style and total-variation loss of Johnson et al. 2016 against one style.

    Attributes:
        settings: What it was built with.
    """

    def __init__(
        self,
        encoder: Encoder,
        settings: LossSettings,
        style_images: Sequence[Tensor],
        style_weight: float = 1.0,
    ) -> None:
        """Takes the style's Gram matrices once.

        Args:
            encoder: The frozen encoder.
            settings: What is compared, and how much it counts.
            style_images: One or more pictures of the style, RGB in [0, 1], each of shape
                (1, 3, H, W) with sizes of their own. Their Gram matrices are averaged.
            style_weight: Multiplies ``settings.style_weight`` for this style.

        Raises:
            StyleNetError: The encoder lacks a layer, or there is no style picture.
        """
        super().__init__()
        if not style_images:
            raise StyleNetError("style.image is empty; name at least one picture")
        encoder.require([*settings.content_layers, *settings.style_layers])
        self.encoder = encoder
        self.settings = settings
        self._style_weight = settings.style_weight * style_weight
        with torch.no_grad():
            grams = [self._grams(image) for image in style_images]
        for layer in settings.style_layers:
            mean = torch.stack([gram[layer] for gram in grams]).mean(dim=0)
            self.register_buffer(f"_gram_{layer}", mean, persistent=False)

    def forward(self, images: Tensor, photos: Tensor) -> dict[str, Tensor]:
        """Judges repainted photos.

        Args:
            images: The network's output, RGB in [0, 1], shape (N, 3, H, W).
            photos: What it was given, the same shape and range.

        Returns:
            Scalars by name: ``total``, the weighted sum; ``content``, ``style`` and ``tv``
            without their weights; and ``content/relu2_2``, ``style/relu1_2`` … for each layer.
        """
        settings = self.settings
        relative = settings.form == "relative"
        with torch.no_grad():
            targets = self.encoder(photos, settings.content_layers)
        features = self.encoder(images, [*settings.content_layers, *settings.style_layers])
        content = {
            layer: content_loss(features[layer], targets[layer], relative)
            for layer in settings.content_layers
        }
        style = {
            layer: style_loss(
                gram_matrix(features[layer]), self.get_buffer(f"_gram_{layer}"), relative
            )
            for layer in settings.style_layers
        }
        values = {
            "content": _combine(list(content.values()), relative),
            "style": _combine(list(style.values()), relative),
            "tv": total_variation(images),
        }
        total = (
            settings.content_weight * values["content"]
            + self._style_weight * values["style"]
            + settings.tv_weight * values["tv"]
        )
        layers = {f"content/{layer}": value for layer, value in content.items()}
        layers |= {f"style/{layer}": value for layer, value in style.items()}
        return {"total": total, **values, **layers}

    def _grams(self, image: Tensor) -> dict[str, Tensor]:
        """The Gram matrices of a style picture, shape (1, C, C) for each style layer."""
        features = self.encoder(image, self.settings.style_layers)
        return {layer: gram_matrix(feature) for layer, feature in features.items()}


def _combine(values: list[Tensor], relative: bool) -> Tensor:
    """The mean over layers of relative losses, the sum of absolute ones."""
    stacked = torch.stack(values)
    return stacked.mean() if relative else stacked.sum()
