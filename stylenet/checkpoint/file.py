"""The file of a checkpoint: weights and metadata of a network, without code."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

import stylenet
from stylenet.checkpoint.finding import find_checkpoint
from stylenet.checkpoint.metadata import FORMAT_VERSION, METADATA_KEY, CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.files import atomic_path
from stylenet.frozen_encoder import find_again, leave_out
from stylenet.networks import StyleNetwork, build_network
from stylenet.program import command


def save_checkpoint(
    path: str | Path, network: StyleNetwork, info: CheckpointInfo, half: bool = False
) -> None:
    """Write a network for inference; the file appears complete or not at all.

    Args:
        path: Path of the file, by convention ``*.safetensors``.
        network: Built by :func:`stylenet.networks.build_network`.
        info: Metadata of the checkpoint.
        half: Whether to write the weights in float16, which halves the file.

    Raises:
        StyleNetError: The file cannot be written.
    """
    metadata = {
        "format_version": FORMAT_VERSION,
        "network": {"name": network.name, "arguments": network.arguments},
        **asdict(info),
    }
    # contiguous() also undoes channels-last, which the format does not know.
    weights = {
        key: value.detach().to("cpu", memory_format=torch.contiguous_format).contiguous()
        for key, value in network.state_dict().items()
    }
    if network.referenced_prefix:
        weights, metadata["encoder"] = leave_out(network, weights)
    if half:
        weights = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    content = save(weights, metadata={METADATA_KEY: json.dumps(metadata)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def load_checkpoint(
    path: str | Path, encoder_weights: str | Path | None = None
) -> tuple[StyleNetwork, CheckpointInfo]:
    """Read a network for inference. No code from the file is run.

    Args:
        path: See :func:`find_checkpoint`.
        encoder_weights: File of the encoder's weights, for a checkpoint that references them.
            ``None`` for the file that training used, then torchvision's cache.

    Returns:
        The network on the CPU in evaluation mode, and its metadata.

    Raises:
        StyleNetError: The file is missing, damaged, not a checkpoint or of a newer format, or the
            encoder's weights are not found.
    """
    path = find_checkpoint(path)
    weights, text = _read(path)
    try:
        metadata = json.loads(text)
        _check_version(metadata)
        network = build_network(metadata["network"]["name"], **metadata["network"]["arguments"])
        info = CheckpointInfo(
            metadata["style"],
            metadata["step"],
            metadata["recipe"],
            metadata["package_version"],
            metadata.get("description", ""),  # older files have none
        )
        if network.referenced_prefix:
            recorded, recipe = metadata["encoder"], info.recipe.get("encoder")
            weights |= find_again(network, recorded, recipe, encoder_weights)
    except StyleNetError as error:
        raise StyleNetError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StyleNetError(f"{path}: its StyleNet metadata is damaged ({error!r})") from error
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise StyleNetError(
            f"{path}: its weights do not fit the network {network.name} that it names "
            f"({str(error).splitlines()[1].strip()})"
        ) from error
    return network.eval(), info


def _read(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read the weights of a checkpoint and its metadata, as JSON."""
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise StyleNetError(
            f"{path} is not a StyleNet checkpoint, or damaged ({error}); "
            f"give a .safetensors file that {command('train')} wrote, or a run directory"
        ) from error
    if text is None:
        raise StyleNetError(
            f"{path} holds weights without StyleNet metadata, so another program wrote it; "
            f"convert it with {command('import')} input={path} output=STYLE.safetensors"
        )
    return weights, text


def _check_version(metadata: dict[str, Any]) -> None:
    version = metadata["format_version"]
    if version > FORMAT_VERSION:
        raise StyleNetError(
            f"it has format {version}, written by StyleNet {metadata['package_version']}; this is "
            f"{stylenet.__version__}, which reads up to {FORMAT_VERSION}: "
            f"pip install --upgrade stylenet"
        )
