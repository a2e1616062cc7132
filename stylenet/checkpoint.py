"""The checkpoint that inference takes: a network's weights and what they are, in one safe file."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

import stylenet
from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, user_path
from stylenet.frozen_encoder import find_again, leave_out
from stylenet.methods.adain.selection import STYLE_SIZE
from stylenet.methods.selection import selection_of
from stylenet.networks import StyleNetwork, build_network
from stylenet.pretrained import pretrained_styles
from stylenet.program import command

# Raised when a file written by a newer version could not be understood by this one.
FORMAT_VERSION = 1

# safetensors metadata maps strings to strings; all of ours is one JSON string under this key.
_METADATA_KEY = "stylenet"


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says of itself.

    Attributes:
        style: Name of the style; of a network that holds several, their joint name.
        step: Training steps taken.
        recipe: The composed options of the run, as plain values.
        package_version: The StyleNet that wrote it.
        description: What the style is, in a line, for lists.
    """

    style: str
    step: int
    recipe: dict[str, Any] = field(default_factory=dict)
    package_version: str = stylenet.__version__
    description: str = ""


def save_checkpoint(
    path: str | Path, network: StyleNetwork, info: CheckpointInfo, half: bool = False
) -> None:
    """Writes a network for inference; the file appears whole or not at all.

    Args:
        path: Where to, by convention ``*.safetensors``.
        network: Built by :func:`stylenet.networks.build_network`.
        info: What it is.
        half: Whether to write the weights in float16, at half the size.

    Raises:
        StyleNetError: The file cannot be written.
    """
    metadata = {
        "format_version": FORMAT_VERSION,
        "network": {"name": network.name, "arguments": network.arguments},
        **asdict(info),
    }
    # contiguous() also leaves channels-last, which the format cannot say.
    weights = {
        key: value.detach().to("cpu", memory_format=torch.contiguous_format).contiguous()
        for key, value in network.state_dict().items()
    }
    if network.referenced_prefix:
        weights, metadata["encoder"] = leave_out(network, weights)
    if half:
        weights = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    content = save(weights, metadata={_METADATA_KEY: json.dumps(metadata)})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def load_checkpoint(
    path: str | Path, encoder_weights: str | Path | None = None
) -> tuple[StyleNetwork, CheckpointInfo]:
    """Reads a network for inference. Runs no code from the file.

    Args:
        path: See :func:`find_checkpoint`.
        encoder_weights: The file of an encoder's weights, where a network needs them beside its
            own; ``None`` for where training found them, or torchvision keeps them.

    Returns:
        The network on the CPU in evaluation mode, and what it is.

    Raises:
        StyleNetError: The file is missing, damaged, not a checkpoint, or of a newer format; or the
            encoder's weights are not found.
    """
    path = find_checkpoint(path)
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_METADATA_KEY)
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise StyleNetError(
            f"{path} is not a StyleNet checkpoint, or damaged ({error}); "
            f"expected a .safetensors file that {command('train')} wrote, or a run folder"
        ) from error
    if text is None:
        raise StyleNetError(
            f"{path} holds weights but no StyleNet metadata; it is a checkpoint of another program"
        )
    try:
        metadata = json.loads(text)
        version = metadata["format_version"]
        if version > FORMAT_VERSION:
            raise StyleNetError(
                f"{path} has format {version}, written by StyleNet {metadata['package_version']}; "
                f"this is {stylenet.__version__}, which reads up to {FORMAT_VERSION}: "
                f"pip install --upgrade stylenet"
            )
        try:
            network = build_network(metadata["network"]["name"], **metadata["network"]["arguments"])
        except StyleNetError as error:
            raise StyleNetError(f"{path}: {error}") from error
        info = CheckpointInfo(
            metadata["style"],
            metadata["step"],
            metadata["recipe"],
            metadata["package_version"],
            metadata.get("description", ""),  # files of before there was one
        )
        if network.referenced_prefix:
            recorded, recipe = metadata["encoder"], info.recipe.get("encoder")
            try:
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


def load_style(
    path: str | Path,
    style: str | None = None,
    style_size: int | None = STYLE_SIZE,
    encoder_weights: str | Path | None = None,
) -> tuple[StyleNetwork, CheckpointInfo]:
    """Reads a network for inference in one style, whatever styles its checkpoint holds.

    Args:
        path: See :func:`find_checkpoint`.
        style: One of the checkpoint's styles, or a mixture such as ``starry:0.6,mosaic:0.4``;
            ``None`` for the first. Of one for any style: an image, or several, see
            :func:`stylenet.methods.adain.selection.parse_style_images`.
        style_size: The shorter side that they are brought to, in pixels; ``None`` leaves them.
        encoder_weights: See :func:`load_checkpoint`.

    Returns:
        A network of one style, on the CPU in evaluation mode, and what it is. The style of a
        mixture is called ``starry+mosaic``.

    Raises:
        StyleNetError: See :func:`load_checkpoint`; or the checkpoint has no such style.
    """
    network, info = load_checkpoint(path, encoder_weights)
    selection = selection_of(network)
    try:
        selected, name = selection.select(network, style, style_size, info.style)
    except StyleNetError as error:
        raise StyleNetError(f"checkpoint={path}: {error}") from error
    return selected, replace(info, style=name)


def start_from(
    network: StyleNetwork, path: str | Path, encoder_weights: str | Path | None = None
) -> None:
    """Fills a network with the weights of a trained one.

    Args:
        network: To be trained further.
        path: See :func:`load_checkpoint`.
        encoder_weights: See there.

    Raises:
        StyleNetError: See :func:`load_checkpoint`; or the trained one is of another kind or size.
    """
    trained, _ = load_checkpoint(path, encoder_weights)
    try:
        network.initialize_from(trained)
    except StyleNetError as error:
        raise StyleNetError(f"init={path}: {error}") from error


def find_checkpoint(path: str | Path) -> Path:
    """Finds the checkpoint that a user means.

    Args:
        path: A checkpoint, a run folder, or the name of a style that StyleNet brings.

    Returns:
        The file: of a run folder the one with the most training steps.

    Raises:
        StyleNetError: There is none.
    """
    pretrained = pretrained_styles().get(str(path))
    path = user_path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        if pretrained is not None:
            return pretrained
        raise StyleNetError(
            f"checkpoint={path}: no such file or folder; give a run folder, a .safetensors file, "
            f"or one of the styles {', '.join(pretrained_styles())}"
        )
    # What begins with a dot is a file still being written, or left by a crash while it was.
    final, others = (
        sorted(folder.glob("[!.]*.safetensors")) for folder in (path, path / "checkpoints")
    )
    # Those beside the training checkpoints have the step, padded with zeros, in their names. One of
    # them is newer than the final one while a finished run is made longer.
    found = [*others[-1:], *final]
    if found:
        return max(reversed(found), key=_read_step)
    raise StyleNetError(
        f"checkpoint={path} holds no .safetensors file; was it trained to its first checkpoint?"
    )


def _read_step(path: Path) -> int:
    """The training steps of a checkpoint, from its header alone; -1 where it does not say."""
    try:
        with safe_open(path, framework="pt") as file:
            return int(json.loads((file.metadata() or {})[_METADATA_KEY])["step"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return -1  # whoever loads it says why
