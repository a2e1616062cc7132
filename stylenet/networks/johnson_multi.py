"""One network for many styles: Dumoulin, Shlens, Kudlur 2017 (arXiv:1610.07629)."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError, check_number
from stylenet.networks.johnson import JohnsonNetwork
from stylenet.networks.layers import InstanceNorm
from stylenet.networks.normalization import normalize, normalize_batch
from stylenet.networks.registry import StyleNetwork, build_network, register_network

# They have a meaning in mixtures of styles.
_RESERVED = frozenset(",:")


class ConditionalInstanceNorm(nn.Module):
    """Instance normalization with a scale and a shift for each style.

    Of each channel x of an image in style s: scale_s (x - mean(x)) / deviation(x) + shift_s
    (Dumoulin et al., eq. 5). Computed as :class:`InstanceNorm` does.

    Attributes:
        weights: The scales, one of shape (C,) for each style.
        biases: The shifts, the same.
        styles: Numbers of the styles of the images that come next, shape (N,); set by the network.
    """

    styles: Tensor

    def __init__(self, channels: int, styles: int, eps: float) -> None:
        """Builds the layer, all styles with scale 1 and shift 0.

        Args:
            channels: Channels of the features.
            styles: How many styles.
            eps: Added to the variance.
        """
        super().__init__()
        self.weights = nn.ParameterList(torch.ones(channels) for _ in range(styles))
        self.biases = nn.ParameterList(torch.zeros(channels) for _ in range(styles))
        self.eps = eps

    def forward(self, features: Tensor) -> Tensor:
        """Normalizes each channel of each image, then scales and shifts it as its style does.

        Args:
            features: Shape (N, C, H, W).

        Returns:
            The same shape.
        """
        if features.device.type != "cpu" or torch.compiler.is_compiling():
            return normalize_batch(features, *self._chosen(), self.eps)
        images = [
            normalize(image, scale, shift, self.eps)
            for image, scale, shift in zip(features.split(1), *self._chosen(), strict=True)
        ]
        return images[0] if len(images) == 1 else torch.cat(images)

    def _chosen(self) -> tuple[Tensor, Tensor]:
        """The scales and shifts of the images, shape (N, C).

        All parameters take part, those of absent styles with gradients of zero: processes that
        train together draw different styles, and wait for the same gradients.
        """
        scales, shifts = torch.stack(list(self.weights)), torch.stack(list(self.biases))
        return scales[self.styles], shifts[self.styles]


@register_network("johnson_multi")
class JohnsonMultiNetwork(StyleNetwork):
    """A Johnson network of which all but the normalizations' scales and shifts is shared.

    A further style takes 3,200 parameters at the default size, 0.2 % of the network, and there are
    styles between the styles. It is for training: :meth:`select` makes the plain network of a style
    or a mixture, which is all that inference, tiles and export know of.

    Attributes:
        styles: The names of the styles.
        body: The network, its instance normalizations conditional.
    """

    def __init__(
        self,
        styles: Sequence[str] = ("style",),
        width: int = 32,
        blocks: int = 5,
        output: str = "tanh",
    ) -> None:
        """Builds the network with fresh weights.

        Args:
            styles: Their names.
            width: See :class:`stylenet.networks.JohnsonNetwork`.
            blocks: See there.
            output: See there.

        Raises:
            StyleNetError: A value is impossible.
        """
        super().__init__()
        self.styles = check_style_names(styles)
        self.body = JohnsonNetwork(width, blocks, "instance", output)
        for name, norm in list(self.body.named_modules()):
            if isinstance(norm, InstanceNorm):
                parent, _, child = name.rpartition(".")
                twin = ConditionalInstanceNorm(norm.num_features, len(self.styles), norm.eps)
                setattr(self.body.get_submodule(parent), child, twin)

    def forward(self, images: Tensor, styles: Tensor | None = None) -> Tensor:
        """Stylizes images, each in a style.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), any H and W from 1.
            styles: Numbers of the images' styles, shape (N,); ``None`` for the first.

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
    def begin_with(self, trained: StyleNetwork) -> None:
        """Takes the weights of a network of one style, or of many that need not be the same.

        Args:
            trained: Stays as it is. A style that it knows by name goes on from there, any other
                from the mean of its styles.

        Raises:
            StyleNetError: It is a network of another kind or size.
        """
        for place, style in enumerate(self.styles):
            source = trained
            if isinstance(trained, JohnsonMultiNetwork):
                known = [style] if style in trained.styles else trained.styles
                source = trained.select(dict.fromkeys(known, 1.0))
            plain = self.select({style: 1.0})
            plain.begin_with(source)
            weights = plain.state_dict()
            for name, norm in self._norms().items():
                norm.weights[place].copy_(weights.pop(f"{name}.weight"))
                norm.biases[place].copy_(weights.pop(f"{name}.bias"))
            self.body.load_state_dict(weights, strict=False)

    def norm_parameters(self, style: str) -> list[nn.Parameter]:
        """Lists what a style has for itself.

        Args:
            style: One of ``styles``.

        Returns:
            Its scales and shifts.
        """
        place = self.styles.index(style)
        norms = self._norms().values()
        return [p[place] for norm in norms for p in (norm.weights, norm.biases)]

    @torch.no_grad()
    def select(self, mixture: Mapping[str, float]) -> JohnsonNetwork:
        """Makes the plain network of a style, or of a mixture of styles.

        Args:
            mixture: Weights by the names of styles; only their ratios matter. The scales and shifts
                are the weighted means.

        Returns:
            A network of its own weights; of a single style exactly what this one does with it.

        Raises:
            StyleNetError: A name is unknown, a weight is not above 0, or there is none.
        """
        unknown = [name for name in mixture if name not in self.styles]
        if unknown or not mixture:
            raise StyleNetError(
                f"style={', '.join(unknown)} is none of its styles, which are "
                f"{', '.join(self.styles)}"
            )
        for name, weight in mixture.items():
            check_number(f"style={name}", weight, above=0)
        total = sum(mixture.values())
        shares = {self.styles.index(name): weight / total for name, weight in mixture.items()}

        def mean(parameters: nn.ParameterList) -> Tensor:
            return torch.stack([share * parameters[s] for s, share in shares.items()]).sum(0)

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
    """Makes a network that holds further styles, and trains nothing but these.

    Args:
        network: A trained network; stays as it is.
        names: Of the new styles.

    Returns:
        A network with the weights of the first, frozen. Scales and shifts of the new styles, which
        are not, begin as the means of the old ones.

    Raises:
        StyleNetError: The network has one of the styles already.
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
    """Refuses what cannot be the styles of one network.

    Args:
        names: What was given for them.

    Returns:
        The names.

    Raises:
        StyleNetError: It is no list of different names, or empty, or a name cannot be part of a
            mixture.
    """
    listed = isinstance(names, Sequence) and not isinstance(names, str)
    if not listed or not names or not all(isinstance(name, str) and name for name in names):
        raise StyleNetError(f"styles={names} is not a list of styles such as '[starry,mosaic]'")
    for name in names:
        if _RESERVED & set(name):
            raise StyleNetError(f"styles: {name} has a comma or colon in its name; choose another")
        if list(names).count(name) > 1:
            raise StyleNetError(f"styles={list(names)} names {name} twice")
    return list(names)
