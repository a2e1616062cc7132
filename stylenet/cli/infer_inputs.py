"""Inputs of ``stylenet infer``, the options that each type takes, and the path of the result."""

from enum import Enum
from pathlib import Path

from omegaconf import DictConfig

from stylenet.errors import StyleNetError
from stylenet.files import user_path
from stylenet.image import SUFFIXES, check_background
from stylenet.inference.files import name_result
from stylenet.video import VideoOptions
from stylenet.video.clip import Clip
from stylenet.video.suffixes import VIDEO_SUFFIXES


class InputType(Enum):
    """Type of an input, by its name in messages."""

    CAMERA = "a camera"
    FOLDER = "a folder"
    IMAGE = "an image"
    INTERPOLATION = "interpolate"
    VIDEO = "a video"


# Options that a type of input cannot use; ignoring them silently would look like obeying.
_UNUSED = {
    InputType.CAMERA: ("name", "format", "quality", "background"),
    InputType.FOLDER: (),
    InputType.IMAGE: (),
    InputType.INTERPOLATION: ("regions", "blend_with", "name", "format", "quality", "background"),
    InputType.VIDEO: ("name", "format", "quality", "background"),
}


def find_input_type(config: DictConfig) -> InputType:
    """Find out what ``input`` names.

    Args:
        config: configs/infer.yaml, composed.

    Raises:
        StyleNetError: ``input`` is empty or missing, or ``interpolate`` gets something else than an
            image.
    """
    name, source = str(config.input), user_path(str(config.input))
    input_type = _type_of(name, source, config.output)
    if config.interpolate is None:
        return input_type
    if input_type is not InputType.IMAGE:
        raise StyleNetError(f"input={name}: interpolate makes a video of one image. Give an image.")
    return InputType.INTERPOLATION


def _type_of(name: str, source: Path, output: str | None) -> InputType:
    if not name:
        raise StyleNetError("input is empty. Give an image, a folder, a video or camera.")
    is_camera = name == "camera" or name.startswith("camera:")
    if is_camera and not source.is_file():
        return InputType.CAMERA
    if not source.exists():
        raise StyleNetError(f"input={source}: no such file or folder")
    if source.is_dir():
        return InputType.FOLDER
    if source.suffix.lower() in VIDEO_SUFFIXES:
        return InputType.VIDEO
    # An unknown suffix leaves it to the output's: no image becomes a video.
    is_image = source.suffix.lower() in SUFFIXES
    if not is_image and Path(str(output)).suffix.lower() in VIDEO_SUFFIXES:
        return InputType.VIDEO
    return InputType.IMAGE


def check_used(config: DictConfig, input_type: InputType, video: VideoOptions) -> None:
    """Refuse options that this type of input cannot use.

    Args:
        config: configs/infer.yaml, composed.
        input_type: From :func:`find_input_type`.
        video: The options below ``video``.

    Raises:
        StyleNetError: Such an option is set.
    """
    name = input_type.value
    for key in _UNUSED[input_type]:
        if config[key] is not None:
            is_video_quality = key == "quality" and input_type is InputType.VIDEO
            advice = "Use video.quality." if is_video_quality else "Leave it out."
            raise StyleNetError(f"{key}={config[key]} is not for {name}. {advice}")
    if input_type is InputType.CAMERA and video.clip != Clip():
        raise StyleNetError("video.start, end and fps are not for a camera. Leave them out.")
    moves = input_type in (InputType.CAMERA, InputType.VIDEO)
    if not moves and video != VideoOptions():
        raise StyleNetError(f"video.* is for videos and cameras, not for {name}. Leave it out.")


def read_background(config: DictConfig) -> str:
    """Return the color below transparent parts, for formats without transparency."""
    background = "white" if config.background is None else config.background
    check_background(background)
    return str(background)


def choose_target(config: DictConfig, source: Path, style: str) -> Path:
    """Choose the path of a result: ``output``, or a name made of input and style.

    Args:
        config: configs/infer.yaml, composed.
        source: The image or video.
        style: Name of the style.

    Raises:
        StyleNetError: ``output`` names a file, and so do ``name`` or ``format``.
    """
    target = None if config.output is None else user_path(config.output)
    is_folder = target is not None and (target.is_dir() or str(config.output).endswith("/"))
    if target is not None and not is_folder:
        if config.name or config.format:
            raise StyleNetError(
                f"output={target} already names the result. Leave name and format out, or give a "
                f"folder."
            )
        return target
    pattern = "{name}_{style}" if target is None or config.format else "{name}"
    if source.suffix.lower() in VIDEO_SUFFIXES:  # another suffix is a video only by its output
        file_name = pattern.format(name=source.stem, style=style) + source.suffix
    else:
        file_name = name_result(source, style, str(config.name or pattern), config.format)
    return Path(file_name) if target is None else target / file_name
