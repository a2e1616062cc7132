"""Networks with dials: stroke size and style weight are chosen after training.

Jing et al. 2018 (arXiv:1802.07101) let one network draw strokes of several sizes, Babaeizadeh &
Ghiasi 2018 (arXiv:1811.08560) let the scales and shifts of all normalizations depend on the weights
of the losses. Here they depend on both dials.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from stylenet.errors import check_number
from stylenet.networks.layers import InstanceNorm
from stylenet.networks.normalization import normalize, normalize_batch
from stylenet.networks.registry import StyleNetwork, build_network, register_network

# Names of the dials, in the order of positions.
DIALS = ("stroke", "style_weight")
# Factor on the coefficients of the polynomials, with which they learn faster than the other weights
# at the same learning rate of Adam: measured in docs/methods/dials.md.
_GAIN = 6.0


@dataclass(frozen=True)
class Dials:
    """Values of the dials.

    Attributes:
        stroke: Size of the strokes, as a multiple of that with the style image at ``style.size``.
        style_weight: Factor on the weight of the style loss; larger is farther from the photo.
    """

    stroke: float = 1.0
    style_weight: float = 1.0


class DialNorm(nn.Module):
    """Instance normalization whose scales and shifts move with the dials.

    Attributes:
        weight: Scales where both dials are 1, shape (C,).
        bias: Shifts there, shape (C,).
        changes: Changes of the scales, then of the shifts, for each image of the next batch, shape
            (N, 2C). The network sets it before each forward pass.
    """

    changes: Tensor

    def __init__(self, channels: int, eps: float) -> None:
        """Build the layer with scale 1 and shift 0.

        Args:
            channels: Channels of the features.
            eps: Added to the variance.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, features: Tensor) -> Tensor:
        """Normalize each channel of each image, then scale and shift it by the image's dials.

        Args:
            features: Shape (N, C, H, W).

        Returns:
            The same shape.
        """
        scales, shifts = self.scales_and_shifts(self.changes)
        if features.device.type != "cpu" or torch.compiler.is_compiling():
            return normalize_batch(features, scales, shifts, self.eps)
        images = [
            normalize(image, scale, shift, self.eps)
            for image, scale, shift in zip(features.split(1), scales, shifts, strict=True)
        ]
        return images[0] if len(images) == 1 else torch.cat(images)

    def scales_and_shifts(self, changes: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scales and shifts of each image, each of shape (N, C)."""
        scales, shifts = changes.chunk(2, dim=-1)
        return self.weight + scales, self.bias + shifts


class DialsNetwork(StyleNetwork):
    """Plain network whose normalizations depend on two dials.

    All positions of the dials share the convolutions. Each scale and each shift is a polynomial of
    the two positions, whose constant term is the plain network's. So the network is that network
    where both dials are 1, and with new weights everywhere. This class is for training:
    :meth:`select` returns the plain network at one position, the only form that inference, tiling
    and export use.

    Attributes:
        body: The plain network with :class:`DialNorm`.
        curves: From the terms of the polynomials to changes of all scales and shifts.
        limits: Largest value of each dial, by name; the smallest is its inverse.
    """

    def __init__(
        self,
        body: str,
        arguments: dict[str, Any],
        degree: int,
        largest_stroke: float,
        largest_style_weight: float,
    ) -> None:
        """Build the network with random weights.

        Args:
            body: Registered name of the plain network.
            arguments: Its arguments.
            degree: Degree of the polynomials.
            largest_stroke: Largest value of the dial ``stroke``.
            largest_style_weight: Largest value of the dial ``style_weight``.

        Raises:
            StyleNetError: An argument is out of range.
        """
        super().__init__()
        check_number("network.degree", degree, minimum=1, integer=True)
        check_number("network.largest_stroke", largest_stroke, above=1)
        check_number("network.largest_style_weight", largest_style_weight, above=1)
        self.limits = dict(zip(DIALS, (largest_stroke, largest_style_weight), strict=True))
        self.body = build_network(body, **arguments)
        for name, norm in list(self.body.named_modules()):
            if isinstance(norm, InstanceNorm):
                parent, _, child = name.rpartition(".")
                movable = DialNorm(norm.num_features, norm.eps)
                setattr(self.body.get_submodule(parent), child, movable)
        self._sizes = [2 * norm.weight.numel() for norm in self._norms().values()]
        self._degree, powers = degree, range(degree + 1)
        # Powers of stroke and of style weight; none is constant.
        self._terms = [(i, j) for i in powers for j in powers if 0 < i + j <= degree]
        self.curves = nn.Linear(len(self._terms), sum(self._sizes), bias=False)
        nn.init.zeros_(self.curves.weight)

    def forward(self, images: Tensor, positions: Tensor | None = None) -> Tensor:
        """Stylize each image at its own position of the dials.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), H and W at least 1.
            positions: From :meth:`positions`, shape (N, 2) or (1, 2). ``None``: both dials are 1.

        Returns:
            RGB in [0, 1], the shape of ``images``.
        """
        if positions is None:
            positions = torch.zeros(1, len(DIALS)).to(self._norm.weight)
        # Not len(images), which an export would take for a constant.
        changes = self._changes(positions).expand(images.shape[0], -1)
        parts = changes.split(self._sizes, dim=1)
        for norm, part in zip(self._norms().values(), parts, strict=True):
            norm.changes = part
        return self.body(images)

    def positions(self, values: Tensor) -> Tensor:
        """Map values of the dials to positions.

        Args:
            values: Stroke and style weight, shape (N, 2).

        Returns:
            Their logarithms, shape (N, 2): 0 for 1, and -1 and 1 at the ends of the range.
        """
        return values.log() / values.new_tensor(list(self.limits.values())).log()

    def check(self, dials: Dials) -> None:
        """Check values of the dials.

        Raises:
            StyleNetError: A value is out of range.
        """
        for name, largest in self.limits.items():
            value = getattr(dials, name)
            check_number(name, value, minimum=1 / largest, maximum=largest)

    @torch.no_grad()
    def select(self, dials: Dials) -> StyleNetwork:
        """Return the plain network at a position of the dials.

        Args:
            dials: Their values.

        Returns:
            A network that shares no weights with this one and gives the images that this network
            gives there, up to rounding.

        Raises:
            StyleNetError: A value is out of range.
        """
        network = build_network(self.body.name, **self.body.arguments).to(self._norm.weight)
        network.load_state_dict(self.body.state_dict())
        self.turn(network, dials)
        return network.train(self.training)

    @torch.no_grad()
    def turn(self, network: StyleNetwork, dials: Dials) -> None:
        """Move a plain network to a position of the dials, by new scales and shifts alone.

        Args:
            network: From :meth:`select`, on any device; changed in place.
            dials: Values of the dials.

        Raises:
            StyleNetError: A value is out of range.
        """
        self.check(dials)
        values = torch.tensor([[dials.stroke, dials.style_weight]], dtype=torch.float64)
        changes = self._changes(self.positions(values).to(self._norm.weight))
        norms = self._norms()
        for (name, norm), part in zip(norms.items(), changes.split(self._sizes, 1), strict=True):
            scale, shift = norm.scales_and_shifts(part[0])
            plain = network.get_submodule(name)
            cast(Tensor, plain.weight).copy_(scale)
            cast(Tensor, plain.bias).copy_(shift)

    def initialize_from(self, trained: StyleNetwork) -> None:
        """Copy the weights of a trained network.

        Args:
            trained: Network of the same architecture, or a plain network of the body's, to begin
                with wherever the dials are.

        Raises:
            StyleNetError: The architectures differ.
        """
        if isinstance(trained, DialsNetwork):
            super().initialize_from(trained)
            return
        self.body.initialize_from(trained)
        nn.init.zeros_(self.curves.weight)

    def float_dials(self) -> None:
        """Convert what depends on the dials to float32, in a network of another type."""
        self.curves.float()
        for norm in self._norms().values():
            norm.float()

    def _changes(self, positions: Tensor) -> Tensor:
        """Return the changes of all scales and shifts at each position, shape (N, changes)."""
        with torch.autocast(positions.device.type, enabled=False):
            # By products: a power of a negative number is undefined in the shaders of a browser.
            powers = [torch.ones_like(positions)]  # (N, 2) each
            for _ in range(self._degree):
                powers.append(powers[-1] * positions)
            terms = torch.stack([powers[i][:, 0] * powers[j][:, 1] for i, j in self._terms], dim=1)
            return _GAIN * self.curves(terms.to(self.curves.weight.dtype))

    def _norms(self) -> dict[str, DialNorm]:
        return {n: m for n, m in self.body.named_modules() if isinstance(m, DialNorm)}

    @property
    def _norm(self) -> DialNorm:
        return next(iter(self._norms().values()))


@register_network("johnson_dials")
class JohnsonDialsNetwork(DialsNetwork):
    """Johnson's network with dials."""

    def __init__(
        self,
        width: int = 32,
        blocks: int = 5,
        output: str = "tanh",
        degree: int = 3,
        largest_stroke: float = 2.0,
        largest_style_weight: float = 4.0,
    ) -> None:
        """Build the network with random weights.

        Args:
            width: See :class:`stylenet.networks.JohnsonNetwork`.
            blocks: See there.
            output: See there.
            degree: See :class:`DialsNetwork`.
            largest_stroke: See there.
            largest_style_weight: See there.

        Raises:
            StyleNetError: An argument is out of range.
        """
        arguments = {"width": width, "blocks": blocks, "output": output}
        super().__init__("johnson", arguments, degree, largest_stroke, largest_style_weight)


@register_network("compact_dials")
class CompactDialsNetwork(DialsNetwork):
    """Compact network with dials."""

    def __init__(
        self,
        width: int = 32,
        deep_width: int = 64,
        deep_blocks: int = 3,
        fine_blocks: int = 2,
        head: str = "resize",
        degree: int = 3,
        largest_stroke: float = 2.0,
        largest_style_weight: float = 4.0,
    ) -> None:
        """Build the network with random weights.

        Args:
            width: See :class:`stylenet.networks.CompactNetwork`.
            deep_width: See there.
            deep_blocks: See there.
            fine_blocks: See there.
            head: See there.
            degree: See :class:`DialsNetwork`.
            largest_stroke: See there.
            largest_style_weight: See there.

        Raises:
            StyleNetError: An argument is out of range.
        """
        arguments = {
            "width": width,
            "deep_width": deep_width,
            "deep_blocks": deep_blocks,
            "fine_blocks": fine_blocks,
            "head": head,
        }
        super().__init__("compact", arguments, degree, largest_stroke, largest_style_weight)
