"""Refusing ``loss=adversarial`` in commands that train no discriminator."""

from omegaconf import DictConfig

from stylenet.cli.loss import build_terms
from stylenet.errors import StyleNetError
from stylenet.methods.adversarial.loss import take_adversarial
from stylenet.perceptual import LossTerm
from stylenet.program import command


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
            "loss=adversarial trains a discriminator on one painter's images, beside networks of "
            f"one style in {command('train')}; here leave it out, or choose loss=relative"
        )
    return terms
