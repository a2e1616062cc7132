"""The interface of a term of the perceptual loss."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError, check_number
from stylenet.perceptual.encoder import Encoder

# Names of layers, or weights by name: as a mapping, or as items {relu1_2: 0.5} of a list. Hydra
# merges mappings and replaces lists, so the configs use lists.
Layers = Mapping[str, float] | Sequence[str | Mapping[str, float]]


class LossInputs(NamedTuple):
    """Images, features and style targets that a term may compare, for a batch of N images.

    Attributes:
        stylized: Stylized images, RGB in [0, 1], shape (N, 3, H, W).
        content: Content images, the same shape and range.
        stylized_features: Features of the stylized images by layer, each (N, C, H', W'), at least
            for the term's ``layers``.
        content_features: Features of the content images, without gradient, at least for the term's
            ``layers`` if it compares with the content.
        style_targets: Results of the term's ``style_target`` by layer, each of shape (1, …) for
            one style or (N, …) for a style per image; empty if it does not compare with the style.
    """

    stylized: Tensor
    content: Tensor
    stylized_features: dict[str, Tensor]
    content_features: dict[str, Tensor]
    style_targets: dict[str, Tensor]


class LossTerm(nn.Module):
    """Base class of the terms that :class:`PerceptualLoss` adds up.

    A term of your own sets the two class attributes, implements :meth:`forward`, and
    :meth:`style_target` if it compares with the style. It holds no style, so that one term serves
    every style. It runs inside CUDA graphs: it must not branch on the values of tensors, nor copy
    them to the CPU. A :class:`StyleNetError` of its constructor begins with the name of the
    argument, as in ``weight=-1 is …``; the command line puts ``loss.NAME.`` before it.

    Example:
        >>> class Brightness(LossTerm):
        ...     def forward(self, inputs):
        ...         difference = inputs.stylized - inputs.content
        ...         return difference.mean(dim=(1, 2, 3)).square()

    Attributes:
        compares_content: Whether the term needs features of the content images at ``layers``.
        compares_style: Whether the term needs features of the style images at ``layers``. The
            ``weight`` of a style multiplies such terms.
        weight: Factor of the term in the total loss.
        layers: Weights of encoder layers by name; empty for a term that compares pixels.
        average: Whether values of layers are combined by their weighted mean or weighted sum.
    """

    compares_content = False
    compares_style = False

    def __init__(self, weight: float = 1.0, layers: Layers = (), average: bool = True) -> None:
        """Check the weight and the layers.

        Args:
            weight: 0 or more.
            layers: Names of layers, which then all have weight 1, or weights by name, for example
                ``{"relu1_2": 0.5, "relu2_2": 1.0}``.
            average: See the class.

        Raises:
            StyleNetError: A value is impossible.
        """
        super().__init__()
        check_number("weight", weight, minimum=0)
        self.weight = weight
        self.average = average
        self.layers = read_layers(layers, average)

    @property
    def is_active(self) -> bool:
        """True if the term is computed; inactive terms cost nothing and are not logged."""
        return True

    @property
    def layer_factors(self) -> dict[str, float]:
        """Factor of each layer: its weight, divided by the sum of weights if ``average``."""
        divisor = sum(self.layers.values()) if self.average else 1.0
        return {layer: weight / divisor for layer, weight in self.layers.items()}

    def forward(self, inputs: LossInputs) -> Tensor | dict[str, Tensor]:
        """Compute the term without its weight.

        Args:
            inputs: Images and features.

        Returns:
            A loss per image, shape (N,), in float32 or float64; or such losses for each of
            ``layers``, which are logged by layer and combined by :meth:`combine`.
        """
        raise NotImplementedError

    def style_target(self, features: Tensor) -> Tensor:
        """Compute the target of the term from features of style images.

        Args:
            features: Features of one layer, shape (K, C, H, W).

        Returns:
            Statistics whose shape (K, …) does not depend on the image size. For a style of several
            images they are averaged.
        """
        raise NotImplementedError

    def combine(self, values: Mapping[str, Tensor]) -> Tensor:
        """Combine losses of layers by their weighted mean or weighted sum.

        Args:
            values: Scalars by layer, for each of ``layers``.

        Returns:
            A scalar.
        """
        stacked = torch.stack(list(values.values()))
        weights = set(self.layers.values())
        if self.average and len(weights) == 1:
            return stacked.mean()
        if not self.average and weights == {1.0}:
            return stacked.sum()
        factors = self.layer_factors
        return torch.stack([factors[layer] * value for layer, value in values.items()]).sum()

    def fit_to(self, encoder: Encoder, terms: Mapping[str, "LossTerm"]) -> "LossTerm":
        """Adapt the term to an encoder.

        Args:
            encoder: The encoder that computes the features.
            terms: All terms of the loss, by name.

        Returns:
            The term itself, or a copy with options completed from the encoder or other terms.

        Raises:
            StyleNetError: The encoder lacks a layer.
        """
        encoder.require(self.layers, "layers")
        return self

    def with_layers(self, layers: Layers) -> "LossTerm":
        """Return a copy with other layers.

        Args:
            layers: As for the constructor, at least one.

        Raises:
            StyleNetError: The layers are invalid.
        """
        twin = copy.copy(self)
        twin.layers = read_layers(layers, self.average, required=True)
        return twin

    @property
    def options(self) -> dict[str, Any]:
        """Public attributes except weight and layers, in which styles may differ."""
        apart = ("training", "weight", "layers")
        return {k: v for k, v in vars(self).items() if not k.startswith("_") and k not in apart}


def read_layers(layers: Any, average: bool = True, required: bool = False) -> dict[str, float]:
    """Check layers and return their weights.

    Args:
        layers: Names of layers, weights by name, or a list of both.
        average: Whether layers are averaged; then not all weights may be 0.
        required: Whether at least one layer must be named.

    Returns:
        Weights by layer, 1 where none is given.

    Raises:
        StyleNetError: The layers are invalid, or a weight is impossible.
    """
    weights: dict[Any, Any] = {}
    is_list = isinstance(layers, Sequence) and not isinstance(layers, str)
    for item in [layers] if isinstance(layers, Mapping) else layers if is_list else [None]:
        weights |= item if isinstance(item, Mapping) else {item: 1.0}
    if not all(isinstance(layer, str) for layer in weights):
        raise StyleNetError(
            f"layers={layers} is not a list of layers such as '[relu1_2,relu2_2]', or, with "
            f"weights, '[{{relu1_2:0.5}},{{relu2_2:1}}]'"
        )
    if required and not weights:
        raise StyleNetError(f"layers={layers} is empty. Name at least one layer.")
    for layer, weight in weights.items():
        check_number(f"layers.{layer}", weight, minimum=0)
    if weights and average and not any(weights.values()):
        raise StyleNetError(f"layers={layers} gives every layer weight 0. Raise one of them.")
    return {layer: float(weight) for layer, weight in weights.items()}


@contextmanager
def named_options(prefix: str) -> Iterator[None]:
    """Prepend the name of a term to the options in errors of this block.

    Args:
        prefix: Name of the term as an option, such as ``loss.style``.
    """
    try:
        yield
    except StyleNetError as error:
        # Messages about the term as a whole name it already.
        message = str(error) if str(error).startswith(prefix) else f"{prefix}.{error}"
        raise StyleNetError(message) from error
