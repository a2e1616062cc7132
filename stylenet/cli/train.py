"""The command that trains a style."""

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig
from pytorch_lightning.utilities import rank_zero_only

from stylenet.checkpoint import load_artefact, start_from
from stylenet.cli.app import build, run
from stylenet.cli.runs import fit, prepare
from stylenet.data import load_style_images
from stylenet.errors import StyleNetError
from stylenet.perceptual import PerceptualLoss
from stylenet.training import StyleTransferModule, Teacher

# Said first and last where nobody chose photos and COCO is not in place.
_QUICKSTART = (
    "no photos were chosen and COCO is not at data/coco: this is the quick start (sample photos, "
    "the small encoder, minutes). The full recipe, once COCO is in place (see data/README.md): "
    "python scripts/train.py style=starry data=coco"
)


def main() -> None:
    """Runs ``scripts/train.py``; without any photos to be had, the quick start."""
    quickstart = needs_quickstart(sys.argv[1:])
    if quickstart:
        sys.argv.append("experiment=quickstart")
        rank_zero_only(print)(_QUICKSTART, flush=True)
    run(train, "train")
    if quickstart:
        rank_zero_only(print)(_QUICKSTART)


def needs_quickstart(arguments: Sequence[str]) -> bool:
    """Whether a command names no photos and none are where the default expects them.

    As a program with no database configured takes a file of its own: a COCO that was asked for and
    is missing stays an error.

    Args:
        arguments: Of the command line.

    Returns:
        Whether the quick start takes the place of the full recipe.
    """
    choices = ("data=", "data.root=", "experiment=")
    chosen = any(argument.lstrip("+").startswith(choices) for argument in arguments)
    asked_for_help = any(a.startswith("-") and a not in ("-m", "--multirun") for a in arguments)
    in_place = "STYLENET_COCO" in os.environ or Path("data/coco").exists()
    return not (chosen or asked_for_help or in_place)


def train(config: DictConfig) -> None:
    """Trains a network on a style and leaves the run folder complete.

    Args:
        config: configs/train.yaml, composed.

    Raises:
        StyleNetError: A setting is impossible, or the run cannot go on.
    """
    # What is cheap to get wrong first, what takes long last.
    style, loss = build(config.style), build(config.loss)
    build(config.optimizer)
    if style.layers is not None:
        loss = dataclasses.replace(loss, style_layers=style.layers)
    prepared = prepare(config)
    network = build(config.network)  # the first to draw from the seeded random state
    if config.init is not None:
        start_from(network, str(config.init))
    style_images = load_style_images(style)
    criterion = PerceptualLoss(
        build(config.encoder), loss, style_images, style.weight, style.image_weights
    )
    optimizer = build(config.optimizer)  # as the number of devices has it
    module = StyleTransferModule(
        network,
        criterion,
        optimizer,
        style.name,
        prepared.recipe,
        _load_teacher(config.teacher_network),
        config.teacher_weight,
    )
    if fit(prepared, module, f"training {style.name} on"):
        folder = prepared.folder
        print(f"network: {folder.artefact(style.name)}")
        print(f"previews: {folder.previews}")
        print(f"repaint: python scripts/infer.py input=photo.jpg checkpoint={folder.path}")


def _load_teacher(name: str | None) -> Teacher | None:
    """The network whose pictures are to be met, if any."""
    if name is None:
        return None
    try:
        return Teacher(load_artefact(str(name))[0])
    except StyleNetError as error:
        raise StyleNetError(f"teacher_network={name}: {error}") from error
