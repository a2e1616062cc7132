"""The loss of a batch whose photos are stylized at different positions of the dials."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stylenet.perceptual.loss_term import LossInputs, LossTerm
from stylenet.perceptual.perceptual_loss import PerceptualLoss

# An objective grows with its style weight: after training it is 2.4 times as large at 4 as at 0.25.
# Divided by this power of the weight, the weak end counts the most, which was the farthest behind
# networks trained alone; measured in docs/methods/dials.md.
_BALANCE = 0.8


class DialsLoss(nn.Module):
    """Compares each photo with the style at its own stroke size, with its own style weight.

    The targets of the style are known at a grid of stroke sizes and interpolated linearly between
    them, on the device, so that one captured or compiled step serves all positions.

    Attributes:
        encoder: The frozen encoder.
        terms: Terms by name.
    """

    def __init__(self, losses: Sequence[PerceptualLoss], largest_style_weight: float) -> None:
        """Stack the targets of the stroke sizes.

        Args:
            losses: The loss at each stroke size, from the smallest to the largest, in equal steps
                of its logarithm; all with the same encoder and terms.
            largest_style_weight: Style weight at position 1.
        """
        super().__init__()
        first = losses[0]
        self.encoder = first.encoder
        self.terms: dict[str, LossTerm] = first.terms
        self._registered_terms = nn.ModuleList(self.terms.values())
        self._weights = first.weights
        self._largest_style_weight = largest_style_weight
        self._steps = len(losses) - 1
        self._content_layers, self._stylized_layers = first.content_layers, first.stylized_layers
        for name, term in self.terms.items():
            if term.compares_style:
                for layer in term.layers:
                    targets = torch.cat([loss.target(name, layer) for loss in losses])
                    self.register_buffer(f"_style_{name}_{layer}", targets, persistent=False)

    def forward(self, stylized: Tensor, content: Tensor, positions: Tensor) -> dict[str, Tensor]:
        """Compute the losses of stylized images, each at its own position of the dials.

        Args:
            stylized: Output of the network, RGB in [0, 1], shape (N, 3, H, W).
            content: Input of the network, the same shape and range.
            positions: See :meth:`stylenet.networks.DialsNetwork.positions`, shape (N, 2).

        Returns:
            Scalars by name, means over the images: ``content``, ``style``, ``tv`` … without
            weights, as in :class:`PerceptualLoss`; and ``total``, the mean of each image's own
            objective, divided by a power of its style weight.
        """
        with torch.no_grad():
            content_features = self.encoder(content, self._content_layers)
        features = self.encoder(stylized, self._stylized_layers)
        strokes, style_weights = positions.unbind(1)  # (N,) each
        weights = self._largest_style_weight**style_weights
        balance = weights**-_BALANCE
        values: dict[str, Tensor] = {}
        weighted: list[Tensor] = []
        for name, term in self.terms.items():
            targets = {
                layer: self._target(name, layer, strokes)
                for layer in (term.layers if term.compares_style else ())
            }
            inputs = LossInputs(stylized, content, features, content_features, targets)
            losses = term(inputs)
            if not isinstance(losses, Tensor):
                layers = term.layer_factors
                losses = torch.stack([layers[k] * v for k, v in losses.items()]).sum(0)  # (N,)
            values[name] = losses.mean()
            factors = weights * balance if term.compares_style else balance
            weighted.append(self._weights[name] * (factors * losses).mean())
        return {"total": torch.stack(weighted).sum(), **values}

    def _target(self, name: str, layer: str, strokes: Tensor) -> Tensor:
        """Interpolate the targets of a term at a layer, shape (N, …)."""
        grid = self.get_buffer(f"_style_{name}_{layer}")
        place = (strokes + 1) / 2 * self._steps
        below = place.floor().clamp(0, self._steps - 1)
        fraction = (place - below).view(-1, *[1] * (grid.ndim - 1)).to(grid)
        index = below.long()
        return torch.lerp(grid[index], grid[index + 1], fraction)
