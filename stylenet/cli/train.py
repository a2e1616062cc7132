"""The command that trains a network."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_only

from stylenet.cli.app import build, run
from stylenet.cli.experiment import ComposedExperiment, command_line_experiment
from stylenet.cli.runs import fit, prepare
from stylenet.cli.start import INFORMATION
from stylenet.cli.trainer import adapt_to_devices
from stylenet.methods.method import Method
from stylenet.program import command
from stylenet.training import (
    DropletLoss,
    check_compile_mode,
    check_loss_weight,
    make_temporal_loss,
)

# Printed first and last when no photos are chosen and COCO is not in place.
_QUICKSTART = (
    "no photos were chosen and COCO is not at data/coco: this is the quick start (sample photos, "
    "the small encoder, minutes). The full recipe, once COCO is in place (see data/README.md): "
    "{train} {words} data=coco"
)


def main() -> None:
    """Run ``stylenet train``; without photos, the quick start."""
    quickstart = needs_quickstart(sys.argv[1:])
    message = _QUICKSTART.format(train=command("train"), words=shlex.join(sys.argv[1:]))
    # --cfg prints a file.
    announces = quickstart and not any(word.startswith(("-c", "--cfg")) for word in sys.argv)
    if quickstart:
        # Before the first override: argparse wants all of them in one place.
        words = (i for i, w in enumerate(sys.argv) if i and "=" in w and not w.startswith("-"))
        sys.argv.insert(next(words, 1), "experiment=quickstart")
    if announces:
        rank_zero_only(print)(message, flush=True)
    run(lambda config: train(command_line_experiment(config)), "train")
    if announces:
        rank_zero_only(print)(message)


def needs_quickstart(arguments: Sequence[str]) -> bool:
    """Return whether the quick start replaces the full recipe.

    It does if no photos are chosen and COCO is not in its default place. A missing COCO that was
    asked for stays an error.

    Args:
        arguments: Arguments of the command line.
    """
    choices = ("data=", "data.root=", "experiment=")
    chosen = any(argument.lstrip("+").startswith(choices) for argument in arguments)
    asked_for_help = any(word.partition("=")[0] in INFORMATION for word in arguments)
    in_place = "STYLENET_COCO" in os.environ or Path("data/coco").exists()
    return not (chosen or asked_for_help or in_place)


def train(experiment: ComposedExperiment) -> Path | None:
    """Train a network by the method that the options choose, and leave the run directory complete.

    Args:
        experiment: configs/train.yaml, composed.

    Returns:
        The final checkpoint; ``None`` on other ranks than 0, and if the run stopped before its last
        step.

    Raises:
        StyleNetError: An option is impossible, or the run cannot go on.
        SystemExit: A signal ended the run.
    """
    config = experiment.config
    compile_mode = check_compile_mode(config.compile)
    temporal_weight = check_loss_weight("loss.temporal_weight", config.loss.get("temporal_weight"))
    droplet_weight = check_loss_weight("loss.droplet_weight", config.loss.get("droplet_weight"))
    adapt_to_devices(experiment)

    method: Method = build(config.training_method)(experiment)
    method.check()
    prepared = prepare(config, method.data_options(), method.trainer_options())

    module = method.build_module(prepared.data)
    module.compile_mode = compile_mode
    module.temporal = make_temporal_loss(temporal_weight, config.seed, prepared.data)
    if droplet_weight:
        module.droplets = DropletLoss(droplet_weight, module.network)
    name = module.checkpoint_name
    if not fit(prepared, module, f"training {name} on"):
        return None

    checkpoint = prepared.folder.final_checkpoint(name)
    print(f"network: {checkpoint}")
    print(f"previews: {prepared.folder.previews}")
    print(
        f"stylize: {command('infer')} input=photo.jpg checkpoint={prepared.folder.path}"
        f"{method.usage}"
    )
    return checkpoint
