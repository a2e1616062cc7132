"""Parts of model cards: the network, its training and its losses."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor
from torchvision.transforms.v2 import functional

from stylenet.checkpoint import CheckpointInfo
from stylenet.cli.app import build
from stylenet.cli.earlier import upgrade
from stylenet.cli.loss import MODULE_LOSSES, build_terms
from stylenet.data import load_style_images
from stylenet.errors import StyleNetError
from stylenet.files import walk_files
from stylenet.image import SUFFIXES, flatten, load_image, to_tensor
from stylenet.methods.adversarial.loss import take_adversarial
from stylenet.methods.selection import selection_of
from stylenet.networks import StyleNetwork
from stylenet.perceptual import PerceptualLoss, with_style_layers

# Names of terms in model cards, if not their own.
_TERMS = {"tv": "total variation"}


@dataclass(frozen=True)
class Trial:
    """A held-out photo, the loss of its stylized image, and the choice of its style.

    Attributes:
        photo: RGB in [0, 1], shape (1, 3, H, W).
        criterion: The loss of the training.
        select: From the network to one of one style.
    """

    photo: Tensor
    criterion: PerceptualLoss
    select: Callable[[StyleNetwork], StyleNetwork]

    def stylize(self, network: StyleNetwork) -> Tensor:
        """Stylize the photo, shape (1, 3, H, W)."""
        return self.select(network)(self.photo)


def held_out_images(folder: Path, count: int, size: int, option: str = "held_out") -> list[Tensor]:
    """Return center crops of a folder's first images.

    Args:
        folder: Images that the network was not trained on.
        count: Number of images, the first ones by name.
        size: Height and width of the crops in pixels.
        option: Option that names the folder, for messages.

    Returns:
        RGB in [0, 1], each of shape (1, 3, size, size).

    Raises:
        StyleNetError: The folder holds no images.
    """
    names = sorted(walk_files(folder, SUFFIXES)[0])[:count] if folder.is_dir() else []
    if not names:
        raise StyleNetError(f"{option}={folder} is not a folder with images. Give one.")
    images = []
    for name in names:
        image = functional.resize(flatten(load_image(folder / name)), [size])
        images.append(to_tensor(functional.center_crop(image, [size, size])))
    return images


def make_trials(
    recipe: dict[str, Any], photos: list[Tensor], styles: list[Tensor] | None = None
) -> list[Trial]:
    """Return the trials on which a network is measured.

    Args:
        recipe: The recipe in its checkpoint, whose encoder and style image are loaded.
        photos: RGB in [0, 1], each of shape (1, 3, H, W).
        styles: Style images for a network of arbitrary styles, one for each photo; ``None`` for a
            network of one style.

    Raises:
        StyleNetError: There is no recipe, or its encoder or style image is missing.
    """
    config = OmegaConf.create(upgrade(recipe))
    if "loss" not in config:
        raise StyleNetError("this checkpoint holds no recipe. Give one that stylenet train wrote.")
    terms = build_terms(config.loss)
    take_adversarial(terms)  # its discriminator is not part of a checkpoint
    encoder = build(config.encoder)
    if styles is not None:
        return [
            _trial_in_style(photo, style, PerceptualLoss(encoder, terms, [style]).eval())
            for photo, style in zip(photos, styles, strict=False)
        ]
    style = build(config.style)
    criterion = PerceptualLoss(
        encoder,
        with_style_layers(terms, style.layers),
        load_style_images(style),
        style.weight,
        style.image_weights,
    ).eval()
    return [Trial(photo, criterion, lambda network: network) for photo in photos]


def _trial_in_style(photo: Tensor, style: Tensor, criterion: PerceptualLoss) -> Trial:
    return Trial(photo, criterion, lambda n: selection_of(n).select_images(n, [style]))


@torch.inference_mode()
def mean_losses(network: StyleNetwork, trials: list[Trial]) -> dict[str, float]:
    """Return the means of the training losses over trials, in float32."""
    losses = [trial.criterion(trial.stylize(network), trial.photo) for trial in trials]
    return {
        name: float(torch.stack([values[name] for values in losses]).mean()) for name in losses[0]
    }


def portable(value: Any) -> Any:
    """Return the recipe with file names instead of paths on the machine that trained."""
    if isinstance(value, dict):
        return {key: portable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [portable(item) for item in value]
    is_path = isinstance(value, str) and "/" in value and "://" not in value
    return Path(value).name if is_path else value


def describe_network(
    network: StyleNetwork, info: CheckpointInfo, source: str, trained_on: str, stored: str
) -> str:
    """Return what a network is and how it was trained, as a Markdown list.

    Args:
        network: The network.
        info: Metadata of its checkpoint, with a recipe.
        source: Where the style image comes from, and its license.
        trained_on: The photos of the training.
        stored: Data type and size of its file, such as ``float16, 1.90 MB``.
    """
    recipe = upgrade(info.recipe)
    arguments = ", ".join(f"{key} {value}" for key, value in network.arguments.items())
    weights = sum(parameter.numel() for parameter in network.parameters())
    encoder, data = recipe["encoder"], recipe["data"]
    rate, schedule = recipe["optimizer"], recipe["schedule"]
    architecture = encoder.get("architecture", "lite")
    start, teacher = recipe.get("init"), recipe.get("teacher_network")
    origin = f"the network {start}" if start else "random weights"
    distilled = f", distilled from {teacher} (weight {recipe['teacher_weight']})" if teacher else ""
    if recipe["style"] is None:
        styles = f"**Style images:** {source}"
    else:
        styles = f"**Style image:** {source}, short side {recipe['style']['size']} pixels"
    return f"""\
- **Network:** {network.name} ({arguments}), {weights:,} weights in {stored}.
- {styles}.
- **Trained:** {info.step:,} steps of {data["batch_size"]} crops of {data["crop_size"]} pixels from
  {trained_on}; {_class_name(rate)}, peak learning rate {rate["lr"]},
  {schedule.get("warmup_steps", 0)} warm-up steps, {_class_name(schedule)};
  from {origin}{distilled}.
- **Loss:** encoder {architecture} ({encoder["weights"]}), {_describe_loss(recipe["loss"])}."""


def format_losses(losses: dict[str, float], photos: str, size: int) -> str:
    """Return mean losses as a Markdown table.

    Args:
        losses: Means by name, see :func:`mean_losses`.
        photos: Number and name of the photos in words.
        size: Height and width of the crops in pixels.
    """
    rows = "\n".join(f"| {key} | {value:.4f} |" for key, value in losses.items())
    return f"""\
Mean losses on {photos}, center crops of
{size} pixels, unweighted except for the total:

| | |
|---|---|
{rows}"""


def _class_name(config: dict[str, Any]) -> str:
    return str(config["_target_"]).rpartition(".")[2]


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
    for name in MODULE_LOSSES:
        if loss.get(name):
            described.append(f"{name.removesuffix('_weight')} {loss[name]}")
    return ", ".join(described)
