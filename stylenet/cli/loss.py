"""Building the terms of a loss from its options."""

from typing import Any

from omegaconf import DictConfig

from stylenet.cli.app import build
from stylenet.cli.renamed import RENAMED
from stylenet.errors import StyleNetError
from stylenet.methods.adversarial.loss import AdversarialOptions, take_adversarial
from stylenet.perceptual import LossTerm
from stylenet.perceptual.loss_term import named_options
from stylenet.program import command

# Keys of a term that another config group sets (encoder=lite names layers that it has), which alone
# make no term.
_SET_BY_OTHERS = {"layers"}

# The weights of losses that modules compute themselves, by what these do; see
# stylenet/training/temporal.py and droplets.py.
MODULE_LOSSES = {
    "temporal_weight": "compares two views of each photo",
    "droplet_weight": "keeps droplets out of the network's features",
}


def build_terms(loss: DictConfig) -> dict[str, Any]:
    """Build the terms of a loss.

    Args:
        loss: The config group ``loss``: a mapping from names to terms, each with a ``_target_``, or
            ``null`` to leave a term out.

    Returns:
        Terms by name, in the order of the config: a :class:`LossTerm` each, or the
        :class:`AdversarialOptions` of ``loss=adversarial``.

    Raises:
        StyleNetError: A value is impossible, or something else than a term.
    """
    terms: dict[str, Any] = {}
    for name in map(str, loss):
        option, config = f"loss.{name}", loss[name]
        is_mapping = isinstance(config, DictConfig)
        if (
            config is None
            or name in MODULE_LOSSES
            or (is_mapping and set(config) <= _SET_BY_OTHERS)
        ):
            continue
        if option in RENAMED:
            raise StyleNetError(f"{option} has another name now. Set {RENAMED[option]} instead.")
        if not is_mapping or "_target_" not in config:
            raise StyleNetError(
                f"{option}={config} is not a term of the loss. Give it a class: +{option}._target_="
                f"package.Term, or leave it out: {option}=null"
            )
        with named_options(option):
            terms[name] = build(config)
        if not isinstance(terms[name], LossTerm | AdversarialOptions):
            raise StyleNetError(
                f"{option}._target_={config._target_} is not a term of the loss. Derive the class "
                f"from stylenet.perceptual.LossTerm."
            )
    return terms


def build_loss(config: DictConfig) -> dict[str, LossTerm]:
    """Build the terms of the loss where no discriminator is trained.

    Args:
        config: All options of the command.

    Returns:
        The terms by name.

    Raises:
        StyleNetError: A value is impossible, or a discriminator is asked for.
    """
    # Before the terms are built: here nobody should be asked for a missing style_folder.
    terms = None if config.loss.get("adversarial") else build_terms(config.loss)
    if terms is None or take_adversarial(terms) is not None:
        raise StyleNetError(
            f"loss=adversarial is for {command('train')}, where a discriminator is trained beside "
            f"a network of one style; leave it out here, or choose loss=relative"
        )
    return terms


def refuse_module_losses(config: DictConfig) -> None:
    """Check that no loss of a training is asked for where no network is trained.

    Args:
        config: All options of the command.

    Raises:
        StyleNetError: ``loss.temporal_weight`` or ``loss.droplet_weight`` is not 0.
    """
    for name, purpose in MODULE_LOSSES.items():
        if config.loss.get(name):
            raise StyleNetError(
                f"loss.{name}={config.loss[name]} {purpose} while a network is trained by "
                f"{command('train')}. Leave it out here."
            )
