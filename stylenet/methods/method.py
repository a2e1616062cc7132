"""The interfaces of a training method and of the composed config that it reads."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from torch import nn

from stylenet.data import PhotoData
from stylenet.errors import StyleNetError
from stylenet.methods.adversarial.loss import AdversarialOptions
from stylenet.perceptual import Encoder, LossTerm
from stylenet.training import OptimizerFactory, StyleTransferModule


class Experiment(Protocol):
    """A composed config and functions to build from it, so that methods need no Hydra.

    Attributes:
        config: Composed configs/train.yaml; config groups and options are attributes.
        overrides: Overrides of the user, such as ``style=starry``.
    """

    config: Any
    overrides: Sequence[str]

    def build(self, config: Any, **arguments: Any) -> Any:
        """Build the object of a config with a ``_target_``."""

    def build_loss(self) -> dict[str, LossTerm]:
        """Build the terms of the perceptual loss; an adversarial term is an error."""

    def build_adversarial_loss(self) -> tuple[dict[str, LossTerm], AdversarialOptions]:
        """Build the terms of the perceptual loss, and the options of the adversarial term."""

    def build_optimizer(self) -> OptimizerFactory:
        """Build the factory of optimizer and schedule."""

    def compose_style(self, name: str) -> Any:
        """Compose the config of a style in configs/style/ with the user's other overrides."""

    def recipe(self) -> dict[str, Any]:
        """Return all options as plain values, for checkpoints."""


class Method(ABC):
    """Training method: the network, the data and the loss of a run.

    A file in configs/training_method/ chooses the subclass. ``stylenet.cli.train`` calls the
    methods in the order below.

    Attributes:
        experiment: The composed config.
        config: ``experiment.config``.
        usage: Options that ``stylenet infer`` needs for a network of this method.
    """

    usage = ""
    optimizer: OptimizerFactory

    def __init__(self, experiment: Experiment, run_name: str | None = None) -> None:
        """Store the composed config without checks.

        Args:
            experiment: The composed config.
            run_name: Name of the default run directory; configs/train.yaml uses it.
        """
        self.experiment = experiment
        self.config = experiment.config

    def check(self) -> None:
        """Check the options before any work, and build cheap objects such as the loss terms.

        Raises:
            StyleNetError: An option is impossible, missing, or for another method.
        """
        self.optimizer = self.experiment.build_optimizer()

    def data_options(self) -> dict[str, Any]:
        """Return arguments of the data module that are added to the options in ``data``."""
        return {}

    def trainer_options(self) -> dict[str, Any]:
        """Return arguments of the trainer that replace options in ``trainer``."""
        return {}

    @abstractmethod
    def build_criterion(self, encoder: Encoder) -> nn.Module:
        """Build the loss.

        Args:
            encoder: The frozen encoder.
        """

    @abstractmethod
    def build_module(self, data: PhotoData) -> StyleTransferModule:
        """Build the Lightning module, after the random state was seeded; the network uses it first.

        Args:
            data: The data module, after ``setup``.

        Raises:
            StyleNetError: A style, a checkpoint or the encoder is unusable.
        """


def refuse_style_images(config: Any, trained: str) -> None:
    """Check that no style images are given where training uses photos only.

    Args:
        config: Composed config with the config group ``data``.
        trained: Network or command that uses photos only, for the message: ``network=johnson``.

    Raises:
        StyleNetError: ``data.styles`` is set.
    """
    if config.data.styles is not None:
        raise StyleNetError(
            f"data.styles={config.data.styles} is for network=adain, but {trained} trains on "
            f"photos only; leave data.styles out"
        )
