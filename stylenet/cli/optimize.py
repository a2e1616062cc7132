"""The command that optimises a picture."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor

from stylenet.cli.adversarial import build_loss
from stylenet.cli.app import build, run
from stylenet.cli.optimize_colours import after, before, choose_colour
from stylenet.cli.optimize_progress import OptimizeProgress
from stylenet.cli.optimize_state import fingerprint, load_state, restore, save_state, state_path
from stylenet.cli.stopping import Stopping
from stylenet.data import StyleSettings, load_style_images
from stylenet.errors import StyleNetError, check_number
from stylenet.image import (
    Picture,
    check_writable_suffix,
    load_picture,
    save_picture,
    to_image,
    to_tensor,
)
from stylenet.inference.memory import free_memory
from stylenet.inference.precision import choose_device
from stylenet.optimisation import Optimisation, OptimisationSettings, plan_scales, resize
from stylenet.perceptual import PerceptualLoss


def main() -> None:
    """Runs ``scripts/optimize.py``."""
    run(optimize, "optimize")


def optimize(config: DictConfig) -> None:
    """Repaints a photo by optimising its pixels.

    Args:
        config: configs/optimize.yaml, composed.

    Raises:
        StyleNetError: A setting is impossible, a picture is unusable, or the loss diverges.
        SystemExit: A signal ended it, with the status that a shell expects.
    """
    settings = OptimisationSettings(
        *(config[name] for name in ("method", "start", "steps", "lr", "history", "seed"))
    )
    colour = choose_colour(config.preserve_color)
    _check(config)
    style: StyleSettings = build(config.style)
    source = Path(str(config.content)).expanduser()
    target = Path(str(config.output or f"{source.stem}_{style.name}.png")).expanduser()
    _check_target(target)
    device = choose_device(str(config.device))
    picture = _at_size(load_picture(source), config.size)
    photo = to_tensor(picture.rgb)
    height, width = photo.shape[-2:]
    factors = plan_scales((height, width), config.scales)
    _check_memory(settings, photo, device)
    content, style_images = before(colour, photo, load_style_images(style))
    mark = fingerprint(config, [content, *style_images])
    state = load_state(state_path(target), mark, config.resume)
    criteria = _criteria(config, style, style_images, factors, device)
    print(
        f"optimising {source} in {style.name}: {width}x{height} pixels on {device}, "
        f"{settings.steps:,} steps of {settings.method} at {_sizes(factors, width, height)}",
        flush=True,
    )

    def finish(image: Tensor) -> Picture:
        return dataclasses.replace(picture, rgb=to_image(after(colour, photo, image.cpu())))

    with _memory_as_one_line():
        optimisation = Optimisation(content.to(device), criteria, settings)
        if state is not None:
            restore(optimisation, state)
        with OptimizeProgress(config, target, finish) as progress, Stopping() as stopping:
            if state is None:
                progress.show(optimisation.now)
            while not optimisation.done and stopping.received is None:
                optimisation.advance()
                progress.show(optimisation.now)
        if not optimisation.done and stopping.received is not None:
            save_state(state_path(target), mark, optimisation)
            print("stopped and saved; go on with the same command and resume=true", flush=True)
            raise SystemExit(128 + stopping.received)
        image = optimisation.now.image
    save_picture(finish(image), target, config.quality)
    state_path(target).unlink(missing_ok=True)
    losses = ", ".join(f"{k} {v:.4g}" for k, v in optimisation.now.losses.items() if "/" not in k)
    print(f"step {optimisation.now.number:,}: {losses}")
    print(target)


def _check(config: DictConfig) -> None:
    """Refuses impossible values of what belongs to the command alone."""
    for name in ("size", "quality", "preview_every"):
        if config[name] is not None:
            check_number(name, config[name], minimum=1, integer=True)
    if not isinstance(config.resume, bool):
        raise StyleNetError(f"resume={config.resume} is neither true nor false")


def _check_target(target: Path) -> None:
    """Refuses at once what could not be written at the end."""
    check_writable_suffix(target)
    folder = next(parent for parent in target.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK) or target.is_dir():
        raise StyleNetError(
            f"cannot write output={target}; give the path of a file in your folders"
        )


def _at_size(picture: Picture, size: int | None) -> Picture:
    """The picture with its longer side as long as asked for."""
    if size is None or max(picture.rgb.size) == size:
        return picture
    factor = size / max(picture.rgb.size)
    width, height = (max(1, round(side * factor)) for side in picture.rgb.size)

    def resized(image: Image.Image) -> Image.Image:
        return image.resize((width, height), Image.Resampling.LANCZOS)

    alpha = None if picture.alpha is None else resized(picture.alpha)
    return dataclasses.replace(picture, rgb=resized(picture.rgb), alpha=alpha)


def _criteria(
    config: DictConfig,
    style: StyleSettings,
    style_images: Sequence[Tensor],
    factors: Sequence[float],
    device: torch.device,
) -> list[PerceptualLoss]:
    """What judges at each scale: at half the size against the style at half its size.

    So strokes have the same size beside the picture at all scales, as where a picture and its style
    are made smaller together (Gatys et al. 2017, section 6).
    """
    loss = build_loss(config)
    if style.layers is not None:
        loss = dataclasses.replace(loss, style_layers=style.layers)
    encoder = build(config.encoder).to(device)
    return [
        PerceptualLoss(
            encoder,
            loss,
            [resize(image.to(device), factor) for image in style_images],
            style.weight,
            style.image_weights,
        )
        for factor in factors
    ]


def _check_memory(settings: OptimisationSettings, photo: Tensor, device: torch.device) -> None:
    """Refuses at once what would run out of memory when L-BFGS has filled its history."""
    if settings.method != "lbfgs":
        return
    needed = 2 * min(settings.history, settings.steps) * photo.numel() * 4
    free = free_memory(device)
    if needed > free:
        raise StyleNetError(
            f"{settings.history} steps of lbfgs at {photo.shape[-1]}x{photo.shape[-2]} pixels take "
            f"{needed / 2**30:.1f} GiB, and {free / 2**30:.1f} are free; set a smaller size, a "
            f"smaller history or method=adam"
        )


@contextlib.contextmanager
def _memory_as_one_line() -> Iterator[None]:
    """Says in a line that memory ran out, which PyTorch says in several ways."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate" in str(error):
            raise StyleNetError(
                "the picture does not fit into memory; set a smaller size, a smaller history, "
                "method=adam or encoder=lite"
            ) from error
        raise


def _sizes(factors: Sequence[float], width: int, height: int) -> str:
    """The longer sides of all scales in words."""
    sides = [str(round(max(width, height) * factor)) for factor in factors]
    return f"{', '.join(sides)} px"
