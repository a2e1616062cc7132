"""The command that trains a style."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig
from pytorch_lightning.utilities import rank_zero_only

from stylenet.checkpoint import load_checkpoint, start_from
from stylenet.cli.adversarial import build_adversarial, find_style_folder
from stylenet.cli.any_style import is_any_style, prepare_any_style
from stylenet.cli.app import build, run
from stylenet.cli.loss import build_terms
from stylenet.cli.many_styles import build_many, compose_styles
from stylenet.cli.runs import Run, fit, prepare
from stylenet.cli.start import INFORMATION
from stylenet.data import load_style_images
from stylenet.errors import StyleNetError
from stylenet.methods.adain.module import AnyStyleModule
from stylenet.methods.conditional.loss import ManyStylesLoss
from stylenet.methods.conditional.module import ManyStylesModule
from stylenet.networks import AdainNetwork, JohnsonMultiNetwork, join_style_names
from stylenet.perceptual import PerceptualLoss, take_adversarial, with_style_layers
from stylenet.training import (
    StyleTransferModule,
    Teacher,
    check_compile_mode,
)

# Said first and last where nobody chose photos and COCO is not in place.
_QUICKSTART = (
    "no photos were chosen and COCO is not at data/coco: this is the quick start (sample photos, "
    "the small encoder, minutes). The full recipe, once COCO is in place (see data/README.md): "
    "python scripts/train.py {words} data=coco"
)


def main() -> None:
    """Runs ``scripts/train.py``; without any photos to be had, the quick start."""
    quickstart = needs_quickstart(sys.argv[1:])
    told = _QUICKSTART.format(words=shlex.join(sys.argv[1:]))
    # What --cfg prints is a file.
    says_so = quickstart and not any(word.startswith(("-c", "--cfg")) for word in sys.argv)
    if quickstart:
        # Before the first option: argparse takes these from one place alone.
        words = (i for i, w in enumerate(sys.argv) if i and "=" in w and not w.startswith("-"))
        sys.argv.insert(next(words, 1), "experiment=quickstart")
    if says_so:
        rank_zero_only(print)(told, flush=True)
    run(train, "train")
    if says_so:
        rank_zero_only(print)(told)


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
    asked_for_help = any(word.partition("=")[0] in INFORMATION for word in arguments)
    in_place = "STYLENET_COCO" in os.environ or Path("data/coco").exists()
    return not (chosen or asked_for_help or in_place)


def train(config: DictConfig) -> None:
    """Trains a network on a style and leaves the run folder complete.

    Args:
        config: configs/train.yaml, composed.

    Raises:
        StyleNetError: An option is impossible, or the run cannot go on.
    """
    check_compile_mode(config.compile)
    if is_any_style(config):
        _fit(*prepare_any_style(config))
        return
    # What is cheap to get wrong first, what takes long last.
    styles, terms = compose_styles(config), build_terms(config.loss)
    adversarial = take_adversarial(terms)
    build(config.optimizer)
    terms_by_style = [with_style_layers(terms, style.layers) for style in styles]
    prepared = prepare(config, **find_style_folder(config, adversarial))
    # The first to draw from the seeded random state.
    network = build(config.network) if config.styles is None else build_many(config, styles)
    if config.init is not None:
        start_from(network, str(config.init))
    images = [load_style_images(style) for style in styles]
    encoder = build(config.encoder)
    criteria = {
        style.name: PerceptualLoss(encoder, own, pictures, style.weight, style.image_weights)
        for style, own, pictures in zip(styles, terms_by_style, images, strict=True)
    }
    optimizer = build(config.optimizer)  # as the number of devices has it
    module: StyleTransferModule
    if isinstance(network, JohnsonMultiNetwork):
        name = join_style_names(network.styles)
        module = ManyStylesModule(
            network, ManyStylesLoss(criteria), optimizer, name, prepared.recipe
        )
    else:
        ((name, criterion),) = criteria.items()
        teacher = _load_teacher(config.teacher_network, name)
        if adversarial is not None:
            module = build_adversarial(
                prepared, adversarial, network, criterion, optimizer, name, teacher
            )
        else:
            module = StyleTransferModule(
                network,
                criterion,
                optimizer,
                name,
                prepared.recipe,
                teacher,
                config.teacher_weight,
            )
    _fit(prepared, module)


def _fit(prepared: Run, module: StyleTransferModule) -> None:
    """Trains, and says where everything is."""
    module.compile_mode = check_compile_mode(prepared.config.compile)
    name = module.checkpoint_name
    if fit(prepared, module, f"training {name} on"):
        folder = prepared.folder
        print(f"network: {folder.final_checkpoint(name)}")
        print(f"previews: {folder.previews}")
        style = " style=painting.jpg" if isinstance(module, AnyStyleModule) else ""
        print(f"stylize: python scripts/infer.py input=photo.jpg checkpoint={folder.path}{style}")


def _load_teacher(name: str | None, style: str) -> Teacher | None:
    """The network whose images are to be met, if any; of one with many styles, the style's."""
    if name is None:
        return None
    try:
        network, _ = load_checkpoint(str(name))
        if isinstance(network, JohnsonMultiNetwork):
            network = network.select({style: 1.0})
        if isinstance(network, AdainNetwork):
            raise StyleNetError("it paints in any style, and can teach none of them")
        return Teacher(network)
    except StyleNetError as error:
        raise StyleNetError(f"teacher_network={name}: {error}") from error
