"""Frozen encoder weights that checkpoints reference by hash instead of storing."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.files import user_path
from stylenet.networks import StyleNetwork

# Network arguments that hold the encoder's name and layer.
_ARGUMENTS = {"name": "encoder", "layer": "layer"}
# Values of encoder.weights that are not paths.
_NOT_PATHS = ("imagenet", "random")


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the names, shapes and float32 values of weights."""
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
    """Remove the frozen encoder's weights from the weights of a network.

    Args:
        network: Network whose ``referenced_prefix`` is the key prefix of the encoder's weights.
        weights: All weights of the network.

    Returns:
        The other weights, and the encoder's name, layer and SHA-256.
    """
    kept = {k: v for k, v in weights.items() if not k.startswith(network.referenced_prefix)}
    encoder_weights = {
        k.removeprefix(network.referenced_prefix): v for k, v in weights.items() if k not in kept
    }
    record = {key: str(network.arguments[_ARGUMENTS[key]]) for key in _ARGUMENTS}
    return kept, {**record, "sha256": fingerprint(encoder_weights)}


def find_again(
    network: StyleNetwork, recorded: Mapping[str, str], trained_with: Any, given: str | Path | None
) -> dict[str, Tensor]:
    """Find the encoder weights that a checkpoint references.

    Args:
        network: Network of the checkpoint.
        recorded: Name, layer and SHA-256 of the encoder; see :func:`leave_out`.
        trained_with: ``encoder`` of the checkpoint's recipe, with a path or ``imagenet`` as
            ``weights``; ignored if it is not a dict.
        given: Weights that the user names. ``None`` for the recipe's weights, then torchvision's
            cache; torchvision downloads them if the recipe says ``imagenet``.

    Returns:
        The weights, by their names in the network.

    Raises:
        StyleNetError: The weights are not found, or differ from those of the training.
    """
    # Imported here because it imports torchvision, which other networks do not need.
    from stylenet.perceptual.weights import convolution_weights, is_cached

    name, layer, sha256 = (recorded[key] for key in (*_ARGUMENTS, "sha256"))
    source = trained_with.get("weights") if isinstance(trained_with, dict) else None
    reason = f"encoder.weights={source} of its recipe was not found"
    sources = [str(given)] if given else []
    if not given and (source in _NOT_PATHS or user_path(source).is_file()):
        sources.append(str(source))
    if not given and source != "imagenet" and is_cached(name):
        sources.append("imagenet")
    for source in sources:
        try:
            weights = convolution_weights(name, source, layer)
        except StyleNetError as error:
            reason = str(error)
            continue
        if fingerprint(weights) == sha256:
            return {f"{network.referenced_prefix}{key}": value for key, value in weights.items()}
        reason = f"those of {source} differ"
    raise StyleNetError(
        f"it needs the weights of {name} up to {layer} that it was trained with, but {reason}; "
        f"give their file: encoder_weights=PATH (for training: encoder.weights=PATH)"
    )
