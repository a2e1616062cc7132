"""The command that adds a trained network to the pretrained styles."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torchvision.transforms.v2 import functional

from stylenet.checkpoint import find_checkpoint, load_checkpoint, save_checkpoint
from stylenet.cli.app import build, run
from stylenet.cli.earlier import upgrade_optimizer
from stylenet.cli.loss import build_terms
from stylenet.data import load_style_images
from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, user_path, walk_files
from stylenet.image import SUFFIXES, load_image, to_tensor
from stylenet.methods.adversarial.loss import take_adversarial
from stylenet.methods.selection import selection_of
from stylenet.networks import StyleNetwork
from stylenet.perceptual import PerceptualLoss, with_style_layers
from stylenet.pretrained import PRETRAINED

# A quarter of a step of 8-bit images: less than rounding to 8 bits changes.
_MAX_CHANGE = 0.25 / 255

# Names of terms in model cards, if not their own.
_TERMS = {"tv": "total variation"}


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
    photos = _held_out(user_path(config.held_out), config.count, config.size)
    losses = _losses(network, OmegaConf.create(info.recipe), photos)
    name = config.name or info.style
    info = dataclasses.replace(
        info, style=name, description=config.description, recipe=_portable(info.recipe)
    )
    target = PRETRAINED / f"{name}.safetensors"
    with atomic_path(target) as halved:
        save_checkpoint(halved, network, info, half=True)
        change = _change(network, load_checkpoint(halved)[0], photos)
        if not change <= _MAX_CHANGE:  # NaN too
            raise StyleNetError(
                f"in half precision the images of {source} change by {change * 255:.2f}/255 on "
                f"average, more than {_MAX_CHANGE * 255}/255. Train it further, or train it anew."
            )
    with atomic_path(target.with_suffix(".md")) as temporary:
        temporary.write_text(
            _card(config, network, name, info.step, info.recipe, losses, change, photos),
            encoding="utf-8",
        )
    print(target)


def _held_out(folder: Path, count: int, size: int) -> list[Tensor]:
    """Return center crops of a folder's first photos, each (1, 3, size, size)."""
    names = sorted(walk_files(folder, SUFFIXES)[0])[:count] if folder.is_dir() else []
    if not names:
        raise StyleNetError(f"held_out={folder} is not a folder with photos. Give one.")
    photos = []
    for name in names:
        photo = functional.resize(load_image(folder / name).rgb, [size])
        photos.append(to_tensor(functional.center_crop(photo, [size, size])))
    return photos


def _losses(network: StyleNetwork, recipe: DictConfig, photos: list[Tensor]) -> dict[str, float]:
    """Return the means of the training losses over the photos, in float32."""
    if "loss" not in recipe:
        raise StyleNetError("this checkpoint holds no recipe. Give one that stylenet train wrote.")
    style, terms = build(recipe.style), build_terms(recipe.loss)
    take_adversarial(terms)  # its discriminator is not part of a checkpoint
    criterion = PerceptualLoss(
        build(recipe.encoder),
        with_style_layers(terms, style.layers),
        load_style_images(style),
        style.weight,
        style.image_weights,
    ).eval()
    with torch.inference_mode():
        losses = [criterion(network(photo), photo) for photo in photos]
    return {
        name: float(torch.stack([values[name] for values in losses]).mean()) for name in losses[0]
    }


@torch.inference_mode()
def _change(network: StyleNetwork, pretrained: StyleNetwork, photos: list[Tensor]) -> float:
    """Return the mean absolute difference of two networks' images, in [0, 1]."""
    changes = [(network(photo) - pretrained(photo)).abs().mean() for photo in photos]
    return float(torch.stack(changes).mean())


def _portable(value: Any) -> Any:
    """Return the recipe with file names instead of paths on the machine that trained."""
    if isinstance(value, dict):
        return {key: _portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_portable(item) for item in value]
    is_path = isinstance(value, str) and "/" in value and "://" not in value
    return Path(value).name if is_path else value


def _class_name(config: dict[str, Any]) -> str:
    return str(config["_target_"]).rpartition(".")[2]


def _card(
    config: DictConfig,
    network: StyleNetwork,
    name: str,
    step: int,
    recipe: dict[str, Any],
    losses: dict[str, float],
    change: float,
    photos: list[Tensor],
) -> str:
    """Return the model card, as Markdown."""
    arguments = ", ".join(f"{key} {value}" for key, value in network.arguments.items())
    weights = sum(parameter.numel() for parameter in network.parameters())
    encoder, data = recipe["encoder"], recipe["data"]
    training = upgrade_optimizer(recipe)
    rate, schedule = training["optimizer"], training["schedule"]
    architecture = encoder.get("architecture", "lite")
    size = (PRETRAINED / f"{name}.safetensors").stat().st_size
    start, teacher = recipe.get("init"), recipe.get("teacher_network")
    origin = f"the network {start}" if start else "random weights"
    distilled = f", distilled from {teacher} (weight {recipe['teacher_weight']})" if teacher else ""
    rows = "\n".join(f"| {key} | {value:.4f} |" for key, value in losses.items())
    return f"""# {name}: {config.description}

`stylenet infer input=photo.jpg style={name}`

- **Network:** {network.name} ({arguments}), {weights:,} weights in float16, {size / 1e6:.2f} MB.
- **Style image:** {config.source}, short side {recipe["style"]["size"]} pixels.
- **Trained:** {step:,} steps of {data["batch_size"]} crops of {data["crop_size"]} pixels from
  {config.trained_on}; {_class_name(rate)}, peak learning rate {rate["lr"]},
  {schedule.get("warmup_steps", 0)} warm-up steps, {_class_name(schedule)};
  from {origin}{distilled}.
- **Loss:** encoder {architecture} ({encoder["weights"]}), {_describe_loss(recipe["loss"])}.
- **Half precision** changes the stylized image by {change * 255:.3f}/255 on average.

The command:

    stylenet train {config.command}

Mean losses on {len(photos)} held-out photos ({config.held_out_name}), center crops of
{config.size} pixels, unweighted except for the total:

| | |
|---|---|
{rows}

## License

{config.license}
"""


def _describe_loss(loss: dict[str, Any]) -> str:
    """Return the terms of a loss with their weights and layers in words."""
    described = []
    terms = build_terms(OmegaConf.create(loss))
    take_adversarial(terms)
    for name, term in terms.items():
        if term.is_active:
            layers = [
                layer if weight == 1 else f"{layer} ({weight:g})"
                for layer, weight in term.layers.items()
            ]
            where = f" at {', '.join(layers)}" if layers else ""
            described.append(f"{_TERMS.get(name, name)} {term.weight}{where}")
    return ", ".join(described)
