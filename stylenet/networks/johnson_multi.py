"""Conditional instance normalization: Dumoulin, Shlens, Kudlur 2017 (arXiv:1610.07629)."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError, check_number
from stylenet.networks.johnson import JohnsonNetwork
from stylenet.networks.layers import InstanceNorm
from stylenet.networks.normalization import normalize, normalize_batch
from stylenet.networks.registry import StyleNetwork, build_network, register_network

# Separators in mixtures of styles (starry:0.6,mosaic:0.4).
_RESERVED = frozenset(",:")


class ConditionalInstanceNorm(nn.Module):
    """Instance normalization with one scale and shift per channel and style.

    A channel x of an image in style s becomes scale_s (x - mean(x)) / deviation(x) + shift_s
    (Dumoulin et al., eq. 5).

    Attributes:
        weights: Scales of each style, each of shape (C,).
        biases: Shifts of each style, each of shape (C,).
        styles: Style index of each image of the next batch, shape (N,). The network sets it before
            each forward pass.
    """

    styles: Tensor

    def __init__(self, channels: int, styles: int, eps: float) -> None:
        """Build the layer with scale 1 and shift 0 for all styles.

        Args:
            channels: Channels of the features.
            styles: Number of styles.
            eps: Added to the variance.
        """
        super().__init__()
        self.weights = nn.ParameterList(torch.ones(channels) for _ in range(styles))
        self.biases = nn.ParameterList(torch.zeros(channels) for _ in range(styles))
        self.eps = eps

    def forward(self, features: Tensor) -> Tensor:
        """Normalize each channel of each image, then scale and shift it by the image's style.

        Args:
            features: Shape (N, C, H, W).

        Returns:
            The same shape.
        """
        if features.device.type != "cpu" or torch.compiler.is_compiling():
            return normalize_batch(features, *self._scales_and_shifts(), self.eps)
        images = [
            normalize(image, scale, shift, self.eps)
            for image, scale, shift in zip(
                features.split(1), *self._scales_and_shifts(), strict=True
            )
        ]
        return images[0] if len(images) == 1 else torch.cat(images)

    def _scales_and_shifts(self) -> tuple[Tensor, Tensor]:
        """Return the scales and shifts of the batch's images, each of shape (N, C).

        Stacking all parameters gives those of absent styles gradients of zero. Ranks sample
        different styles, but distributed training waits for the same gradients on every rank.
        """
        scales, shifts = torch.stack(list(self.weights)), torch.stack(list(self.biases))
        return scales[self.styles], shifts[self.styles]


@register_network("johnson_multi")
class JohnsonMultiNetwork(StyleNetwork):
    """Johnson's network with conditional instance normalization.

    All styles share the convolutions; each has its own scales and shifts. An additional style takes
    3,200 parameters at the default size, 0.2 % of the network, and styles can be interpolated. This
    class is for training: :meth:`select` returns the plain network of a style or a mixture, the
    only form that inference, tiling and export use.

    Attributes:
        styles: The style names.
        body: Johnson's network with :class:`ConditionalInstanceNorm`.
    """

    def __init__(
        self,
        styles: Sequence[str] = ("style",),
        width: int = 32,
        blocks: int = 5,
        output: str = "tanh",
    ) -> None:
        """Build the network with random weights.

        Args:
            styles: The style names.
            width: See :class:`stylenet.networks.JohnsonNetwork`.
            blocks: See :class:`stylenet.networks.JohnsonNetwork`.
            output: See :class:`stylenet.networks.JohnsonNetwork`.

        Raises:
            StyleNetError: An argument is out of range.
        """
        super().__init__()
        self.styles = check_style_names(styles)
        self.body = JohnsonNetwork(width, blocks, "instance", output)
        for name, norm in list(self.body.named_modules()):
            if isinstance(norm, InstanceNorm):
                parent, _, child = name.rpartition(".")
                conditional = ConditionalInstanceNorm(norm.num_features, len(self.styles), norm.eps)
                setattr(self.body.get_submodule(parent), child, conditional)

    @property
    def bottleneck(self) -> nn.Module:
        """Return the residual blocks."""
        return self.body.bottleneck

    def forward(self, images: Tensor, styles: Tensor | None = None) -> Tensor:
        """Stylize each image in its own style.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), H and W at least 1.
            styles: Index in ``self.styles`` for each image, shape (N,). ``None`` uses the first
                style for all images.

        Returns:
            RGB in [0, 1], the same shape.
        """
        if styles is None:
            styles = torch.zeros(len(images), dtype=torch.long)
        styles = styles.to(images.device)
        for norm in self._norms().values():
            norm.styles = styles
        return self.body(images)

    @torch.no_grad()
    def initialize_from(self, trained: StyleNetwork) -> None:
        """Copy the weights of a trained network, of one style or of several.

        Args:
            trained: Network to copy from, left unchanged. A style of the same name starts from its
                own scales and shifts, any other style from the mean of all trained styles.

        Raises:
            StyleNetError: The architectures differ.
        """
        for index, style in enumerate(self.styles):
            source = trained
            if isinstance(trained, JohnsonMultiNetwork):
                names = [style] if style in trained.styles else trained.styles
                source = trained.select(dict.fromkeys(names, 1.0))
            plain = self.select({style: 1.0})
            plain.initialize_from(source)
            weights = plain.state_dict()
            for name, norm in self._norms().items():
                norm.weights[index].copy_(weights.pop(f"{name}.weight"))
                norm.biases[index].copy_(weights.pop(f"{name}.bias"))
            self.body.load_state_dict(weights, strict=False)

    def norm_parameters(self, style: str) -> list[nn.Parameter]:
        """List the parameters of one style.

        Args:
            style: One of ``self.styles``.

        Returns:
            The scale and the shift of each normalization in turn, each of shape (C,).
        """
        index = self.styles.index(style)
        norms = self._norms().values()
        return [p[index] for norm in norms for p in (norm.weights, norm.biases)]

    @torch.no_grad()
    def select(self, mixture: Mapping[str, float]) -> JohnsonNetwork:
        """Return the plain network of a style or of a mixture of styles.

        Args:
            mixture: Weights by style name; only their ratios matter. The scales and shifts become
                the weighted means.

        Returns:
            A network that shares no weights with this one. For a single style it gives exactly the
            images that this network gives.

        Raises:
            StyleNetError: A name is unknown, a weight is not above 0, or the mixture is empty.
        """
        unknown = [name for name in mixture if name not in self.styles]
        if unknown or not mixture:
            raise StyleNetError(
                f"style={', '.join(unknown)} is not a style of this network; its styles are "
                f"{', '.join(self.styles)}"
            )
        for name, weight in mixture.items():
            check_number(f"style={name}", weight, above=0)
        total = sum(mixture.values())
        fractions = {self.styles.index(name): weight / total for name, weight in mixture.items()}

        def mean(parameters: nn.ParameterList) -> Tensor:
            weighted = [fraction * parameters[index] for index, fraction in fractions.items()]
            return torch.stack(weighted).sum(0)

        norms = self._norms()
        weights = {
            key: value
            for key, value in self.body.state_dict().items()
            if not key.startswith(tuple(f"{name}." for name in norms))
        }
        for name, norm in norms.items():
            weights[f"{name}.weight"] = mean(norm.weights)
            weights[f"{name}.bias"] = mean(norm.biases)
        arguments = {key: value for key, value in self.arguments.items() if key != "styles"}
        network = build_network("johnson", **arguments).to(next(self.parameters()))
        network.load_state_dict(weights)
        return cast(JohnsonNetwork, network.train(self.training))

    def _norms(self) -> dict[str, ConditionalInstanceNorm]:
        modules = self.body.named_modules()
        return {name: m for name, m in modules if isinstance(m, ConditionalInstanceNorm)}


@torch.no_grad()
def add_styles(network: JohnsonMultiNetwork, names: Sequence[str]) -> JohnsonMultiNetwork:
    """Return a larger network in which only the new styles are trained.

    Args:
        network: A trained network, left unchanged.
        names: Names of the new styles.

    Returns:
        A copy with additional styles. All weights are frozen except the scales and shifts of the
        new styles, which start as the means of the old ones.

    Raises:
        StyleNetError: The network already has one of the styles.
    """
    arguments = {**network.arguments, "styles": [*network.styles, *check_style_names(names)]}
    larger = cast(JohnsonMultiNetwork, build_network(network.name, **arguments))
    larger.load_state_dict(network.state_dict(), strict=False)
    larger.requires_grad_(False)
    for name in names:
        olds = zip(*(network.norm_parameters(old) for old in network.styles), strict=True)
        for parameter, old in zip(larger.norm_parameters(name), olds, strict=True):
            parameter.copy_(torch.stack(old).mean(0))
            parameter.requires_grad_(True)
    return larger


def check_style_names(names: Sequence[str]) -> list[str]:
    """Check that names can be the styles of one network.

    Returns:
        The names as a list.

    Raises:
        StyleNetError: ``names`` is empty or not a list of distinct names, or a name contains a
            separator of mixtures.
    """
    is_list = isinstance(names, Sequence) and not isinstance(names, str)
    if not is_list or not names or not all(isinstance(name, str) and name for name in names):
        raise StyleNetError(f"styles={names} is not a list of styles such as '[starry,mosaic]'")
    for name in names:
        if _RESERVED & set(name):
            raise StyleNetError(f"styles: {name} has a comma or colon in its name; choose another")
        if list(names).count(name) > 1:
            raise StyleNetError(f"styles={list(names)} names {name} twice")
    return list(names)
