"""The command for DeepDream on an image."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from tqdm import tqdm

from stylenet.cli.app import build, run
from stylenet.dreaming import (
    DreamObjective,
    DreamOptions,
    ZoomOptions,
    dream,
    dream_video,
    octave_sizes,
)
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
from stylenet.perceptual import Encoder
from stylenet.video.new_video import new_video

# Default layer: the first of these that the encoder has. Of VGG-19's layers relu5_1 (in its
# distilled form) made eyes and faces, relu4_1 little but scales, relu3_4 strokes, curls and nodes
# everywhere; VGG-16 has relu3_3 in its place.
_LAYERS = ("relu5_1", "relu3_4", "relu3_3")


def main() -> None:
    """Run ``stylenet dream``."""
    run(dream_command, "dream")


def dream_command(config: DictConfig) -> None:
    """Run DeepDream on an image, or make a video that zooms into the dream.

    Args:
        config: configs/dream.yaml, composed.

    Raises:
        StyleNetError: An option is impossible, an image unusable or the output not writable.
    """
    names = [field.name for field in dataclasses.fields(DreamOptions)]
    options = DreamOptions(**{name: config[name] for name in names})
    video = None
    if config.zoom_frames is not None:
        video = ZoomOptions(config.zoom_frames, config.zoom, config.zoom_steps)
    check_number("seed", config.seed, minimum=0, maximum=LARGEST_SEED, integer=True)
    source = user_path(config.input)
    target = _target(config, source)
    photo = _load(config, "input", "size")
    octaves = len(octave_sizes(photo.rgb.height, photo.rgb.width, options))
    device = choose_device(str(config.device))
    loss = _loss(config, device)
    generator = torch.Generator().manual_seed(config.seed)
    steps = octaves * options.steps
    if video is not None:
        steps += (video.frames - 1) * octaves * video.steps
        check_number("fps", config.fps, minimum=1, integer=True)
        image = to_tensor(flatten(photo)).to(device)
        with new_video(target, config.fps) as out, _bar(steps) as bar:
            for frame in dream_video(image, loss, options, video, generator, bar.update):
                out.write(np.asarray(to_image(frame)))
    else:
        image = to_tensor(photo.rgb).to(device)
        with _bar(steps) as bar:
            dreamt = dream(image, loss, options, generator, bar.update)
        save_image(dataclasses.replace(photo, rgb=to_image(dreamt)), target, config.quality)
    print(target)


def _target(config: DictConfig, source: Path) -> Path:
    """Return the output path, after a check that it can be written."""
    name = f"{source.stem}_dream{'.png' if config.zoom_frames is None else '.mp4'}"
    target = user_path(name if config.output is None else str(config.output))
    if target.is_dir():
        target /= name
    if config.zoom_frames is None:
        check_writable_suffix(target)
    check_quality(config.quality)
    check_output(target, source)
    return target


def _load(config: DictConfig, name: str, size_name: str) -> LoadedImage:
    """Load the image of an option at the size of another, and check that it is large enough."""
    image, size = load_image(user_path(config[name])), config[size_name]
    if size is not None:
        check_number(size_name, size, minimum=1, integer=True)
        image = resize_long_side(image, size)
    try:
        octave_sizes(image.rgb.height, image.rgb.width, DreamOptions())
    except StyleNetError as error:
        raise StyleNetError(f"{name}={config[name]}: {error} by {size_name}") from error
    return image


def _loss(config: DictConfig, device: torch.device) -> DreamObjective:
    encoder: Encoder = build(config.encoder)
    plain: Any = OmegaConf.to_container(config, resolve=True)
    layers = plain["layers"]
    if layers is None:
        has = encoder.layers
        relus = [layer for layer in has if layer.startswith("relu")]
        layers = [next((layer for layer in _LAYERS if layer in has), relus[-1])]
    guide = _guide(config)
    return DreamObjective(encoder, layers, plain["channels"], guide).to(device)


def _guide(config: DictConfig) -> Tensor | None:
    """Load the guide image, shape (1, 3, H, W)."""
    if config.guide is None:
        return None
    return to_tensor(flatten(_load(config, "guide", "guide_size")))


def _bar(steps: int) -> tqdm:
    return tqdm(total=steps, unit="step", dynamic_ncols=True)
