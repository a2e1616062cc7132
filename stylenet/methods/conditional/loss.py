"""The loss of a batch whose photos are stylized in different styles."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from stylenet.perceptual.dream import dream_loss, feature_strength
from stylenet.perceptual.losses import content_loss, style_loss, total_variation
from stylenet.perceptual.perceptual_loss import PerceptualLoss


class ManyStylesLoss(nn.Module):
    """Compares each photo of a batch with its own style, in one pass of the encoder.

    Which styles a batch holds is decided by indexing on the device: a captured or compiled step
    serves every combination of them.

    Attributes:
        names: The styles.
        encoder: The frozen encoder.
    """

    _style_shares: Tensor
    _dream_shares: Tensor

    def __init__(self, losses: Mapping[str, PerceptualLoss]) -> None:
        """Gather the styles' targets.

        Args:
            losses: One for each style, by name, all with the same encoder. They may differ in
                their weights and in their style layers.

        Raises:
            ValueError: There is none, or they differ in something else.
        """
        super().__init__()
        self.names = list(losses)
        parts = list(losses.values())
        if len({id(loss.encoder) for loss in parts}) != 1:
            raise ValueError("the losses of many styles share one encoder")
        self.encoder = parts[0].encoder
        self.options = parts[0].options
        if len({_shared(loss) for loss in parts}) != 1:
            raise ValueError("the losses of many styles differ in weights and style layers only")
        self._judge = parts[0]
        self._style_layers = _union([loss.options.style_layers for loss in parts])
        self._dream_layers = _union([loss.dream_layers for loss in parts])
        for layer in self._style_layers:
            known = next(loss for loss in parts if layer in loss.options.style_layers)
            # Of a style that leaves the layer out any finite number serves: it counts nothing.
            absent = torch.ones_like(known.target(layer))
            grams = [
                loss.target(layer) if layer in loss.options.style_layers else absent
                for loss in parts
            ]
            self.register_buffer(f"_gram_{layer}", torch.cat(grams), persistent=False)
        relative = self.options.form == "relative"
        for name, layers, own, mean in (
            ("style", self._style_layers, [loss.options.style_layers for loss in parts], relative),
            ("dream", self._dream_layers, [loss.dream_layers for loss in parts], True),
        ):
            shares = [[(x in ls) / (len(ls) if mean else 1) for x in layers] for ls in own]
            self.register_buffer(f"_{name}_shares", torch.tensor(shares), persistent=False)
        for name in parts[0].weights:
            weights = torch.tensor([loss.weights[name] for loss in parts])
            self.register_buffer(f"_weight_{name}", weights, persistent=False)

    def forward(self, images: Tensor, photos: Tensor, styles: Tensor) -> dict[str, Tensor]:
        """Compare stylized photos with their photos and styles.

        Args:
            images: The network's output, RGB in [0, 1], shape (N, 3, H, W).
            photos: What it was given, the same shape and range.
            styles: Indices of the photos' styles in ``names``, shape (N,), on their device.

        Returns:
            Scalars by name: ``total``, ``content``, ``style``, ``tv`` … as of
            :class:`PerceptualLoss`, means over the N photos with their own styles' weights; and
            ``starry/content`` and ``starry/style`` for each style, NaN for those of no photo.
        """
        options = self.options
        relative = options.form == "relative"
        content_layers = list(options.content_layers)
        with torch.no_grad():
            targets = self.encoder(photos, [*content_layers, *self._dream_layers])
        wanted = [*content_layers, *self._style_layers, *self._dream_layers]
        features = self.encoder(images, wanted)
        content = torch.stack(
            [content_loss(features[k], targets[k], relative, "none") for k in content_layers]
        )
        grams = self._judge.style_of(features, self._style_layers)
        style = torch.stack(
            [
                style_loss(gram, self.get_buffer(f"_gram_{k}")[styles], relative, "none")
                for k, gram in grams.items()
            ],
            dim=1,
        )  # (N, layers)
        each = {
            "content": content.mean(0) if relative else content.sum(0),
            "style": (style * self._style_shares[styles]).sum(1),
            "tv": total_variation(images, "none"),
        }
        if self._dream_layers:
            strengths = {k: feature_strength(targets[k]) for k in self._dream_layers}
            channels = options.dream_channels
            dream = torch.stack(
                [
                    dream_loss(features[k], strength, channels, reduction="none")
                    for k, strength in strengths.items()
                ],
                dim=1,
            )
            each["dream"] = (dream * self._dream_shares[styles]).sum(1)
        total = sum(self.get_buffer(f"_weight_{k}")[styles] * value for k, value in each.items())
        assert isinstance(total, Tensor)
        values = {"total": total.mean(), **{name: value.mean() for name, value in each.items()}}
        return values | self._by_style(each, styles)

    def _by_style(self, each: dict[str, Tensor], styles: Tensor) -> dict[str, Tensor]:
        """Means of content and style loss over the photos of each style."""
        ones = torch.ones_like(each["content"])
        counts = torch.zeros_like(self._style_shares[:, 0], dtype=ones.dtype)
        counts = counts.index_add(0, styles, ones)
        values: dict[str, Tensor] = {}
        for name in ("content", "style"):
            sums = torch.zeros_like(counts).index_add(0, styles, each[name].detach())
            means = (sums / counts).unbind()
            values |= {f"{k}/{name}": mean for k, mean in zip(self.names, means, strict=True)}
        return values


def _shared(loss: PerceptualLoss) -> str:
    """What has to be the same for all styles, as text."""
    options = loss.options
    return str(
        (
            *(options.form, list(options.content_layers), options.style_statistics),
            *(options.dream_channels, bool(options.dream_weight)),
        )
    )


def _union(layers: Sequence[Sequence[str]]) -> list[str]:
    """Every layer once, in the order in which they are named."""
    return list(dict.fromkeys(layer for names in layers for layer in names))
