"""The composed config of a training command, as methods see it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from stylenet.cli.app import build
from stylenet.cli.arguments import check_choice_given, override
from stylenet.cli.configs import config_folder, search_path
from stylenet.cli.explain import explain
from stylenet.cli.loss import build_loss, build_terms
from stylenet.cli.renamed import RENAMED, check_renamed
from stylenet.errors import StyleNetError
from stylenet.methods.adversarial.loss import AdversarialOptions, take_adversarial
from stylenet.perceptual import LossTerm
from stylenet.training import OptimizerFactory


class ComposedExperiment:
    """A composed config and the means to build from it; see :class:`stylenet.methods.method`.

    Attributes:
        config: All options of the command.
        overrides: Overrides of the user, such as ``style=starry``.
    """

    def __init__(self, config: DictConfig, overrides: Sequence[str]) -> None:
        """Take the config.

        Args:
            config: All options of the command.
            overrides: The overrides that composed it.
        """
        self.config = config
        self.overrides = [word for word in overrides if not word.startswith("hydra.")]
        self._search_path = [word for word in overrides if word.startswith("hydra.searchpath=")]

    build = staticmethod(build)

    def build_loss(self) -> dict[str, LossTerm]:
        """Build the terms of the perceptual loss; refuse an adversarial term."""
        return build_loss(self.config)

    def build_adversarial_loss(self) -> tuple[dict[str, LossTerm], AdversarialOptions]:
        """Build the terms of the perceptual loss, and the options of the adversarial term."""
        terms = build_terms(self.config.loss)
        adversarial = take_adversarial(terms)
        if adversarial is None:
            raise StyleNetError(
                "training_method=adversarial needs the term loss.adversarial. Choose "
                "loss=adversarial, which chooses this method, too."
            )
        return terms, adversarial

    def build_optimizer(self) -> OptimizerFactory:
        """Build the factory of optimizer and schedule."""
        for name in self.config.optimizer:  # a user's own file may set it
            option = f"optimizer.{name}"
            if option in RENAMED:
                raise StyleNetError(f"{option} is now {RENAMED[option]}; set that instead")
        return OptimizerFactory(build(self.config.optimizer), build(self.config.schedule))

    def compose_style(self, name: str) -> Any:
        """Compose the config of a style of configs/style/, with the other overrides in place."""
        others = [word for word in self.overrides if word.split("=")[0] not in ("style", "styles")]
        return compose("train", [*others, *self._search_path, f"style={name}"]).style

    def recipe(self) -> dict[str, Any]:
        """Return all options as plain values, for checkpoints."""
        return cast(dict[str, Any], OmegaConf.to_container(self.config, resolve=True))

    def overrides_option(self, option: str) -> bool:
        """Return whether the user set an option, such as ``optimizer.lr``."""
        return any(word.lstrip("+").partition("=")[0] == option for word in self.overrides)


@contextmanager
def compose_experiment(
    config_name: str, options: Mapping[str, Any]
) -> Iterator[ComposedExperiment]:
    """Compose the config of a training command from Python values.

    Args:
        config_name: Name of the command's file in ``configs/``.
        options: Choices of config groups and values of options, by dotted name.

    Yields:
        The experiment; styles can be composed until the context ends.

    Raises:
        StyleNetError: An option is unknown, has a new name, or is impossible.
    """
    overrides = [override(key, value) for key, value in options.items()]
    for word in overrides:
        check_choice_given(word)
    check_renamed(overrides)
    overrides += search_path()
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(config_folder())):
            config = compose(config_name, overrides)
            yield ComposedExperiment(config, overrides)
    except Exception as error:
        message = explain(error, config_name, {})
        if message is None or isinstance(error, StyleNetError):
            raise
        raise StyleNetError(message) from error


def command_line_experiment(config: DictConfig) -> ComposedExperiment:
    """Return the experiment of a config that Hydra composed from the command line.

    Args:
        config: All options of the command.
    """
    overrides = HydraConfig.get().overrides
    return ComposedExperiment(config, [*overrides.hydra, *overrides.task])
