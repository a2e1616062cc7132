"""Checkpoints for inference: the weights and the metadata of a network in one safe file."""

import json
from contextlib import suppress
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
from stylenet.hub import SCHEME, download_checkpoint
from stylenet.methods.arbitrary_style.selection import (
    STYLE_SIZE,
    names_style_image,
    parse_style_images,
)
from stylenet.methods.selection import selection_of
from stylenet.networks import StyleNetwork, build_network
from stylenet.pretrained import ANY_STYLE, base_networks, pretrained_style, pretrained_styles
from stylenet.program import command

# Increase it when an older version could misread the files of this one.
FORMAT_VERSION = 1

# safetensors metadata maps strings to strings, so all of ours is one JSON string under this key.
_METADATA_KEY = "stylenet"


@dataclass(frozen=True)
class CheckpointInfo:
    """Metadata of a checkpoint.

    Attributes:
        style: Name of the style; for a network of several styles, their joint name.
        step: Training steps taken.
        recipe: The composed options of the run, as plain values.
        package_version: Version of StyleNet that wrote the file.
        description: The style in one line, for lists.
    """

    style: str
    step: int
    recipe: dict[str, Any] = field(default_factory=dict)
    package_version: str = stylenet.__version__
    description: str = ""


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
    content = save(weights, metadata={_METADATA_KEY: json.dumps(metadata)})
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
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_METADATA_KEY)
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
            metadata.get("description", ""),  # older files have none
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
    stroke: float | None = None,
    style_weight: float | None = None,
) -> tuple[StyleNetwork, CheckpointInfo]:
    """Read a network of one style for inference, also from a checkpoint of several styles.

    Args:
        path: See :func:`find_checkpoint`.
        style: One of the checkpoint's styles, or a mixture such as ``starry:0.6,mosaic:0.4``;
            ``None`` for the first. For arbitrary styles (AdaIN): one image or several, see
            :func:`stylenet.methods.arbitrary_style.selection.parse_style_images`.
        style_size: Short side that these images are resized to, in pixels; ``None`` keeps their
            sizes.
        encoder_weights: See :func:`load_checkpoint`.
        stroke: For a network with dials: size of the strokes; ``None`` for 1.
        style_weight: For a network with dials: weight of the style; ``None`` for 1.

    Returns:
        A network of one style on the CPU in evaluation mode, and its metadata. The style of a
        mixture is called ``starry+mosaic``.

    Raises:
        StyleNetError: See :func:`load_checkpoint` and :func:`select_style`.
    """
    network, info = load_checkpoint(path, encoder_weights)
    return select_style(network, info, path, style, style_size, stroke, style_weight)


def select_style(
    network: StyleNetwork,
    info: CheckpointInfo,
    path: str | Path,
    style: str | None = None,
    style_size: int | None = STYLE_SIZE,
    stroke: float | None = None,
    style_weight: float | None = None,
) -> tuple[StyleNetwork, CheckpointInfo]:
    """Choose dials and style of a network; see :func:`load_style`.

    Args:
        network: From :func:`load_checkpoint`.
        info: From there.
        path: The checkpoint, for messages.
        style: See :func:`load_style`.
        style_size: See there.
        stroke: See there.
        style_weight: See there.

    Raises:
        StyleNetError: The network has no such style, or no dials, or a value is out of range.
    """
    try:
        turned = selection_of(network).turn(network, stroke, style_weight)
        selection = selection_of(turned)
        selected, name = selection.select(turned, style, style_size, info.style)
    except StyleNetError as error:
        if path == ANY_STYLE:  # chosen by a style image alone: the user named no checkpoint
            raise
        raise StyleNetError(f"checkpoint={path}: {error}") from error
    return selected, replace(info, style=name)


def find_style(style: str | None) -> tuple[Path, str | None]:
    """Find the bundled network that stylizes in a style.

    Args:
        style: Name of a pretrained style, or one or several style images, see
            :func:`stylenet.methods.arbitrary_style.selection.parse_style_images`.

    Returns:
        The checkpoint, and the style to choose in it: the images for the network of arbitrary
        styles, ``None`` for a pretrained style.

    Raises:
        StyleNetError: ``style`` is neither, or a weight is not a number above 0.
    """
    if style is None:
        raise StyleNetError(
            f"No style given. Give style=NAME ({', '.join(pretrained_styles())}), "
            f"style=painting.jpg with an image of your own, or checkpoint=PATH with a run "
            f"directory or a .safetensors file."
        )
    if style not in pretrained_styles() and names_style_image(style):
        parse_style_images(style)  # its message without the bundled checkpoint's path
        return ANY_STYLE, style
    return pretrained_style(style), None


def start_from(
    network: StyleNetwork, path: str | Path, encoder_weights: str | Path | None = None
) -> None:
    """Initialize a network with the weights of a trained one.

    Args:
        network: The network to train.
        path: See :func:`load_checkpoint`.
        encoder_weights: See :func:`load_checkpoint`.

    Raises:
        StyleNetError: See :func:`load_checkpoint`; also if the trained network has another
            architecture or size.
    """
    trained, _ = load_checkpoint(path, encoder_weights)
    try:
        network.initialize_from(trained)
    except StyleNetError as error:
        raise StyleNetError(f"init={path}: {error}") from error


def start_from_base(network: StyleNetwork) -> bool:
    """Initialize a network with the weights of the base network that fits it.

    Args:
        network: The network to train; unchanged if none fits.

    Returns:
        Whether a base network of the package has this architecture and size.
    """
    for path in base_networks():
        trained, _ = load_checkpoint(path)
        with suppress(StyleNetError):
            network.initialize_from(trained)
            return True
    return False


def find_checkpoint(path: str | Path) -> Path:
    """Find the checkpoint file that a user names.

    Args:
        path: A checkpoint, a run directory, the name of a pretrained style, ``any_style`` (the
            bundled network for arbitrary styles), or a repository of the Hugging Face Hub, such as
            ``hf://user/style``.

    Returns:
        The file; from a run directory, the one with the most training steps.

    Raises:
        StyleNetError: There is no such file.
    """
    if str(path).startswith(SCHEME):
        return download_checkpoint(str(path))
    pretrained = {**pretrained_styles(), ANY_STYLE.stem: ANY_STYLE}.get(str(path))
    path = user_path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        if pretrained is not None:
            return pretrained
        raise StyleNetError(
            f"checkpoint={path}: no such file or folder; give a run directory, a .safetensors "
            f"file, any_style, or one of the pretrained styles {', '.join(pretrained_styles())}"
        )
    # A name that starts with a dot is a temporary file, perhaps left by a crash.
    final, others = (
        sorted(folder.glob("[!.]*.safetensors")) for folder in (path, path / "checkpoints")
    )
    # Names beside the resume checkpoints hold the step, padded with zeros. The last of these is
    # newer than the final checkpoint while a finished run is trained for more steps.
    candidates = [*others[-1:], *final]
    if candidates:
        return max(reversed(candidates), key=_read_step)
    raise StyleNetError(
        f"checkpoint={path} holds no .safetensors file; train it to its first checkpoint, see "
        f"callbacks.checkpoints.every_n_steps"
    )


def _read_step(path: Path) -> int:
    """Read the training steps from a checkpoint's header; -1 if it holds none."""
    try:
        with safe_open(path, framework="pt") as file:
            return int(json.loads((file.metadata() or {})[_METADATA_KEY])["step"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return -1  # load_checkpoint reports the reason
