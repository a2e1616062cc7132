"""The frozen encoder's part of a network that a checkpoint names in the place of holding it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.files import user_path
from stylenet.networks import StyleNetwork

# Under which of a network's arguments the encoder's name and layer are.
_ARGUMENTS = {"name": "encoder", "layer": "layer"}
# Weights that are no file of the user's.
_MADE = ("imagenet", "random")


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """Tells weights apart by their names, shapes and values in float32.

    Args:
        weights: By name.

    Returns:
        SHA-256 in hexadecimal.
    """
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = (
            weights[name].detach().to("cpu", torch.float32, memory_format=torch.contiguous_format)
        )
        digest.update(f"{name} {tuple(value.shape)}\n".encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def leave_out(
    network: StyleNetwork, weights: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Takes out what a checkpoint names in the place of holding it.

    Args:
        network: Says what that is.
        weights: All of its weights.

    Returns:
        The rest, and the name, layer and SHA-256 of the encoder's.
    """
    kept = {k: v for k, v in weights.items() if not k.startswith(network.referenced_prefix)}
    part = {
        k.removeprefix(network.referenced_prefix): v for k, v in weights.items() if k not in kept
    }
    told = {key: str(network.arguments[_ARGUMENTS[key]]) for key in _ARGUMENTS}
    return kept, {**told, "sha256": fingerprint(part)}


def find_again(
    network: StyleNetwork, recorded: Mapping[str, str], trained_with: Any, given: str | Path | None
) -> dict[str, Tensor]:
    """Finds the weights that a checkpoint names.

    Args:
        network: Whose they are.
        recorded: What the checkpoint says of them, see :func:`leave_out`.
        trained_with: The ``encoder`` of its recipe, whose ``weights`` are a path or ``imagenet``;
            anything else where there is no such recipe.
        given: What the user says for them; ``None`` for what the recipe says, or torchvision's
            cache, or, if the recipe says ``imagenet``, its download.

    Returns:
        The weights, by their names in the network.

    Raises:
        StyleNetError: They are not found, or others than those it was trained with.
    """
    # Only here, for it imports torchvision, which networks of their own weights never need.
    from stylenet.perceptual.weights import convolution_weights, is_cached

    name, layer, wanted = (recorded[key] for key in (*_ARGUMENTS, "sha256"))
    source = trained_with.get("weights") if isinstance(trained_with, dict) else None
    reason = f"encoder.weights={source} of its recipe is not here"
    sources = [str(given)] if given else []
    if not given and (source in _MADE or user_path(source).is_file()):
        sources.append(str(source))
    if not given and source != "imagenet" and is_cached(name):
        sources.append("imagenet")
    for source in sources:
        try:
            found = convolution_weights(name, source, layer)
        except StyleNetError as error:
            reason = str(error)
            continue
        if fingerprint(found) == wanted:
            return {f"{network.referenced_prefix}{key}": value for key, value in found.items()}
        reason = f"those of {source} are others"
    raise StyleNetError(
        f"it needs the weights of {name} up to {layer} that it was trained with, and {reason}; "
        f"give their file: encoder_weights=PATH (in training encoder.weights=PATH)"
    )
