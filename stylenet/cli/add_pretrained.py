"""The command that adds a trained network to the pretrained styles or base networks."""

import dataclasses
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from stylenet.checkpoint import CheckpointInfo, find_checkpoint, load_checkpoint, save_checkpoint
from stylenet.cli.app import run
from stylenet.cli.base_card import base_card
from stylenet.cli.model_card import (
    Trial,
    describe_network,
    format_losses,
    held_out_images,
    make_trials,
    mean_losses,
    portable,
)
from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, user_path
from stylenet.methods.selection import selection_of
from stylenet.networks import ArbitraryStyleNetwork, StyleNetwork
from stylenet.pretrained import ANY_STYLE, BASES, PRETRAINED

# A quarter of a step of 8-bit images: less than rounding to 8 bits changes.
_MAX_CHANGE = 0.25 / 255


def main() -> None:
    """Run ``stylenet styles add``."""
    run(add_pretrained, "add_pretrained")


def add_pretrained(config: DictConfig) -> None:
    """Write a network in half precision and its model card, measured on held-out photos.

    Args:
        config: configs/add_pretrained.yaml, composed.

    Raises:
        StyleNetError: The recipe or the photos are missing, or half precision changes the images.
    """
    source = find_checkpoint(str(config.checkpoint))
    network, info = load_checkpoint(source)
    target, style = _target(config, network, info, source)
    photos = held_out_images(user_path(config.held_out), config.count, config.size)
    trials = _trials(config, network, info, photos)
    losses = mean_losses(network, trials) if trials else {}
    info = dataclasses.replace(
        info, style=style, description=config.description, recipe=portable(info.recipe)
    )
    target.parent.mkdir(exist_ok=True)
    with atomic_path(target) as halved:
        save_checkpoint(halved, network, info, half=True)
        change = _change(network, load_checkpoint(halved)[0], photos, trials)
        if not change <= _MAX_CHANGE:  # NaN too
            raise StyleNetError(
                f"in half precision the images of {source} change by {change * 255:.2f}/255 on "
                f"average, more than {_MAX_CHANGE * 255}/255. Train it further, or train it anew."
            )
    size = target.stat().st_size
    card = (
        base_card(config, network, info, size, change)
        if config.base
        else _card(config, network, info, size, losses, change, len(trials))
    )
    with atomic_path(target.with_suffix(".md")) as temporary:
        temporary.write_text(card, encoding="utf-8")
    print(target)


def _target(
    config: DictConfig, network: StyleNetwork, info: CheckpointInfo, source: Path
) -> tuple[Path, str]:
    """Return the file to write and the name of its style.

    Raises:
        StyleNetError: The network cannot come with the package.
    """
    selection = selection_of(network)
    if isinstance(network, ArbitraryStyleNetwork):
        if network.referenced_prefix:
            raise StyleNetError(
                f"{source} refers to the weights of an encoder that do not come with StyleNet. "
                f"Give a network with encoder lite, such as network=any_style."
            )
        return ANY_STYLE, ANY_STYLE.stem
    if selection.styles(network) != []:
        raise StyleNetError(f"{source} holds {selection.held}. Give a network with one style.")
    if config.base:
        return BASES / f"{network.name}.safetensors", "base"
    name = config.name or info.style
    return PRETRAINED / f"{name}.safetensors", name


def _trials(
    config: DictConfig, network: StyleNetwork, info: CheckpointInfo, photos: list[Tensor]
) -> list[Trial]:
    """Return the trials of the network; none for a base network, which has no style."""
    if config.base:
        return []
    if not isinstance(network, ArbitraryStyleNetwork):
        return make_trials(info.recipe, photos)
    if config.held_out_styles is None:
        raise StyleNetError(
            "This network takes style images. Give some that were not trained on: "
            "held_out_styles=FOLDER."
        )
    folder = user_path(config.held_out_styles)
    styles = held_out_images(folder, config.count, config.size, "held_out_styles")
    return make_trials(info.recipe, photos, styles)


@torch.inference_mode()
def _change(
    network: StyleNetwork, halved: StyleNetwork, photos: list[Tensor], trials: list[Trial]
) -> float:
    """Return the mean absolute difference of two networks' images, in [0, 1]."""
    if trials:
        pairs = [(trial.stylize(network), trial.stylize(halved)) for trial in trials]
    else:
        pairs = [(network(photo), halved(photo)) for photo in photos]
    return float(torch.stack([(a - b).abs().mean() for a, b in pairs]).mean())


def _card(
    config: DictConfig,
    network: StyleNetwork,
    info: CheckpointInfo,
    size: int,
    losses: dict[str, float],
    change: float,
    count: int,
) -> str:
    """Return the model card, as Markdown."""
    stored = f"float16, {size / 1e6:.2f} MB"
    takes_images = isinstance(network, ArbitraryStyleNetwork)
    style = "painting.jpg" if takes_images else info.style
    measured = "pairs of held-out photos and style images" if takes_images else "held-out photos"
    held_out = f"{count} {measured} ({config.held_out_name})"
    return f"""# {info.style}: {config.description}

`stylenet infer input=photo.jpg style={style}`

{describe_network(network, info, config.source, config.trained_on, stored)}
- **Half precision** changes the stylized image by {change * 255:.3f}/255 on average.

The command:

    stylenet train {config.command}

{format_losses(losses, held_out, config.size)}

## License

{config.license}
"""
