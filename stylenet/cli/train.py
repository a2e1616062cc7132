"""The command that trains a style."""

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from stylenet.cli.app import build, run
from stylenet.cli.runs import (
    checkpoint_to_resume,
    exit_if_stopped,
    fit,
    make_trainer,
    quieten_lightning,
)
from stylenet.data import load_style_images
from stylenet.errors import check_number
from stylenet.perceptual import PerceptualLoss
from stylenet.training import RunFolder, StyleTransferModule

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
        print(_QUICKSTART, flush=True)
    run(train, "train")
    if quickstart:
        print(_QUICKSTART)


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
    quieten_lightning()
    folder = RunFolder(config.run_dir)
    checkpoint = checkpoint_to_resume(folder, config.resume)
    # What is cheap to get wrong first, what takes long last.
    check_number("seed", config.seed, minimum=0, integer=True)
    style, loss, optimizer = build(config.style), build(config.loss), build(config.optimizer)
    if style.layers is not None:
        loss = dataclasses.replace(loss, style_layers=style.layers)
    callbacks = [build(callback) for callback in config.callbacks.values() if callback]
    trainer = make_trainer(config, folder, callbacks)
    data = build(config.data)
    data.setup()
    style_images = load_style_images(style)
    encoder = build(config.encoder)

    pl.seed_everything(config.seed, verbose=False)
    module = StyleTransferModule(
        build(config.network),
        PerceptualLoss(encoder, loss, style_images, style.weight),
        optimizer,
        style.name,
        cast(dict[str, Any], OmegaConf.to_container(config, resolve=True)),
    )
    print(
        f"training {style.name} on {len(data.dataset.photos):,} photos for {trainer.max_steps:,} "
        f"steps of {data.batch_size} ({trainer.precision} on {trainer.strategy.root_device})"
        + (f", from {checkpoint}" if checkpoint else ""),
        flush=True,
    )
    fit(config, trainer, module, data, checkpoint)
    if trainer.is_global_zero and trainer.global_step >= trainer.max_steps:
        print(f"network: {folder.artefact(module.style)}")
        print(f"previews: {folder.previews}")
        print(f"repaint: python scripts/infer.py input=photo.jpg checkpoint={folder.path}")
    exit_if_stopped(trainer)
