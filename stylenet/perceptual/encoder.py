"""The frozen encoders' common part, and VGG: features of images, by layer name."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError, check_choice
from stylenet.perceptual.vgg import ARCHITECTURES, vgg_layers
from stylenet.perceptual.weights import load_weights, match_layers

# What torchvision's ImageNet weights were trained with (its VGG16_Weights.transforms()).
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Encoder(nn.Module):
    """A network that gives features by layer name, in one pass as deep as needed.

    Example:
        >>> encoder = VGGEncoder("vgg19", weights="random", allow_random=True)
        >>> features = encoder(torch.rand(1, 3, 64, 64), ["relu1_2", "relu2_2"])
        >>> features["relu2_2"].shape
        torch.Size([1, 128, 32, 32])

    Attributes:
        architecture: What it is, for messages.
        weights: Where its weights came from, for messages.
    """

    _mean: Tensor
    _std: Tensor

    def __init__(
        self,
        architecture: str,
        weights: str,
        layers: dict[str, nn.Module],
        heads: dict[str, nn.Module] | None = None,
    ) -> None:
        """Takes the layers and freezes them.

        Args:
            architecture: What it is, for messages.
            weights: Where its weights came from, for messages.
            layers: What an image passes through, in order, by name.
            heads: By the names of layers: what makes features of that layer's output, on the side.
                A layer without one gives its output as it is.
        """
        super().__init__()
        self.architecture = architecture
        self.weights = weights
        self._layers = nn.ModuleDict(layers)
        self._heads = nn.ModuleDict(heads or {})
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        self.register_buffer("_mean", mean, persistent=False)
        self.register_buffer("_std", std, persistent=False)
        self.requires_grad_(False)
        self.eval()

    @property
    def layers(self) -> list[str]:
        """The names of the layers there are, first to last."""
        return list(self._layers)

    def require(self, layers: Iterable[str]) -> None:
        """Refuses layers that are not there.

        Args:
            layers: Names such as ``relu3_3``.

        Raises:
            StyleNetError: A name is unknown, or lies behind the end of the weights.
        """
        has = self.layers
        missing = [name for name in layers if name not in has]
        if missing:
            relus = ", ".join(name for name in has if name.startswith("relu"))
            raise StyleNetError(
                f"{self.architecture} with encoder.weights={self.weights} has no layer "
                f"{', '.join(missing)}; it has {relus}; set loss.content_layers and "
                f"loss.style_layers to some of these"
            )

    def convolutions_to(self, layer: str) -> dict[str, nn.Conv2d]:
        """Lists the convolutions that lead to a layer.

        Args:
            layer: Of a convolution, such as ``relu4_1``.

        Returns:
            They, in order, by name: ``conv1_1`` and so on.

        Raises:
            StyleNetError: It has no such layer.
        """
        self._require_one(layer)
        reached = self.layers[: self.layers.index(layer) + 1]
        layers = {name: self._layers[name] for name in reached}
        return {name: part for name, part in layers.items() if isinstance(part, nn.Conv2d)}

    def _require_one(self, layer: str) -> None:
        if layer not in self.layers:
            relus = ", ".join(name for name in self.layers if name.startswith("relu"))
            raise StyleNetError(
                f"{self.architecture} with encoder.weights={self.weights} has no layer {layer}, "
                f"which network.layer asks for; it has {relus}"
            )

    def train(self, mode: bool = True) -> "Encoder":
        """Stays in evaluation mode, whatever a parent module asks."""
        return super().train(False)

    def forward(self, images: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Computes features in one pass that stops at the deepest layer asked for.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W).
            layers: Names such as ``relu3_3``.

        Returns:
            A feature map of shape (N, C, H', W') for each name.

        Raises:
            StyleNetError: See :meth:`require`.
        """
        wanted = set(layers)
        self.require(wanted)
        features: dict[str, Tensor] = {}
        x = (images - self._mean) / self._std
        kept = False
        for name, layer in self._layers.items():
            if len(features) == len(wanted):
                break
            # A ReLU works in its place, and so on a copy of what is captured.
            x = layer(x.clone() if kept and isinstance(layer, nn.ReLU) else x)
            kept = name in wanted
            if kept:
                features[name] = self._heads[name](x) if name in self._heads else x
        return features


class VGGEncoder(Encoder):
    """A VGG cut off where its weights end, never trained, always in evaluation mode."""

    def __init__(
        self,
        architecture: str = "vgg16",
        weights: str = "imagenet",
        pooling: str = "max",
        allow_random: bool = False,
    ) -> None:
        """Builds the encoder and fills it.

        Args:
            architecture: ``vgg16`` or ``vgg19``.
            weights: ``imagenet`` (torchvision's download and cache), the path of a
                ``.safetensors`` or ``.pth`` state dict, or ``random``.
            pooling: ``max`` as trained, or ``average``, which Gatys et al. 2016 found to give
                slightly smoother images.
            allow_random: Confirms ``weights=random``, which no style can be learned from.

        Raises:
            StyleNetError: A value is impossible, or the weights cannot be had.
        """
        check_choice("encoder.architecture", architecture, ARCHITECTURES)
        check_choice("encoder.pooling", pooling, ("max", "average"))
        if weights == "random" and not allow_random:
            raise StyleNetError(
                "encoder.weights=random makes noise instead of a style and is for tests; "
                "use encoder.weights=imagenet or a path, or confirm with encoder.allow_random=true"
            )
        state = load_weights(architecture, str(weights))
        layers = match_layers(architecture, vgg_layers(architecture), state, str(weights))
        if pooling == "average":
            layers = {
                name: nn.AvgPool2d(2, 2) if isinstance(layer, nn.MaxPool2d) else layer
                for name, layer in layers.items()
            }
        super().__init__(architecture, str(weights), layers)
