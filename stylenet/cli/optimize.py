"""The command for style transfer by optimizing an image."""

import dataclasses
from collections.abc import Sequence

import torch
from omegaconf import DictConfig
from torch import Tensor

from stylenet.cli.app import build, run
from stylenet.cli.loss import build_loss, refuse_module_losses
from stylenet.cli.optimize_colors import after, before, choose_color
from stylenet.cli.optimize_progress import OptimizeProgress
from stylenet.cli.optimize_state import fingerprint, load_state, restore, save_state, state_path
from stylenet.cli.stopping import Stopping
from stylenet.data import StyleOptions, load_style_images
from stylenet.errors import StyleNetError, check_number, explain_out_of_memory
from stylenet.files import check_output, user_path
from stylenet.image import (
    LoadedImage,
    check_quality,
    check_writable_suffix,
    load_image,
    resize_image,
    resize_long_side,
    save_image,
    to_image,
    to_tensor,
)
from stylenet.inference.buffers import PillowBuffer
from stylenet.inference.memory import free_memory
from stylenet.inference.precision import choose_device
from stylenet.optimization import (
    SMALLEST_SIDE,
    Optimization,
    OptimizationOptions,
    plan_scales,
    resize,
)
from stylenet.perceptual import PerceptualLoss, with_style_layers


def main() -> None:
    """Run ``stylenet optimize``."""
    run(optimize, "optimize")


def optimize(config: DictConfig) -> None:
    """Stylize a photo by optimizing its pixels.

    Args:
        config: configs/optimize.yaml, composed.

    Raises:
        StyleNetError: An option is impossible, an image is unusable, the output is not writable or
            the photo itself, or the loss diverges.
        SystemExit: A signal stopped the program, with the exit status that a shell expects.
    """
    options = OptimizationOptions(
        *(config[name] for name in ("method", "start", "steps", "lr", "history", "seed"))
    )
    color = choose_color(config.preserve_color)
    _check(config)
    style: StyleOptions = build(config.style)
    source = user_path(config.content)
    target = user_path(config.output or f"{source.stem}_{style.name}.png")
    check_writable_suffix(target)
    check_output(target, source)
    device = choose_device(str(config.device))
    image = load_image(source)
    if config.size is not None:
        image = resize_long_side(image, config.size)
    photo = to_tensor(image.rgb)
    height, width = photo.shape[-2:]
    factors = plan_scales((height, width), config.scales)
    _check_memory(options, photo, device)
    shown = PillowBuffer(image.rgb, image.alpha).opacity((0, 0, height, width))
    content, style_images = before(color, photo, load_style_images(style), shown)
    mark = fingerprint(config, [content, *style_images])
    state = load_state(state_path(target), mark, config.resume)
    criteria = _criteria(config, style, style_images, factors, device)
    print(
        f"optimizing {source} in {style.name}: {width}x{height} pixels on {device}, "
        f"{options.steps:,} steps of {options.method} at {_sizes(factors, width, height)}",
        flush=True,
    )

    def finish(optimized: Tensor) -> LoadedImage:
        # A preview of a coarser scale is smaller.
        original = resize_image(image, (optimized.shape[-1], optimized.shape[-2]))
        rgb = to_image(after(color, to_tensor(original.rgb), optimized.cpu()))
        return dataclasses.replace(original, rgb=rgb)

    with explain_out_of_memory(
        "the image does not fit into memory; set a smaller size, a smaller history, method=adam or "
        "encoder=lite"
    ):
        optimization = Optimization(content.to(device), criteria, options)
        if state is not None:
            restore(optimization, state)
        with OptimizeProgress(config, target, finish) as progress, Stopping() as stopping:
            if state is None:
                progress.show(optimization.now)
            while not optimization.done and stopping.received is None:
                optimization.advance()
                progress.show(optimization.now)
        if not optimization.done and stopping.received is not None:
            save_state(state_path(target), mark, optimization)
            print("stopped and saved; go on with the same command and resume=true", flush=True)
            raise SystemExit(128 + stopping.received)
        result = optimization.now.image
    save_image(finish(result), target, config.quality)
    state_path(target).unlink(missing_ok=True)
    losses = ", ".join(f"{k} {v:.4g}" for k, v in optimization.now.losses.items() if "/" not in k)
    print(f"step {optimization.now.number:,}: {losses}")
    print(target)


def _check(config: DictConfig) -> None:
    """Check the options of the command itself."""
    for name in ("size", "preview_every"):
        if config[name] is not None:
            check_number(name, config[name], minimum=1, integer=True)
    check_quality(config.quality)
    if not isinstance(config.resume, bool):
        raise StyleNetError(f"resume={config.resume} is neither true nor false")


def _criteria(
    config: DictConfig,
    style: StyleOptions,
    style_images: Sequence[Tensor],
    factors: Sequence[float],
    device: torch.device,
) -> list[PerceptualLoss]:
    """Build the loss of each scale, against the style at the same scale.

    So strokes have the same size relative to the image at every scale (Gatys et al. 2017, section
    6).
    """
    refuse_module_losses(config)
    terms = with_style_layers(build_loss(config), style.layers)
    encoder = build(config.encoder).to(device)
    at_scales = [[resize(image.to(device), f) for image in style_images] for f in factors]
    width, height = min((image.shape[:1:-1] for image in at_scales[0]), key=min)
    if min(width, height) < SMALLEST_SIDE:
        raise StyleNetError(
            f"style.image has {width}x{height} pixels at the first of {len(factors)} scales, and "
            f"the encoder needs at least {SMALLEST_SIDE} on each side; set a larger style.size, or "
            f"fewer scales"
        )
    return [
        PerceptualLoss(encoder, terms, images, style.weight, style.image_weights)
        for images in at_scales
    ]


def _check_memory(options: OptimizationOptions, photo: Tensor, device: torch.device) -> None:
    """Refuse an image for which memory would run out once L-BFGS has filled its history."""
    if options.method != "lbfgs":
        return
    needed = 2 * min(options.history, options.steps) * photo.numel() * 4
    free = free_memory(device)
    if needed > free:
        raise StyleNetError(
            f"{options.history} steps of lbfgs at {photo.shape[-1]}x{photo.shape[-2]} pixels take "
            f"{needed / 2**30:.1f} GiB, and {free / 2**30:.1f} are free; set a smaller size, a "
            f"smaller history or method=adam"
        )


def _sizes(factors: Sequence[float], width: int, height: int) -> str:
    """Return the long sides of all scales, for a message."""
    sides = [str(round(max(width, height) * factor)) for factor in factors]
    return f"{', '.join(sides)} px"
