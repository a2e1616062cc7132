"""Weights of a VGG encoder: torchvision's download, a file, or random."""

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
    """Load a state dict with torchvision's names.

    Args:
        architecture: ``vgg16`` or ``vgg19``.
        weights: ``imagenet`` for torchvision's download (kept in its cache), ``random`` for
            fixed random weights, or the path of a ``.safetensors`` or ``.pth`` state dict.

    Returns:
        Tensors named ``features.0.weight`` and so on; a file may hold the first layers only.

    Raises:
        StyleNetError: The download failed, or the file is missing, damaged or of another network.
    """
    if weights == "imagenet":
        return _download(architecture)
    if weights == "random":
        return _random(architecture)
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
    """Load weights into layers, as far as the state dict goes.

    Args:
        architecture: Architecture of the layers, for messages.
        layers: See :func:`stylenet.perceptual.vgg.vgg_layers`.
        state: See :func:`load_weights`; a ``features.`` prefix may be missing.
        source: Source of the weights, for messages.

    Returns:
        The layers up to the first convolution that the state dict lacks, with their weights.

    Raises:
        StyleNetError: The state dict fits another network, or none of the layers.
    """
    state = {key.removeprefix("features."): value for key, value in state.items()}
    expected = _shapes(layers)
    shapes = {k: tuple(v.shape) for k, v in state.items() if re.fullmatch(r"\d+\.(weight|bias)", k)}
    if not {"0.weight", "0.bias"} <= shapes.keys():
        some = ", ".join(list(state)[:3]) or "nothing"
        raise StyleNetError(
            f"encoder.weights={source} is not a VGG state dict: it holds {some}; "
            f"expected features.0.weight, features.0.bias, …"
        )
    wrong = [k for k, shape in shapes.items() if expected.get(k) != shape]
    if wrong:
        fits = [
            name for name in ARCHITECTURES if shapes.items() <= _shapes(vgg_layers(name)).items()
        ]
        advice = f"use encoder={fits[0]}" if fits else "use the file of a torchvision VGG"
        raise StyleNetError(
            f"encoder.weights={source} is not {architecture}: features.{wrong[0]} has shape "
            f"{shapes[wrong[0]]}, expected {expected.get(wrong[0], 'no such layer')}; {advice}"
        )
    filled: dict[str, nn.Module] = {}
    for index, (name, layer) in enumerate(layers.items()):
        if isinstance(layer, nn.Conv2d):
            keys = [f"{index}.weight", f"{index}.bias"]
            if not all(key in shapes for key in keys):
                break
            tensors = {"weight": state[keys[0]].float(), "bias": state[keys[1]].float()}
            if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
                raise StyleNetError(
                    f"encoder.weights={source}: layer {name} holds NaN or infinity. Give an intact "
                    f"file."
                )
            layer.load_state_dict(tensors, assign=True)
        filled[name] = layer
    return filled


def convolution_weights(architecture: str, weights: str, layer: str) -> dict[str, Tensor]:
    """Load the weights of a VGG's convolutions up to a layer.

    Args:
        architecture: ``vgg16`` or ``vgg19``.
        weights: See :func:`load_weights`.
        layer: A layer such as ``relu4_1``.

    Returns:
        ``conv1_1.weight``, ``conv1_1.bias`` and so on.

    Raises:
        StyleNetError: See :func:`load_weights` and :func:`match_layers`;
            or the weights end before the layer.
    """
    state = load_weights(architecture, weights)
    layers = match_layers(architecture, vgg_layers(architecture), state, weights)
    if layer not in layers:
        raise StyleNetError(f"{weights} ends before {layer}")
    tensors: dict[str, Tensor] = {}
    for name, module in layers.items():
        if isinstance(module, nn.Conv2d):
            tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
        if name == layer:
            break
    return tensors


def is_cached(architecture: str) -> bool:
    """Return whether torchvision's cache holds the ImageNet weights.

    Args:
        architecture: ``vgg16`` or ``vgg19``.
    """
    return _cache_path(architecture).is_file()


def _cache_path(architecture: str) -> Path:
    """Return the path of torchvision's download."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(_IMAGENET[architecture].url).name


def _shapes(layers: dict[str, nn.Module]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a VGG's weights by torchvision's names."""
    return {
        f"{index}.{key}": tuple(getattr(layer, key).shape)
        for index, layer in enumerate(layers.values())
        if isinstance(layer, nn.Conv2d)
        for key in ("weight", "bias")
    }


def _download(architecture: str) -> dict[str, Tensor]:
    """Load torchvision's ImageNet weights from its cache, or download them into it."""
    source = _IMAGENET[architecture]
    path = _cache_path(architecture)
    if path.is_file():  # checked like any file, because users may put files there
        return read_state_dict(path, "encoder.weights")[0]
    try:
        return dict(source.get_state_dict(progress=True, check_hash=True, weights_only=True))
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong hash a RuntimeError
        raise StyleNetError(
            f"the ImageNet weights of {architecture} could not be downloaded from {source.url} "
            f"({error}); save that file as {path}, give another: encoder.weights=PATH, or "
            f"train with the bundled small encoder: encoder=lite"
        ) from error


def _random(architecture: str) -> dict[str, Tensor]:
    """Return random weights that keep the magnitude of features (He et al. 2015)."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for index, layer in enumerate(vgg_layers(architecture).values()):
        if isinstance(layer, nn.Conv2d):
            weight = torch.empty(layer.weight.shape)
            nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
            state[f"features.{index}.weight"] = weight
            state[f"features.{index}.bias"] = torch.zeros(layer.out_channels)
    return state
