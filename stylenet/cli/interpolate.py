"""A film in which a picture goes from one style of a network to the next."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from stylenet.checkpoint import load_artefact
from stylenet.cli.new_film import new_film
from stylenet.errors import StyleNetError, check_number
from stylenet.image import flatten, load_picture
from stylenet.inference import RepaintSettings, Stylizer
from stylenet.networks import JohnsonMultiNetwork, joint_name, mean_mixture, parse_mixture

Progress = Callable[[int, int], None]


def interpolate(
    config: DictConfig,
    source: Path,
    settings: RepaintSettings,
    mask: Image.Image | None,
    progress: Progress,
) -> None:
    """Makes the film and prints where it is.

    Args:
        config: configs/infer.yaml, composed, with ``interpolate``.
        source: The picture.
        settings: How each frame is repainted.
        mask: Mode L, of the picture's size: white where it is to be repainted.
        progress: Called after each frame with the number of those done and of all.

    Raises:
        StyleNetError: A setting is impossible, or the picture or the network unusable.
    """
    stops = _stops(config)
    check_number("frames", config.frames, minimum=len(stops), integer=True)
    check_number("fps", config.fps, minimum=1, integer=True)
    if config.checkpoint is None or config.style_name is not None:
        raise StyleNetError(
            "interpolate goes between the styles of checkpoint=PATH, a network that was trained "
            "with network=johnson_multi; give that, and no style"
        )
    network, info = load_artefact(str(config.checkpoint))
    if not isinstance(network, JohnsonMultiNetwork):
        raise StyleNetError(
            f"checkpoint={config.checkpoint} holds one style, {info.style}; interpolate needs a "
            f"network that was trained with network=johnson_multi"
        )
    try:
        first, *_ = (network.select(stop) for stop in stops)
    except StyleNetError as error:
        raise StyleNetError(f"checkpoint={config.checkpoint}: {error}") from error
    stylizer = Stylizer(first, info, str(config.device), str(config.dtype))
    picture = load_picture(source)
    made = f"{source.stem}_{'-'.join(map(joint_name, stops))}.mp4"
    target = Path(made if config.output is None else str(config.output)).expanduser()
    if target.is_dir():
        target /= made
    with new_film(target, config.fps, "interpolate") as film:
        for frame in range(config.frames):
            position = frame * (len(stops) - 1) / (config.frames - 1)
            before = min(int(position), len(stops) - 2)
            mixture = mean_mixture(stops[before], stops[before + 1], position - before)
            stylizer.network = network.select(mixture)
            film.write(np.asarray(flatten(stylizer.repaint(picture, settings, mask))))
            progress(frame + 1, config.frames)
    print(target)


def _stops(config: DictConfig) -> Sequence[dict[str, float]]:
    """The styles, or mixtures of them, that the film goes through."""
    given = config.interpolate
    if not OmegaConf.is_list(given) or len(given) < 2:
        raise StyleNetError(
            f"interpolate={given} is not a list of two styles or more such as '[starry,mosaic]'"
        )
    return [parse_mixture(str(stop)) for stop in given]
