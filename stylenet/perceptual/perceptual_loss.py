"""The perceptual loss of one style: a weighted sum of terms that share one encoder."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError
from stylenet.perceptual.encoder import Encoder
from stylenet.perceptual.loss_term import Layers, LossInputs, LossTerm, named_options

# Targets of the style by term and by layer.
StyleTargets = Mapping[str, dict[str, Tensor]]


class PerceptualLoss(nn.Module):
    """Weighted sum of loss terms for one style.

    The encoder sees every image once, up to the deepest layer that a term needs.

    Example:
        >>> terms = {
        ...     "content": ContentLoss(["relu2_2"]),
        ...     "style": StyleLoss(["relu1_2", "relu2_2"], weight=15.0),
        ... }
        >>> criterion = PerceptualLoss(LiteEncoder(), terms, [style_image])
        >>> criterion(stylized, content)["total"].backward()

    Attributes:
        encoder: The frozen encoder.
        terms: Active terms by name, in the order in which they are added.
        weights: Weight of each term in ``total``, multiplied by the weight of the style for terms
            that compare with the style.
        content_layers: Layers at which the terms need features of content images.
        style_layers: Layers at which the terms need features of style images.
        stylized_layers: Layers at which the terms need features of stylized images.
    """

    def __init__(
        self,
        encoder: Encoder,
        terms: Mapping[str, LossTerm],
        style_images: Sequence[Tensor] | None,
        style_weight: float = 1.0,
        image_weights: Sequence[float] | None = None,
    ) -> None:
        """Compute the targets of the style.

        Args:
            encoder: The frozen encoder.
            terms: Terms by name; losses are logged under these names.
            style_images: One or more images of the style, RGB in [0, 1], each of shape
                (1, 3, H, W), of any sizes. Their targets are averaged. ``None`` if
                :meth:`compare` gets the targets of every batch.
            style_weight: Multiplies the weight of terms that compare with the style.
            image_weights: Weights of the images in that average; only their ratios matter. ``None``
                for equal weights.

        Raises:
            StyleNetError: A term is unusable with the encoder, there is no term or no style image,
                or the numbers of images and weights differ.
        """
        super().__init__()
        _check_images(style_images, image_weights)
        self.encoder = encoder
        self.terms: dict[str, LossTerm] = {}
        for name, term in terms.items():
            if name == "total" or not name.isidentifier():
                raise StyleNetError(f"loss.{name} cannot be the name of a term. Choose another.")
            if term.is_active:
                with named_options(f"loss.{name}"):
                    self.terms[name] = term.fit_to(encoder, terms)
        if not self.terms:
            raise StyleNetError("loss has no term. Keep at least one, such as loss.content.")
        self._registered_terms = nn.ModuleList(self.terms.values())
        self.weights = {
            name: term.weight * (style_weight if term.compares_style else 1)
            for name, term in self.terms.items()
        }
        active = self.terms.values()
        self.content_layers = _union(term.layers for term in active if term.compares_content)
        self.style_layers = _union(term.layers for term in active if term.compares_style)
        self.stylized_layers = _union(term.layers for term in active)
        if style_images is not None:
            with torch.no_grad():
                targets = [
                    self.style_targets(encoder(image, self.style_layers)) for image in style_images
                ]
            for name, layers in targets[0].items():
                for layer in layers:
                    mean = _mean([target[name][layer] for target in targets], image_weights)
                    self.register_buffer(f"_style_{name}_{layer}", mean, persistent=False)

    def forward(self, stylized: Tensor, content: Tensor) -> dict[str, Tensor]:
        """Compute the losses of stylized images.

        Args:
            stylized: Output of the network, RGB in [0, 1], shape (N, 3, H, W).
            content: Input of the network, the same shape and range.

        Returns:
            Scalars by name: ``total``, the weighted sum; each term by its name, without its
            weight, such as ``content``, ``style`` and ``tv``; and the values of layers, such as
            ``content/relu2_2`` and ``style/relu1_2``, without weights.
        """
        with torch.no_grad():
            content_features = self.encoder(content, self.content_layers)
        features = self.encoder(stylized, self.stylized_layers)
        targets = {
            name: {layer: self.target(name, layer) for layer in term.layers}
            for name, term in self.terms.items()
            if term.compares_style
        }
        return self.compare(stylized, content, features, content_features, targets)

    def compare(
        self,
        stylized: Tensor,
        content: Tensor,
        stylized_features: dict[str, Tensor],
        content_features: dict[str, Tensor],
        style_targets: StyleTargets,
    ) -> dict[str, Tensor]:
        """Compute the losses from features.

        Args:
            stylized: Output of the network, RGB in [0, 1], shape (N, 3, H, W).
            content: Input of the network, the same shape and range.
            stylized_features: Features of the output, at least at ``stylized_layers``.
            content_features: Features of the input, at least at ``content_layers``.
            style_targets: Targets by term and layer, of shape (1, …) or (N, …).

        Returns:
            See :meth:`forward`.
        """
        values: dict[str, Tensor] = {}
        by_layer: dict[str, Tensor] = {}
        weighted: list[Tensor] = []
        for name, term in self.terms.items():
            inputs = LossInputs(
                stylized,
                content,
                stylized_features,
                content_features,
                style_targets.get(name, {}),
            )
            losses = term(inputs)
            if isinstance(losses, Tensor):
                values[name] = losses.mean()
            else:
                means = {layer: loss.mean() for layer, loss in losses.items()}
                values[name] = term.combine(means)
                by_layer |= {f"{name}/{layer}": value for layer, value in means.items()}
            weighted.append(self.weights[name] * values[name])
        total = weighted[0]
        for value in weighted[1:]:
            total = total + value
        return {"total": total, **values, **by_layer}

    def style_targets(self, features: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """Compute the targets of the terms from features of style images.

        Args:
            features: Features of K images, at least at ``style_layers``.

        Returns:
            Targets of shape (K, …) by term and layer.
        """
        return {
            name: {layer: term.style_target(features[layer]) for layer in term.layers}
            for name, term in self.terms.items()
            if term.compares_style
        }

    def term_layers(self, name: str) -> list[str]:
        """Return the layers of a term; none if there is no such term."""
        return list(self.terms[name].layers) if name in self.terms else []

    def target(self, name: str, layer: str) -> Tensor:
        """Return the target of the style for a term at a layer, for example a Gram matrix.

        Args:
            name: A term that compares with the style.
            layer: One of its layers.

        Returns:
            Shape (1, …).
        """
        return self.get_buffer(f"_style_{name}_{layer}")


def with_style_layers(terms: Mapping[str, LossTerm], layers: Layers | None) -> dict[str, LossTerm]:
    """Replace the layers of the term ``style``, for a style that has layers of its own.

    Args:
        terms: Terms by name.
        layers: ``style.layers`` of the style; ``None`` keeps the term as it is.

    Returns:
        The terms, in the same order.

    Raises:
        StyleNetError: The layers are invalid, or there is no term ``style``.
    """
    if layers is None:
        return dict(terms)
    if "style" not in terms:
        raise StyleNetError(
            f"style.layers={layers} needs the term loss.style, which the loss lacks. Leave out "
            f"style.layers, or add the term."
        )
    with named_options("style"):
        return {**terms, "style": terms["style"].with_layers(layers)}


def _check_images(images: Sequence[Tensor] | None, weights: Sequence[float] | None) -> None:
    if images is not None and not images:
        raise StyleNetError("style.image is empty; name at least one image")
    if weights is not None and images and len(weights) != len(images):
        raise StyleNetError(
            f"style.image_weights={list(weights)} has {len(weights)} numbers for "
            f"{len(images)} images"
        )


def _mean(targets: list[Tensor], weights: Sequence[float] | None) -> Tensor:
    """Return the weighted mean of K targets of shape (1, …), in the same shape."""
    stacked = torch.stack(targets)  # (K, 1, …)
    if weights is None:
        return stacked.mean(dim=0)
    factors = torch.tensor(weights).to(stacked) / sum(weights)
    return (stacked * factors.view(-1, *[1] * (stacked.ndim - 1))).sum(dim=0)


def _union(layers: Iterable[Iterable[str]]) -> list[str]:
    """Return all layers without duplicates, in order of first occurrence."""
    return list(dict.fromkeys(layer for names in layers for layer in names))
