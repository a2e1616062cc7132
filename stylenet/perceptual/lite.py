"""The bundled encoder: a small network that has learned to give VGG-19's features."""

from pathlib import Path
from typing import cast

import torch
from safetensors.torch import save
from torch import nn

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, user_path
from stylenet.perceptual.encoder import Encoder
from stylenet.state_dict import read_state_dict

BUNDLED = Path(__file__).parent.parent / "assets" / "encoders" / "lite.safetensors"

_ARCHITECTURE = "lite"

# Layer: (convolutions, named after VGG-19's in whose place they are, their channels, channels of
# VGG-19's layer). Chosen by measurement on a CPU: forward and backward are 5.5 (float32) to 6.7
# times (bfloat16) as fast as VGG-19's to relu3_4; 64 channels in the second stage take it below 5.
# The last has twice the channels at a quarter of the positions, as VGG's blocks have.
_STAGES = {
    "relu1_2": (("conv1_1", "conv1_2"), 16, 64),
    "relu2_2": (("conv2_1", "conv2_2"), 48, 128),
    "relu3_2": (("conv3_1", "conv3_2"), 64, 256),
    "relu3_4": (("conv3_4",), 64, 256),
    "relu4_1": (("conv4_1",), 128, 512),
}


class LiteEncoder(Encoder):
    """Gives features in the place of VGG-19's, in a fraction of the time and size.

    Plain 3x3 convolutions on few channels, pooled where VGG is; a 1x1 convolution on the side of
    each layer widens its features to VGG's. So Gram matrices and losses have the sizes that they
    have with VGG-19, and recipes carry over. It was distilled by ``scripts/distill_encoder.py``;
    the model card beside the weights says from what, and how close it comes.

    Attributes:
        drawn: The layers whose weights are random, which have still to learn.
    """

    def __init__(self, weights: str = "bundled", allow_random: bool = False) -> None:
        """Builds the encoder and fills it.

        Args:
            weights: ``bundled``, the path of a ``.safetensors`` file that distilling wrote, which
                may end after any layer, or ``random``, to start distilling from.
            allow_random: Confirms ``weights=random``, which no style can be learned from; layers
                that a file lacks are drawn as well, where else the encoder ends.

        Raises:
            StyleNetError: The weights cannot be had.
        """
        layers: dict[str, nn.Module] = {}
        heads: dict[str, nn.Module] = {}
        convolutions: dict[str, dict[str, nn.Conv2d]] = {}
        inputs = 3
        for layer, (names, channels, width) in _STAGES.items():
            parts: list[nn.Module] = []
            convolutions[layer] = {}
            for name in names:
                if name.endswith("_1") and layers:  # where VGG's blocks begin
                    parts.append(nn.MaxPool2d(2, 2))
                convolutions[layer][name] = nn.Conv2d(inputs, channels, 3, padding=1)
                # In place, which spares memory traffic: no one sees what is overwritten.
                parts += [convolutions[layer][name], nn.ReLU(inplace=True)]
                inputs = channels
            layers[layer] = nn.Sequential(*parts)
            heads[layer] = nn.Sequential(nn.Conv2d(channels, width, 1), nn.ReLU(inplace=True))
        super().__init__(_ARCHITECTURE, str(weights), layers, heads)
        self._convolutions = convolutions
        self.drawn: list[str] = []
        if allow_random or self.weights == "random":
            self._draw(allow_random)
        if self.weights != "random":
            self._load()

    def convolutions(self, layer: str) -> dict[str, nn.Conv2d]:
        """Lists the 3x3 convolutions that lead to a layer from the one before.

        Args:
            layer: One of ``layers``.

        Returns:
            They, in order, by the names of VGG-19's in whose place they are.
        """
        return dict(self._convolutions[layer])

    def convolutions_to(self, layer: str) -> dict[str, nn.Conv2d]:
        """Lists the 3x3 convolutions that lead to a layer; see the base class."""
        self._require_one(layer)
        reached = self.layers[: self.layers.index(layer) + 1]
        return {k: part for name in reached for k, part in self._convolutions[name].items()}

    def head(self, layer: str) -> nn.Conv2d:
        """Gives the 1x1 convolution that makes a layer's features.

        Args:
            layer: One of ``layers``.

        Returns:
            It, to be trained.
        """
        return cast(nn.Conv2d, cast(nn.Sequential, self._heads[layer])[0])

    def end_after(self, layer: str) -> None:
        """Drops what lies behind a layer.

        Args:
            layer: One of ``layers``.
        """
        for name in self.layers[self.layers.index(layer) + 1 :]:
            del self._layers[name], self._heads[name]
            self.drawn = [other for other in self.drawn if other != name]

    def save(self, path: str | Path, metadata: dict[str, str]) -> None:
        """Writes the weights in float16; the file appears whole or not at all.

        Args:
            path: Where to, by convention ``*.safetensors``.
            metadata: What the file is to say of itself.

        Raises:
            StyleNetError: The file cannot be written.
        """
        tensors = {
            # Half the size, for a squared change of 2e-7 in the features (the bundled weights on a
            # painting), where the distance to the teacher's is 0.05 and more.
            # contiguous() also leaves channels-last, which the format cannot say.
            key.removeprefix("_"): value.detach().to("cpu", torch.float16).contiguous()
            for key, value in self.state_dict().items()
        }
        content = save(tensors, metadata={"architecture": _ARCHITECTURE, **metadata})
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)

    def _draw(self, allow_random: bool) -> None:
        """Draws weights that keep the features' size from layer to layer (He et al. 2015)."""
        if not allow_random:
            raise StyleNetError(
                "encoder.weights=random makes noise instead of a style; leave encoder.weights out, "
                "or confirm with encoder.allow_random=true"
            )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(cast(nn.Parameter, layer.bias))
        self.drawn = self.layers

    def _load(self) -> None:
        """Takes the weights out of the file, and ends where it does unless the rest was drawn."""
        path = BUNDLED if self.weights == "bundled" else user_path(self.weights)
        if not path.is_file():
            raise StyleNetError(
                f"encoder.weights={self.weights}: {path} is no file; give the path of a "
                f".safetensors file that scripts/distill_encoder.py wrote, or leave "
                f"encoder.weights out for the one that StyleNet brings"
            )
        state, metadata = read_state_dict(path, "encoder.weights")
        recorded = metadata.get("architecture", "something else")
        if recorded != _ARCHITECTURE:
            raise StyleNetError(
                f"encoder.weights={path} are weights of {recorded}, not of {_ARCHITECTURE}; "
                f"encoder=lite takes what scripts/distill_encoder.py wrote"
            )
        learned = [name for name in self.layers if any(f".{name}." in key for key in state)]
        if not self.drawn and learned:
            self.end_after(learned[-1])
        self.drawn = self.drawn[len(learned) :]
        rest = {
            key: value
            for key, value in self.state_dict().items()
            if any(f".{name}." in key for name in self.drawn)
        }
        try:
            self.load_state_dict(rest | {f"_{key}": value.float() for key, value in state.items()})
        except RuntimeError as error:
            raise StyleNetError(
                f"encoder.weights={path} does not fit encoder=lite of this version "
                f"({str(error).splitlines()[1].strip()}); distil it again"
            ) from error
        if not all(bool(torch.isfinite(value).all()) for value in self.state_dict().values()):
            raise StyleNetError(f"encoder.weights={path} holds NaN or infinity")
