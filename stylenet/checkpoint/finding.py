"""From the checkpoint or the style that a user names to a file."""

from pathlib import Path

from stylenet.checkpoint.metadata import read_step
from stylenet.errors import StyleNetError
from stylenet.files import user_path
from stylenet.hub import SCHEME, download_checkpoint
from stylenet.methods.arbitrary_style.selection import names_style_image, parse_style_images
from stylenet.pretrained import ANY_STYLE, pretrained_style, pretrained_styles


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
        return max(reversed(candidates), key=read_step)
    raise StyleNetError(
        f"checkpoint={path} holds no .safetensors file; train it to its first checkpoint, see "
        f"callbacks.checkpoints.every_n_steps"
    )


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
