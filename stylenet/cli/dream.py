"""The command that dreams on an image."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from tqdm import tqdm

from stylenet.cli.app import build, run
from stylenet.dreaming import DreamOptions, ZoomOptions, dream, dream_video, octave_sizes
from stylenet.errors import LARGEST_SEED, StyleNetError, check_number
from stylenet.files import check_output, user_path
from stylenet.image import (
    LoadedImage,
    check_quality,
    check_writable_suffix,
    flatten,
    load_image,
    resize_long_side,
    save_image,
    to_image,
    to_tensor,
)
from stylenet.inference.precision import choose_device
from stylenet.perceptual import DreamLoss, Encoder
from stylenet.video.new_video import new_video

# What is dreamt of where nothing else is said: the first that the encoder has. Of VGG-19's layers
# relu5_1 (seen through its distilled form) made eyes and faces, relu4_1 little but scales, relu3_4
# strokes, curls and nodes everywhere; VGG-16 has relu3_3 in its place.
_LAYERS = ("relu5_1", "relu3_4", "relu3_3")


def main() -> None:
    """Runs ``scripts/dream.py``."""
    run(dream_command, "dream")


def dream_command(config: DictConfig) -> None:
    """Dreams on an image, or makes a video that goes into the dream.

    Args:
        config: configs/dream.yaml, composed.

    Raises:
        StyleNetError: An option is impossible, an image unusable or the output unwritable.
    """
    names = [field.name for field in dataclasses.fields(DreamOptions)]
    options = DreamOptions(**{name: config[name] for name in names})
    video = None
    if config.zoom_frames is not None:
        video = ZoomOptions(config.zoom_frames, config.zoom, config.zoom_steps)
    check_number("seed", config.seed, minimum=0, maximum=LARGEST_SEED, integer=True)
    source = user_path(config.input)
    target = _target(config, source)
    picture = _load(config, "input", "size")
    octaves = len(octave_sizes(picture.rgb.height, picture.rgb.width, options))
    device = choose_device(str(config.device))
    loss = _loss(config, device)
    generator = torch.Generator().manual_seed(config.seed)
    steps = octaves * options.steps
    if video is not None:
        steps += (video.frames - 1) * octaves * video.steps
        check_number("fps", config.fps, minimum=1, integer=True)
        image = to_tensor(flatten(picture)).to(device)
        with new_video(target, config.fps) as out, _bar(steps) as bar:
            for frame in dream_video(image, loss, options, video, generator, bar.update):
                out.write(np.asarray(to_image(frame)))
    else:
        image = to_tensor(picture.rgb).to(device)
        with _bar(steps) as bar:
            dreamt = dream(image, loss, options, generator, bar.update)
        save_image(dataclasses.replace(picture, rgb=to_image(dreamt)), target, config.quality)
    print(target)


def _target(config: DictConfig, source: Path) -> Path:
    """Where the result goes, refused at once where nothing can be written."""
    made = f"{source.stem}_dream{'.png' if config.zoom_frames is None else '.mp4'}"
    target = user_path(made if config.output is None else str(config.output))
    if target.is_dir():
        target /= made
    if config.zoom_frames is None:
        check_writable_suffix(target)
    check_quality(config.quality)
    check_output(target, source)
    return target


def _load(config: DictConfig, name: str, size_name: str) -> LoadedImage:
    """The image that an option names, as large as another says, which is enough to dream on."""
    picture, size = load_image(user_path(config[name])), config[size_name]
    if size is not None:
        check_number(size_name, size, minimum=1, integer=True)
        picture = resize_long_side(picture, size)
    try:
        octave_sizes(picture.rgb.height, picture.rgb.width, DreamOptions())
    except StyleNetError as error:
        raise StyleNetError(f"{name}={config[name]}: {error} by {size_name}") from error
    return picture


def _loss(config: DictConfig, device: torch.device) -> DreamLoss:
    """What the encoder is asked, on its device."""
    encoder: Encoder = build(config.encoder)
    plain: Any = OmegaConf.to_container(config, resolve=True)
    layers = plain["layers"]
    if layers is None:
        has = encoder.layers
        relus = [layer for layer in has if layer.startswith("relu")]
        layers = [next((layer for layer in _LAYERS if layer in has), relus[-1])]
    guide = _guide(config)
    return DreamLoss(encoder, layers, plain["channels"], guide).to(device)


def _guide(config: DictConfig) -> Tensor | None:
    """The image to dream of, shape (1, 3, H, W)."""
    if config.guide is None:
        return None
    return to_tensor(flatten(_load(config, "guide", "guide_size")))


def _bar(steps: int) -> tqdm:
    """A bar that shows steps and the time left, on stderr."""
    return tqdm(total=steps, unit="step", dynamic_ncols=True)
