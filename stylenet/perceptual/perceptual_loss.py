"""The whole loss: what one encoder says of an image, its photo and a style."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError, check_choice, check_number
from stylenet.perceptual.dream import (
    check_channels,
    check_layers,
    dream_loss,
    feature_strength,
)
from stylenet.perceptual.encoder import Encoder
from stylenet.perceptual.losses import (
    content_loss,
    gram_matrix,
    moments,
    style_loss,
    total_variation,
)

# What styles are compared by; Huang & Belongie 2017 take moments.
_STATISTICS = {"gram": gram_matrix, "moments": moments}


@dataclass(frozen=True)
class LossOptions:
    """What is compared, and how much it counts.

    Attributes:
        form: ``relative`` (every term is a fraction of its target's own size) or ``absolute``.
        content_layers: Layers whose features are compared with the photo's.
        style_layers: Layers whose Gram matrices are compared with the style's; the style loss is
            their mean (relative) or their sum (absolute, as in the paper).
        content_weight: Weight of the content loss.
        style_weight: Weight of the style loss.
        tv_weight: Weight of the total variation.
        dream_weight: Weight of the dream, see :func:`stylenet.perceptual.dream.dream_loss`: with
            it the image is also to show more of what the encoder sees in the photo. 0 leaves it
            out, at no cost.
        dream_layers: Whose features are to grow; ``None`` for the deepest of ``style_layers``. The
            dream is their mean, relative in either form.
        dream_channels: The channels of these layers that count; ``None`` for all.
        style_statistics: ``gram``, or ``moments`` to compare the means and standard deviations of
            channels in the place of Gram matrices.
    """

    form: str
    content_layers: Sequence[str]
    style_layers: Sequence[str]
    content_weight: float
    style_weight: float
    tv_weight: float
    dream_weight: float = 0.0
    dream_layers: Sequence[str] | None = None
    dream_channels: Sequence[int] | None = None
    style_statistics: str = "gram"

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_choice("loss.form", self.form, ("relative", "absolute"))
        check_choice("loss.style_statistics", self.style_statistics, _STATISTICS)
        for name in ("content_weight", "style_weight", "tv_weight", "dream_weight"):
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
        if self.dream_layers is not None:
            check_layers("loss.dream_layers", self.dream_layers)
        check_channels("loss.dream_channels", self.dream_channels)


class PerceptualLoss(nn.Module):
    """Content, style and total-variation loss of Johnson et al. 2016 against one style.

    Attributes:
        options: What it was built with.
        weights: Of the losses in ``total``, by name.
        dream_layers: The layers to dream with; none without a weight.
    """

    def __init__(
        self,
        encoder: Encoder,
        options: LossOptions,
        style_images: Sequence[Tensor] | None,
        style_weight: float = 1.0,
        image_weights: Sequence[float] | None = None,
    ) -> None:
        """Takes the style's Gram matrices, or moments, once.

        Args:
            encoder: The frozen encoder.
            options: What is compared, and how much it counts.
            style_images: One or more images of the style, RGB in [0, 1], each of shape
                (1, 3, H, W) with sizes of their own. Their Gram matrices are averaged. ``None``
                where :meth:`compare` is told the style each time.
            style_weight: Multiplies ``options.style_weight`` for this style.
            image_weights: How much each image counts in the mean of the Gram matrices; only
                their ratios matter. ``None`` for all alike.

        Raises:
            StyleNetError: The encoder lacks a layer, there is no style image, or there are not as
                many weights as images.
        """
        super().__init__()
        if style_images is not None and not style_images:
            raise StyleNetError("style.image is empty; name at least one image")
        if image_weights is not None and style_images and len(image_weights) != len(style_images):
            raise StyleNetError(
                f"style.image_weights={list(image_weights)} has {len(image_weights)} numbers for "
                f"{len(style_images)} images"
            )
        encoder.require([*options.content_layers, *options.style_layers])
        self.encoder = encoder
        self.options = options
        self.weights = {
            "content": options.content_weight,
            "style": options.style_weight * style_weight,
            "tv": options.tv_weight,
            "dream": options.dream_weight,
        }
        self.dream_layers = _dream_layers(encoder, options)
        if style_images is None:
            return
        with torch.no_grad():
            grams = [self.style_of(encoder(image, options.style_layers)) for image in style_images]
        for layer in options.style_layers:
            mean = _mean([gram[layer] for gram in grams], image_weights)
            self.register_buffer(f"_gram_{layer}", mean, persistent=False)

    def forward(self, images: Tensor, photos: Tensor) -> dict[str, Tensor]:
        """Judges stylized photos.

        Args:
            images: The network's output, RGB in [0, 1], shape (N, 3, H, W).
            photos: What it was given, the same shape and range.

        Returns:
            Scalars by name: ``total``, the weighted sum; ``content``, ``style`` and ``tv``
            without their weights; and ``content/relu2_2``, ``style/relu1_2`` … for each layer. With
            a weight for it also ``dream``, negative, and ``dream/relu3_4`` ….
        """
        with torch.no_grad():
            targets = self.encoder(photos, self.photo_layers)
        return self.compare(images, self.encoder(images, self.image_layers), targets)

    @property
    def photo_layers(self) -> list[str]:
        """The layers of the photos that :meth:`compare` takes."""
        return [*self.options.content_layers, *self.dream_layers]

    @property
    def image_layers(self) -> list[str]:
        """The layers of the network's output that :meth:`compare` takes."""
        options = self.options
        return [*options.content_layers, *options.style_layers, *self.dream_layers]

    def compare(
        self,
        images: Tensor,
        features: dict[str, Tensor],
        targets: dict[str, Tensor],
        styles: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Judges stylized photos by their features, as :meth:`forward` does.

        Args:
            images: The network's output, RGB in [0, 1], shape (N, 3, H, W).
            features: What the encoder says of it, at least the ``image_layers``.
            targets: What it says of the photos, at least the ``photo_layers``.
            styles: From :meth:`style_of`, one for each photo; ``None`` for the style's own.

        Returns:
            See :meth:`forward`.
        """
        options = self.options
        relative = options.form == "relative"
        content = {
            layer: content_loss(features[layer], targets[layer], relative)
            for layer in options.content_layers
        }
        style = {
            layer: style_loss(found, styles[layer] if styles else self.target(layer), relative)
            for layer, found in self.style_of(features).items()
        }
        values = {
            "content": _combine(list(content.values()), relative),
            "style": _combine(list(style.values()), relative),
            "tv": total_variation(images),
        }
        total = (
            self.weights["content"] * values["content"]
            + self.weights["style"] * values["style"]
            + self.weights["tv"] * values["tv"]
        )
        layers = {f"content/{layer}": value for layer, value in content.items()}
        layers |= {f"style/{layer}": value for layer, value in style.items()}
        if self.dream_layers:
            dream = {
                layer: dream_loss(
                    features[layer], feature_strength(targets[layer]), options.dream_channels
                )
                for layer in self.dream_layers
            }
            values["dream"] = torch.stack(list(dream.values())).mean()
            total = total + self.weights["dream"] * values["dream"]
            layers |= {f"dream/{layer}": value for layer, value in dream.items()}
        return {"total": total, **values, **layers}

    def target(self, layer: str) -> Tensor:
        """Return the style's target of a layer.

        Args:
            layer: One of ``options.style_layers``.

        Returns:
            A Gram matrix, shape (1, C, C), or moments, (1, 2, C).
        """
        return self.get_buffer(f"_gram_{layer}")

    def style_of(
        self, features: dict[str, Tensor], layers: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        """Takes what styles are compared by.

        Args:
            features: Of images, at least the layers.
            layers: ``None`` for ``options.style_layers``.

        Returns:
            For each layer Gram matrices, shape (N, C, C), or moments, (N, 2, C).
        """
        take = _STATISTICS[self.options.style_statistics]
        layers = self.options.style_layers if layers is None else layers
        return {layer: take(features[layer]) for layer in layers}


def _dream_layers(encoder: Encoder, options: LossOptions) -> list[str]:
    """The layers to dream with, known to be there; none without a weight."""
    if not options.dream_weight:
        return []
    layers = options.dream_layers
    if layers is None:  # it is computed anyway
        layers = [max(options.style_layers, key=encoder.layers.index)]
    check_layers("loss.dream_layers", layers, encoder)
    check_channels("loss.dream_channels", options.dream_channels, encoder, layers)
    return list(layers)


def _mean(grams: list[Tensor], weights: Sequence[float] | None) -> Tensor:
    """The mean of Gram matrices or moments, weighted if so wished; the shape of one, (1, C, C)."""
    stacked = torch.stack(grams)  # (K, 1, C, C)
    if weights is None:
        return stacked.mean(dim=0)
    shares = torch.tensor(weights).to(stacked) / sum(weights)
    return (stacked * shares.view(-1, 1, 1, 1)).sum(dim=0)


def _combine(values: list[Tensor], relative: bool) -> Tensor:
    """The mean over layers of relative losses, the sum of absolute ones."""
    stacked = torch.stack(values)
    return stacked.mean() if relative else stacked.sum()
