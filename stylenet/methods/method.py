"""The interface of a training method, and what methods see of the command line."""

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
    """A composed config and the means to build from it, so that methods need no Hydra.

    Attributes:
        config: configs/train.yaml, composed; groups and options are attributes.
        overrides: Overrides of the user, such as ``style=starry``.
    """

    config: Any
    overrides: Sequence[str]

    def build(self, config: Any, **arguments: Any) -> Any:
        """Build the object of a config with a ``_target_``."""

    def build_loss(self) -> dict[str, LossTerm]:
        """Build the terms of the perceptual loss; refuse an adversarial term."""

    def build_adversarial_loss(self) -> tuple[dict[str, LossTerm], AdversarialOptions]:
        """Build the terms of the perceptual loss, and the options of the adversarial term."""

    def build_optimizer(self) -> OptimizerFactory:
        """Build the factory of optimizer and schedule."""

    def compose_style(self, name: str) -> Any:
        """Compose the config of a style of configs/style/, with the other overrides in place."""

    def recipe(self) -> dict[str, Any]:
        """Return all options as plain values, for checkpoints."""


class Method(ABC):
    """A way to train networks: what it trains, on what data, against which loss.

    A subclass is chosen by a file in configs/training_method/. ``stylenet.cli.train`` calls its
    methods in the order in which they stand here.

    Attributes:
        experiment: The composed config.
        config: ``experiment.config``.
        usage: Options to add to ``infer`` for a network of this method.
    """

    usage = ""
    optimizer: OptimizerFactory

    def __init__(self, experiment: Experiment, run_name: str | None = None) -> None:
        """Take the composed config; nothing is checked or built.

        Args:
            experiment: The composed config.
            run_name: Name of the default run directory, which configs/train.yaml refers to.
        """
        self.experiment = experiment
        self.config = experiment.config

    def check(self) -> None:
        """Check the options before any work, and build what costs nothing.

        Raises:
            StyleNetError: An option is impossible, missing, or not for this method.
        """
        self.optimizer = self.experiment.build_optimizer()

    def data_options(self) -> dict[str, Any]:
        """Return arguments for the data module beside the options in ``data``."""
        return {}

    def trainer_options(self) -> dict[str, Any]:
        """Return arguments for the trainer that replace options in ``trainer``."""
        return {}

    @abstractmethod
    def build_criterion(self, encoder: Encoder) -> nn.Module:
        """Build the loss.

        Args:
            encoder: The frozen encoder.
        """

    @abstractmethod
    def build_module(self, data: PhotoData) -> StyleTransferModule:
        """Build the Lightning module. The random state is seeded; networks are the first to use it.

        Args:
            data: The data module, set up.

        Raises:
            StyleNetError: A style, a checkpoint or the encoder is unusable.
        """


def refuse_style_images(config: Any, trained: str) -> None:
    """Refuse style images beside the photos where nothing is trained on them.

    Args:
        config: Options with the group ``data``.
        trained: What trains on photos only, for the message: ``network=johnson``.

    Raises:
        StyleNetError: ``data.styles`` is set.
    """
    if config.data.styles is not None:
        raise StyleNetError(
            f"data.styles={config.data.styles}: style images come with the photos for "
            f"network=adain, and {trained} learns nothing from them; leave data.styles out"
        )
