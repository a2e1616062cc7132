"""The loss of a batch whose photos are stylized in different styles."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from stylenet.perceptual.loss_term import LossInputs, LossTerm
from stylenet.perceptual.perceptual_loss import PerceptualLoss

# Losses that are also logged for each style.
_LOGGED_BY_STYLE = ("content", "style")


class ConditionalLoss(nn.Module):
    """Compares each photo of a batch with its own style, in one pass of the encoder.

    Targets of the styles are selected by indexing on the device, so that one captured or compiled
    step serves every combination of styles.

    Attributes:
        names: Names of the styles.
        encoder: The frozen encoder.
        terms: Terms by name, each with the layers of all styles.
    """

    def __init__(self, losses: Mapping[str, PerceptualLoss]) -> None:
        """Stack the targets of the styles.

        Args:
            losses: A loss for each style by name, all with the same encoder. Only their weights and
                the layers of their terms may differ.

        Raises:
            ValueError: There is no loss, or the losses differ in something else.
        """
        super().__init__()
        self.names = list(losses)
        each = list(losses.values())
        if len({id(loss.encoder) for loss in each}) != 1:
            raise ValueError("the losses of all styles must have the same encoder")
        if len({_fixed_options(loss) for loss in each}) != 1:
            raise ValueError("the losses of the styles may differ in weights and layers only")
        self.encoder = each[0].encoder
        self.terms: dict[str, LossTerm] = {}
        for name, term in each[0].terms.items():
            own = [loss.terms[name] for loss in each]
            layers = list(dict.fromkeys(layer for other in own for layer in other.layers))
            self.terms[name] = term.with_layers(layers) if layers else term
            factors = [[other.layer_factors.get(k, 0.0) for k in layers] for other in own]
            self._store(f"factors_{name}", torch.tensor(factors))  # (styles, layers)
            self._store(f"weight_{name}", torch.tensor([loss.weights[name] for loss in each]))
            if term.compares_style:
                for layer in layers:
                    self._store(f"style_{name}_{layer}", _targets(each, name, layer))
        self._registered_terms = nn.ModuleList(self.terms.values())
        active = self.terms.values()
        self._content_layers = [k for term in active if term.compares_content for k in term.layers]
        self._stylized_layers = [k for term in active for k in term.layers]

    def forward(self, stylized: Tensor, content: Tensor, styles: Tensor) -> dict[str, Tensor]:
        """Compute the losses of stylized images, each with its own style.

        Args:
            stylized: Output of the network, RGB in [0, 1], shape (N, 3, H, W).
            content: Input of the network, the same shape and range.
            styles: Indices of the images' styles in ``names``, shape (N,), on the same device.

        Returns:
            Scalars by name: ``total``, ``content``, ``style``, ``tv`` … as in
            :class:`PerceptualLoss`, means over the N images with the weights of their styles; and
            ``starry/content`` and ``starry/style`` for each style, NaN for styles without images.
        """
        with torch.no_grad():
            content_features = self.encoder(content, self._content_layers)
        features = self.encoder(stylized, self._stylized_layers)
        each: dict[str, Tensor] = {}
        for name, term in self.terms.items():
            targets = {
                layer: self.get_buffer(f"_style_{name}_{layer}")[styles]
                for layer in (term.layers if term.compares_style else ())
            }
            inputs = LossInputs(stylized, content, features, content_features, targets)
            losses = term(inputs)
            if not isinstance(losses, Tensor):
                stacked = torch.stack(list(losses.values()), dim=1)  # (N, layers)
                losses = (stacked * self.get_buffer(f"_factors_{name}")[styles]).sum(1)
            each[name] = losses
        total = sum(self.get_buffer(f"_weight_{k}")[styles] * value for k, value in each.items())
        assert isinstance(total, Tensor)
        values = {"total": total.mean(), **{name: value.mean() for name, value in each.items()}}
        return values | self._by_style(each, styles)

    def _by_style(self, each: dict[str, Tensor], styles: Tensor) -> dict[str, Tensor]:
        """Return the mean content and style loss of each style over its images."""
        ones = torch.ones_like(styles, dtype=torch.float32)
        counts = ones.new_zeros(len(self.names)).index_add(0, styles, ones)
        values: dict[str, Tensor] = {}
        for name in _LOGGED_BY_STYLE:
            if name in each:
                losses = each[name].detach()
                sums = losses.new_zeros(len(self.names)).index_add(0, styles, losses)
                means = (sums / counts).unbind()
                values |= {f"{k}/{name}": mean for k, mean in zip(self.names, means, strict=True)}
        return values

    def _store(self, name: str, values: Tensor) -> None:
        self.register_buffer(f"_{name}", values, persistent=False)


def _fixed_options(loss: PerceptualLoss) -> str:
    """Return the options that must be equal for all styles, as text."""
    return str([(name, type(term), term.options) for name, term in loss.terms.items()])


def _targets(losses: list[PerceptualLoss], name: str, layer: str) -> Tensor:
    """Return the targets of all styles for a term at a layer, shape (styles, …)."""
    has_layer = [layer in loss.terms[name].layers for loss in losses]
    # A style without the layer has factor 0 there, so any finite target will do.
    absent = torch.ones_like(losses[has_layer.index(True)].target(name, layer))
    targets = [
        loss.target(name, layer) if has else absent
        for loss, has in zip(losses, has_layer, strict=True)
    ]
    return torch.cat(targets)
