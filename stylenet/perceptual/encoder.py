"""Frozen encoders: features of images by layer name."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from stylenet.errors import StyleNetError, check_choice
from stylenet.perceptual.vgg import ARCHITECTURES, vgg_layers
from stylenet.perceptual.weights import load_weights, match_layers
from stylenet.vgg import IMAGENET_MEAN, IMAGENET_STD


class Encoder(nn.Module):
    """Frozen feature extractor that stops at the deepest requested layer.

    Example:
        >>> encoder = VGGEncoder("vgg19", weights="random", allow_random=True)
        >>> features = encoder(torch.rand(1, 3, 64, 64), ["relu1_2", "relu2_2"])
        >>> features["relu2_2"].shape
        torch.Size([1, 128, 32, 32])

    Attributes:
        architecture: Name of the architecture, for messages.
        weights: Source of the weights, for messages.
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
        """Freeze the layers.

        Args:
            architecture: Name of the architecture, for messages.
            weights: Source of the weights, for messages.
            layers: Layers by name, in the order in which images pass through them.
            heads: Modules by layer name that compute the features of a layer from its output,
                beside the main path. Without one, the output itself is the features.
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
        """Names of the layers, first to last."""
        return list(self._layers)

    def require(self, layers: Iterable[str], option: str = "layers") -> None:
        """Check that the encoder has layers.

        Args:
            layers: Names such as ``relu3_3``.
            option: Option that names the layers, for the message.

        Raises:
            StyleNetError: A layer is unknown or deeper than the weights.
        """
        has = self.layers
        missing = [name for name in layers if name not in has]
        if missing:
            raise StyleNetError(f"{option}: {self._lacks(', '.join(missing))}; choose among these")

    def _lacks(self, layer: str) -> str:
        relus = ", ".join(name for name in self.layers if name.startswith("relu"))
        return (
            f"{self.architecture} with encoder.weights={self.weights} has no layer {layer}; it has "
            f"{relus}"
        )

    def convolutions_to(self, layer: str) -> dict[str, nn.Conv2d]:
        """Return the convolutions up to a layer.

        Args:
            layer: A layer such as ``relu4_1``.

        Returns:
            Convolutions by name, in order: ``conv1_1`` and so on.

        Raises:
            StyleNetError: There is no such layer.
        """
        self._check_network_layer(layer)
        reached = self.layers[: self.layers.index(layer) + 1]
        layers = {name: self._layers[name] for name in reached}
        return {name: part for name, part in layers.items() if isinstance(part, nn.Conv2d)}

    def _check_network_layer(self, layer: str) -> None:
        if layer not in self.layers:
            raise StyleNetError(f"network.layer={layer}: {self._lacks(layer)}; choose among these")

    def train(self, mode: bool = True) -> "Encoder":
        """Stay in evaluation mode, also when a parent module switches to training."""
        return super().train(False)

    def forward(self, images: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Compute features in one pass that stops at the deepest requested layer.

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
            # ReLUs work in place; a copy keeps the features that are returned.
            x = layer(x.clone() if kept and isinstance(layer, nn.ReLU) else x)
            kept = name in wanted
            if kept:
                features[name] = self._heads[name](x) if name in self._heads else x
        return features


class VGGEncoder(Encoder):
    """Frozen VGG feature extractor; its last layer is the last one with weights."""

    def __init__(
        self,
        architecture: str = "vgg16",
        weights: str = "imagenet",
        pooling: str = "max",
        allow_random: bool = False,
    ) -> None:
        """Build the encoder and load its weights.

        Args:
            architecture: ``vgg16`` or ``vgg19``.
            weights: ``imagenet`` (torchvision's download and cache), the path of a
                ``.safetensors`` or ``.pth`` state dict, or ``random``.
            pooling: ``max`` as in training, or ``average``, which gives slightly smoother images
                according to Gatys et al. 2016.
            allow_random: Whether to allow ``weights=random``, which is useful for tests only.

        Raises:
            StyleNetError: A value is impossible, or the weights are unusable.
        """
        check_choice("encoder.architecture", architecture, ARCHITECTURES)
        check_choice("encoder.pooling", pooling, ("max", "average"))
        if weights == "random" and not allow_random:
            raise StyleNetError(
                "encoder.weights=random gives noise instead of a style and is for tests; "
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
