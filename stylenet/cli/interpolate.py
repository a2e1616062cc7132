"""A video in which an image goes from one style of a network to the next."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from stylenet.checkpoint import CheckpointInfo, load_checkpoint
from stylenet.errors import StyleNetError, check_number
from stylenet.files import user_path
from stylenet.image import flatten, load_image
from stylenet.inference import StylizeOptions, Stylizer
from stylenet.methods.selection import selection_of
from stylenet.networks import StyleNetwork, blend_networks
from stylenet.video.new_video import new_video

Progress = Callable[[int, int], None]

_KINDS = "network=johnson_multi or network=adain"


def interpolate(
    config: DictConfig,
    source: Path,
    options: StylizeOptions,
    mask: Image.Image | None,
    progress: Progress,
) -> None:
    """Makes the video and prints where it is.

    Args:
        config: configs/infer.yaml, composed, with ``interpolate``.
        source: The image.
        options: How each frame is stylized.
        mask: Mode L, of the image's size: white where it is to be stylized.
        progress: Called after each frame with the number of those done and of all.

    Raises:
        StyleNetError: An option is impossible, or the image or the network unusable.
    """
    stops = _stops(config)
    check_number("frames", config.frames, minimum=len(stops), integer=True)
    check_number("fps", config.fps, minimum=1, integer=True)
    if config.checkpoint is None or config.style_name is not None:
        raise StyleNetError(
            f"interpolate goes between the styles of checkpoint=PATH, a network that was trained "
            f"with {_KINDS}; give that, and no style"
        )
    network, info = load_checkpoint(str(config.checkpoint), config.encoder_weights)
    try:
        networks, names = _networks(network, info, stops, config.style_size)
    except StyleNetError as error:
        raise StyleNetError(f"checkpoint={config.checkpoint}: {error}") from error
    stylizer = Stylizer(networks[0], info, str(config.device), str(config.dtype))
    picture = load_image(source)
    made = f"{source.stem}_{'-'.join(names)}.mp4"
    target = user_path(made if config.output is None else str(config.output))
    if target.is_dir():
        target /= made
    with new_video(target, config.fps, "interpolate") as video:
        for frame in range(config.frames):
            position = frame * (len(stops) - 1) / (config.frames - 1)
            before = min(int(position), len(stops) - 2)
            # All but the normalizations is the same: this mixes the styles.
            ends = networks[before], networks[before + 1]
            stylizer.network = blend_networks(*ends, position - before)
            video.write(np.asarray(flatten(stylizer.stylize(picture, options, mask))))
            progress(frame + 1, config.frames)
    print(target)


def _networks(
    network: StyleNetwork, info: CheckpointInfo, stops: Sequence[str], size: int | None
) -> tuple[list[StyleNetwork], list[str]]:
    """The network of each stop, and what its style is called."""
    selection = selection_of(network)
    if not selection.mixes:
        raise StyleNetError(
            f"it holds {selection.held}, {info.style}; interpolate needs a network that was "
            f"trained with {_KINDS}"
        )
    pairs = [selection.select(network, stop, size, info.style) for stop in stops]
    return [selected for selected, _ in pairs], [name for _, name in pairs]


def _stops(config: DictConfig) -> list[str]:
    """The styles, or mixtures of them, that the video goes through."""
    given = config.interpolate
    if not OmegaConf.is_list(given) or len(given) < 2:
        raise StyleNetError(
            f"interpolate={given} is not a list of two styles or more such as '[starry,mosaic]'"
        )
    return [str(stop) for stop in given]
