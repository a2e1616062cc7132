"""The interfaces of a training method and of the composed config that it reads."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from torch import nn

from stylenet.checkpoint import start_from, start_from_base
from stylenet.data import PhotoData
from stylenet.errors import StyleNetError
from stylenet.methods.adversarial.loss import AdversarialOptions
from stylenet.networks import StyleNetwork
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

    def overrides_option(self, option: str) -> bool:
        """Return whether the user set an option, such as ``optimizer.lr``."""

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

    def initialize(self, network: StyleNetwork, encoder_weights: str | None = None) -> None:
        """Load the weights that ``init`` names, and replace ``auto`` in the config.

        Args:
            network: The network to train, with random weights.
            encoder_weights: See :func:`stylenet.checkpoint.load_checkpoint`.

        Raises:
            StyleNetError: The named network is unusable, or no base network fits.
        """
        init = self.config.init
        if init is None:
            return
        if init not in ("auto", "base"):
            start_from(network, str(init), encoder_weights)
            return
        fits = start_from_base(network)
        if init == "base" and not fits:
            raise StyleNetError(
                f"init=base: no base network fits a {network.name} network with "
                f"{network.arguments}; set init=null for random weights, or keep the defaults of "
                f"network=johnson or network=compact"
            )
        self.config.init = "base" if fits else None

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


def refuse_style_images(folder: str | None, trained: str) -> None:
    """Check that no style images are given where training uses photos only.

    Args:
        folder: Option ``data.styles``.
        trained: Network or command that uses photos only, for the message: ``network=johnson``.

    Raises:
        StyleNetError: ``data.styles`` is set.
    """
    if folder is not None:
        raise StyleNetError(
            f"data.styles={folder} is for networks of arbitrary styles (network=any_style), but "
            f"{trained} trains on photos only; leave data.styles out"
        )


def refuse_style_overrides(experiment: Experiment, trained: str) -> None:
    """Check that no named style is chosen where training uses a folder of style images.

    Args:
        experiment: The composed config with the config group ``data``.
        trained: Network or experiment that trains on the folder: ``network=adain``.

    Raises:
        StyleNetError: An option names styles, or a network of named styles.
    """
    config = experiment.config
    unsuitable = [
        word
        for word in (override.lstrip("+~") for override in experiment.overrides)
        if word.startswith(("style=", "style.", "style@"))
    ]
    unsuitable += [
        f"{key}={config[key]}"
        for key in ("styles", "add_to", "teacher_network")
        if config[key] is not None
    ]
    if unsuitable:
        raise StyleNetError(
            f"{unsuitable[0]} is for networks of named styles, but {trained} trains on all "
            f"style images in data.styles={config.data.styles}; leave it out"
        )
