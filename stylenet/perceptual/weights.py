"""Where an encoder's weights come from: torchvision's download, a file, or a random draw."""

import re
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn

from stylenet.errors import StyleNetError
from stylenet.files import user_path
from stylenet.perceptual.vgg import ARCHITECTURES, vgg_layers
from stylenet.state_dict import read_state_dict

_IMAGENET = {
    "vgg16": torchvision.models.VGG16_Weights.IMAGENET1K_V1,
    "vgg19": torchvision.models.VGG19_Weights.IMAGENET1K_V1,
}


def load_weights(architecture: str, weights: str) -> dict[str, Tensor]:
    """Gets a state dict in torchvision's names from wherever the user said.

    Args:
        architecture: ``vgg16`` or ``vgg19``.
        weights: ``imagenet`` for torchvision's download (kept in its cache), ``random`` for a
            fixed draw, or the path of a ``.safetensors`` or ``.pth`` state dict.

    Returns:
        ``features.0.weight`` and so on; from a file possibly only the first layers.

    Raises:
        StyleNetError: The download failed, or the file is missing, damaged or something else.
    """
    if weights == "imagenet":
        return _download(architecture)
    if weights == "random":
        return _draw(architecture)
    path = user_path(weights)
    if not path.is_file():
        raise StyleNetError(
            f"encoder.weights={weights}: no such file; give the path of a .safetensors or .pth "
            f"state dict of {architecture}, or encoder.weights=imagenet to download it"
        )
    state, metadata = read_state_dict(path, "encoder.weights")
    recorded = metadata.get("architecture", architecture)
    if recorded != architecture:
        raise StyleNetError(
            f"encoder.weights={path} are weights of {recorded}, not of {architecture}; "
            f"use encoder={recorded}"
        )
    return state


def match_layers(
    architecture: str, layers: dict[str, nn.Module], state: dict[str, Tensor], source: str
) -> dict[str, nn.Module]:
    """Puts weights into layers, as many as the state dict reaches.

    Args:
        architecture: Whose layers these are, for messages.
        layers: See :func:`stylenet.perceptual.vgg.vgg_layers`.
        state: See :func:`load_weights`; a ``features.`` prefix may be missing.
        source: Where the weights came from, for messages.

    Returns:
        The layers up to the first convolution that the state dict lacks, weights filled in.

    Raises:
        StyleNetError: The state dict fits another network, or none of the layers.
    """
    state = {key.removeprefix("features."): value for key, value in state.items()}
    expected = _shapes(layers)
    found = {k: tuple(v.shape) for k, v in state.items() if re.fullmatch(r"\d+\.(weight|bias)", k)}
    if not {"0.weight", "0.bias"} <= found.keys():
        some = ", ".join(list(state)[:3]) or "nothing"
        raise StyleNetError(
            f"encoder.weights={source} is not a VGG state dict: it holds {some}; "
            f"expected features.0.weight, features.0.bias, …"
        )
    strange = [k for k, shape in found.items() if expected.get(k) != shape]
    if strange:
        fits = [
            name for name in ARCHITECTURES if found.items() <= _shapes(vgg_layers(name)).items()
        ]
        way = f"use encoder={fits[0]}" if fits else "use the file of a torchvision VGG"
        raise StyleNetError(
            f"encoder.weights={source} is not {architecture}: features.{strange[0]} has shape "
            f"{found[strange[0]]}, expected {expected.get(strange[0], 'no such layer')}; {way}"
        )
    filled: dict[str, nn.Module] = {}
    for index, (name, layer) in enumerate(layers.items()):
        if isinstance(layer, nn.Conv2d):
            keys = [f"{index}.weight", f"{index}.bias"]
            if not all(key in found for key in keys):
                break
            tensors = {"weight": state[keys[0]].float(), "bias": state[keys[1]].float()}
            if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
                raise StyleNetError(f"encoder.weights={source}: layer {name} holds NaN or infinity")
            layer.load_state_dict(tensors, assign=True)
        filled[name] = layer
    return filled


def convolution_weights(architecture: str, weights: str, layer: str) -> dict[str, Tensor]:
    """Gets the weights of a VGG's convolutions up to a layer.

    Args:
        architecture: ``vgg16`` or ``vgg19``.
        weights: See :func:`load_weights`.
        layer: Such as ``relu4_1``.

    Returns:
        ``conv1_1.weight``, ``conv1_1.bias`` and so on.

    Raises:
        StyleNetError: See :func:`load_weights` and :func:`match_layers`; or they end before.
    """
    state = load_weights(architecture, weights)
    layers = match_layers(architecture, vgg_layers(architecture), state, weights)
    if layer not in layers:
        raise StyleNetError(f"{weights} ends before {layer}")
    found: dict[str, Tensor] = {}
    for name, module in layers.items():
        if isinstance(module, nn.Conv2d):
            found |= {f"{name}.{kind}": value for kind, value in module.state_dict().items()}
        if name == layer:
            break
    return found


def is_cached(architecture: str) -> bool:
    """Says whether ``imagenet`` is here already.

    Args:
        architecture: ``vgg16`` or ``vgg19``.

    Returns:
        Whether torchvision has downloaded it, or somebody put it there.
    """
    return _place(architecture).is_file()


def _place(architecture: str) -> Path:
    """Where torchvision keeps its download."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(_IMAGENET[architecture].url).name


def _shapes(layers: dict[str, nn.Module]) -> dict[str, tuple[int, ...]]:
    """The shapes of a VGG's weights under the names that torchvision gives them."""
    return {
        f"{index}.{kind}": tuple(getattr(layer, kind).shape)
        for index, layer in enumerate(layers.values())
        if isinstance(layer, nn.Conv2d)
        for kind in ("weight", "bias")
    }


def _download(architecture: str) -> dict[str, Tensor]:
    """Takes torchvision's ImageNet weights from its cache, or from the internet into it."""
    source = _IMAGENET[architecture]
    place = _place(architecture)
    if place.is_file():  # by an earlier download, or put there by hand: nothing to be trusted
        return read_state_dict(place, "encoder.weights")[0]
    try:
        return dict(source.get_state_dict(progress=True, check_hash=True, weights_only=True))
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong hash a RuntimeError
        raise StyleNetError(
            f"the ImageNet weights of {architecture} could not be downloaded from {source.url} "
            f"({error}); put that file at {place}, or name a file with encoder.weights=PATH, or "
            f"train with the small encoder that comes with StyleNet: encoder=lite"
        ) from error


def _draw(architecture: str) -> dict[str, Tensor]:
    """Draws weights that keep the features' size from layer to layer (He et al. 2015)."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for index, layer in enumerate(vgg_layers(architecture).values()):
        if isinstance(layer, nn.Conv2d):
            weight = torch.empty(layer.weight.shape)
            nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
            state[f"features.{index}.weight"] = weight
            state[f"features.{index}.bias"] = torch.zeros(layer.out_channels)
    return state
