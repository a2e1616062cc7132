"""The bundled encoder: a small network that predicts features of VGG-19."""

from pathlib import Path
from typing import cast

import torch
from safetensors.torch import save
from torch import nn

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, user_path
from stylenet.perceptual.encoder import Encoder
from stylenet.program import command
from stylenet.state_dict import read_state_dict
from stylenet.vgg import LITE_CONVOLUTIONS, VGG_CONVOLUTIONS

BUNDLED = Path(__file__).parent.parent / "assets" / "encoders" / "lite.safetensors"

_ARCHITECTURE = "lite"

# Convolutions between each layer and the one before, see stylenet/vgg.py.
_STAGES = {
    "relu1_2": ("conv1_1", "conv1_2"),
    "relu2_2": ("conv2_1", "conv2_2"),
    "relu3_2": ("conv3_1", "conv3_2"),
    "relu3_4": ("conv3_4",),
    "relu4_1": ("conv4_1",),
}


class LiteEncoder(Encoder):
    """Small encoder that predicts features of VGG-19 in a fraction of the time and size.

    It has 3x3 convolutions with few channels and VGG's pooling; a 1x1 convolution beside each layer
    widens its features to VGG's. So Gram matrices and losses have the magnitudes of VGG-19's, and
    recipes carry over. It was distilled by ``stylenet encoder distill``; the model card
    beside the weights names the teacher and the errors.

    Attributes:
        untrained: Layers whose weights are random.
    """

    def __init__(self, weights: str = "bundled", allow_random: bool = False) -> None:
        """Build the encoder and load its weights.

        Args:
            weights: ``bundled``; the path of a ``.safetensors`` file from distillation, which may
                end after any layer; or ``random``, the start of a distillation.
            allow_random: Whether to allow ``weights=random``, which cannot train a style, and to
                initialize layers that a file lacks. Otherwise the encoder ends before such layers.

        Raises:
            StyleNetError: The weights are unusable.
        """
        layers: dict[str, nn.Module] = {}
        heads: dict[str, nn.Module] = {}
        convolutions: dict[str, dict[str, nn.Conv2d]] = {}
        inputs = 3
        for layer, names in _STAGES.items():
            channels, width = (
                table[names[-1]] for table in (LITE_CONVOLUTIONS, VGG_CONVOLUTIONS["vgg19"])
            )
            parts: list[nn.Module] = []
            convolutions[layer] = {}
            for name in names:
                if name.endswith("_1") and layers:  # VGG pools before each block but the first
                    parts.append(nn.MaxPool2d(2, 2))
                convolutions[layer][name] = nn.Conv2d(inputs, channels, 3, padding=1)
                # In place, to save memory traffic: nothing else reads the convolution's output.
                parts += [convolutions[layer][name], nn.ReLU(inplace=True)]
                inputs = channels
            layers[layer] = nn.Sequential(*parts)
            heads[layer] = nn.Sequential(nn.Conv2d(channels, width, 1), nn.ReLU(inplace=True))
        super().__init__(_ARCHITECTURE, str(weights), layers, heads)
        self._convolutions = convolutions
        self.untrained: list[str] = []
        if allow_random or self.weights == "random":
            self._initialize(allow_random)
        if self.weights != "random":
            self._load()

    def convolutions(self, layer: str) -> dict[str, nn.Conv2d]:
        """Return the 3x3 convolutions between the layer before and a layer.

        Args:
            layer: One of ``layers``.

        Returns:
            Convolutions in order, by the names of their counterparts in VGG-19.
        """
        return dict(self._convolutions[layer])

    def convolutions_to(self, layer: str) -> dict[str, nn.Conv2d]:
        """Return the 3x3 convolutions up to a layer; see the base class."""
        self._check_network_layer(layer)
        reached = self.layers[: self.layers.index(layer) + 1]
        return {k: part for name in reached for k, part in self._convolutions[name].items()}

    def head(self, layer: str) -> nn.Conv2d:
        """Return the 1x1 convolution that computes the features of a layer.

        Args:
            layer: One of ``layers``.
        """
        return cast(nn.Conv2d, cast(nn.Sequential, self._heads[layer])[0])

    def end_after(self, layer: str) -> None:
        """Remove the layers after a layer.

        Args:
            layer: One of ``layers``.
        """
        for name in self.layers[self.layers.index(layer) + 1 :]:
            del self._layers[name], self._heads[name]
            self.untrained = [other for other in self.untrained if other != name]

    def save(self, path: str | Path, metadata: dict[str, str]) -> None:
        """Write the weights in float16, atomically.

        Args:
            path: Path of the file, by convention ``*.safetensors``.
            metadata: Strings for the header of the file.

        Raises:
            StyleNetError: The file cannot be written.
        """
        tensors = {
            # float16 halves the file and changes features by 2e-7 (squared relative error, bundled
            # weights, a painting); the error against the teacher is 0.05 or more.
            # contiguous() also undoes channels-last, which the format does not know.
            key.removeprefix("_"): value.detach().to("cpu", torch.float16).contiguous()
            for key, value in self.state_dict().items()
        }
        content = save(tensors, metadata={"architecture": _ARCHITECTURE, **metadata})
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)

    def _initialize(self, allow_random: bool) -> None:
        """Initialize weights so that features keep their magnitude (He et al. 2015)."""
        if not allow_random:
            raise StyleNetError(
                "encoder.weights=random gives noise instead of a style; leave encoder.weights out, "
                "or confirm with encoder.allow_random=true"
            )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(cast(nn.Parameter, layer.bias))
        self.untrained = self.layers

    def _load(self) -> None:
        """Load the weights; layers that the file lacks are removed, or stay untrained."""
        path = BUNDLED if self.weights == "bundled" else user_path(self.weights)
        if not path.is_file():
            raise StyleNetError(
                f"encoder.weights={self.weights}: {path} is not a file. Give the path of a "
                f".safetensors file from {command('encoder distill')}, or leave encoder.weights "
                f"out for the bundled weights."
            )
        state, metadata = read_state_dict(path, "encoder.weights")
        recorded = metadata.get("architecture", "something else")
        if recorded != _ARCHITECTURE:
            raise StyleNetError(
                f"encoder.weights={path} holds weights of {recorded}, not of {_ARCHITECTURE}. "
                f"Give a file from {command('encoder distill')}."
            )
        trained = [name for name in self.layers if any(f".{name}." in key for key in state)]
        if not self.untrained and trained:
            self.end_after(trained[-1])
        self.untrained = self.untrained[len(trained) :]
        rest = {
            key: value
            for key, value in self.state_dict().items()
            if any(f".{name}." in key for name in self.untrained)
        }
        try:
            self.load_state_dict(rest | {f"_{key}": value.float() for key, value in state.items()})
        except RuntimeError as error:
            raise StyleNetError(
                f"encoder.weights={path} does not fit encoder=lite of this version "
                f"({str(error).splitlines()[1].strip()}); distill it again"
            ) from error
        if not all(bool(torch.isfinite(value).all()) for value in self.state_dict().values()):
            raise StyleNetError(
                f"encoder.weights={path} holds NaN or infinity. Distill the encoder again."
            )
