"""The command that adds a trained network to the pretrained styles or base networks."""

import dataclasses

import torch
from omegaconf import DictConfig
from torch import Tensor

from stylenet.checkpoint import CheckpointInfo, find_checkpoint, load_checkpoint, save_checkpoint
from stylenet.cli.app import run
from stylenet.cli.base_card import base_card
from stylenet.cli.model_card import (
    describe_network,
    format_losses,
    held_out_photos,
    mean_losses,
    portable,
)
from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, user_path
from stylenet.methods.selection import selection_of
from stylenet.networks import StyleNetwork
from stylenet.pretrained import BASES, PRETRAINED

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
    selection = selection_of(network)
    if selection.styles(network) != []:
        raise StyleNetError(f"{source} holds {selection.held}. Give a network with one style.")
    photos = held_out_photos(user_path(config.held_out), config.count, config.size)
    losses = {} if config.base else mean_losses(network, info.recipe, photos)
    name = network.name if config.base else config.name or info.style
    info = dataclasses.replace(
        info,
        style="base" if config.base else name,
        description=config.description,
        recipe=portable(info.recipe),
    )
    target = (BASES if config.base else PRETRAINED) / f"{name}.safetensors"
    with atomic_path(target) as halved:
        save_checkpoint(halved, network, info, half=True)
        change = _change(network, load_checkpoint(halved)[0], photos)
        if not change <= _MAX_CHANGE:  # NaN too
            raise StyleNetError(
                f"in half precision the images of {source} change by {change * 255:.2f}/255 on "
                f"average, more than {_MAX_CHANGE * 255}/255. Train it further, or train it anew."
            )
    card = (
        base_card(config, network, info, target.stat().st_size, change)
        if config.base
        else _card(config, network, info, losses, change, photos)
    )
    with atomic_path(target.with_suffix(".md")) as temporary:
        temporary.write_text(card, encoding="utf-8")
    print(target)


@torch.inference_mode()
def _change(network: StyleNetwork, pretrained: StyleNetwork, photos: list[Tensor]) -> float:
    """Return the mean absolute difference of two networks' images, in [0, 1]."""
    changes = [(network(photo) - pretrained(photo)).abs().mean() for photo in photos]
    return float(torch.stack(changes).mean())


def _card(
    config: DictConfig,
    network: StyleNetwork,
    info: CheckpointInfo,
    losses: dict[str, float],
    change: float,
    photos: list[Tensor],
) -> str:
    """Return the model card, as Markdown."""
    size = (PRETRAINED / f"{info.style}.safetensors").stat().st_size
    stored = f"float16, {size / 1e6:.2f} MB"
    held_out = f"{len(photos)} held-out photos ({config.held_out_name})"
    return f"""# {info.style}: {config.description}

`stylenet infer input=photo.jpg style={info.style}`

{describe_network(network, info, config.source, config.trained_on, stored)}
- **Half precision** changes the stylized image by {change * 255:.3f}/255 on average.

The command:

    stylenet train {config.command}

{format_losses(losses, held_out, config.size)}

## License

{config.license}
"""
