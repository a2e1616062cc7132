"""Choice of a style, and of dials, in the network of a checkpoint."""

from dataclasses import replace
from pathlib import Path

from stylenet.checkpoint.file import load_checkpoint
from stylenet.checkpoint.metadata import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.methods.arbitrary_style.selection import STYLE_SIZE
from stylenet.methods.selection import selection_of
from stylenet.networks import StyleNetwork
from stylenet.pretrained import ANY_STYLE


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
    style: str | None,
    style_size: int | None,
    stroke: float | None = None,
    style_weight: float | None = None,
) -> tuple[StyleNetwork, CheckpointInfo]:
    """Choose dials and style of a network; see :func:`load_style`.

    Args:
        network: From :func:`load_checkpoint`.
        info: From :func:`load_checkpoint`.
        path: The checkpoint, for messages.
        style: See :func:`load_style`.
        style_size: See :func:`load_style`.
        stroke: See :func:`load_style`.
        style_weight: See :func:`load_style`.

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
