"""A video of one image that passes through several styles of a network."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from stylenet.checkpoint import CheckpointInfo, load_checkpoint
from stylenet.errors import StyleNetError, check_number
from stylenet.files import user_path
from stylenet.image import flatten, load_image
from stylenet.inference import StylizeOptions, Stylizer
from stylenet.inference.region_map import Mask
from stylenet.methods.selection import selection_of
from stylenet.networks import StyleNetwork, blend_networks
from stylenet.video.new_video import new_video

Progress = Callable[[int, int], None]

_NETWORKS = "network=johnson_multi, any_style or adain"


def interpolate(
    config: DictConfig,
    source: Path,
    options: StylizeOptions,
    mask: Mask | None,
    progress: Progress,
) -> None:
    """Write the video and print its path.

    Args:
        config: configs/infer.yaml, composed, with ``interpolate``.
        source: The image.
        options: Options of each frame.
        mask: As large as the image; see :meth:`stylenet.inference.Stylizer.stylize`.
        progress: Called after each frame with the number of finished frames and of all.

    Raises:
        StyleNetError: An option is impossible, or the image or the network is unusable.
    """
    stops = _stops(config)
    check_number("frames", config.frames, minimum=len(stops), integer=True)
    check_number("fps", config.fps, minimum=1, integer=True)
    if config.checkpoint is None or config.style_name is not None:
        raise StyleNetError(
            f"interpolate needs a network with several styles. Give checkpoint=PATH, trained with "
            f"{_NETWORKS}, and leave style out."
        )
    network, info = load_checkpoint(str(config.checkpoint), config.encoder_weights)
    try:
        networks, names = _networks(network, info, stops, config.style_size)
    except StyleNetError as error:
        raise StyleNetError(f"checkpoint={config.checkpoint}: {error}") from error
    if config.precision == "int8":
        raise StyleNetError(
            "precision=int8 does not work with interpolate, whose every frame would be calibrated "
            "again. Leave it out."
        )
    stylizer = Stylizer(networks[0], info, str(config.device), str(config.precision))
    image = load_image(source)
    file_name = f"{source.stem}_{'-'.join(names)}.mp4"
    target = user_path(file_name if config.output is None else str(config.output))
    if target.is_dir():
        target /= file_name
    with new_video(target, config.fps, "interpolate") as video:
        for frame in range(config.frames):
            position = frame * (len(stops) - 1) / (config.frames - 1)
            before = min(int(position), len(stops) - 2)
            # The networks differ only in their normalizations: blending mixes the styles.
            ends = networks[before], networks[before + 1]
            stylizer.network = blend_networks(*ends, position - before)
            video.write(np.asarray(flatten(stylizer.stylize(image, options, mask))))
            progress(frame + 1, config.frames)
    print(target)


def _networks(
    network: StyleNetwork, info: CheckpointInfo, stops: Sequence[str], size: int | None
) -> tuple[list[StyleNetwork], list[str]]:
    """Return the network of each stop and the name of its style."""
    selection = selection_of(network)
    if not selection.mixes:
        raise StyleNetError(
            f"it holds {selection.held}, {info.style}. Give a network trained with {_NETWORKS}."
        )
    pairs = [selection.select(network, stop, size, info.style) for stop in stops]
    return [selected for selected, _ in pairs], [name for _, name in pairs]


def _stops(config: DictConfig) -> list[str]:
    """Return the styles, or mixtures of styles, that the video passes through."""
    stops = config.interpolate
    if not OmegaConf.is_list(stops) or len(stops) < 2:
        raise StyleNetError(
            f"interpolate={stops} is not a list of two or more styles. Give one such as "
            f"'[starry,mosaic]'."
        )
    return [str(stop) for stop in stops]
