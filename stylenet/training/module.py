"""The Lightning module: one network learns one style."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from stylenet.checkpoint import ArtefactInfo
from stylenet.errors import StyleNetError, check_choice, check_number
from stylenet.networks import StyleNetwork
from stylenet.perceptual import PerceptualLoss


@dataclass(frozen=True)
class OptimizerSettings:
    """Adam (Kingma & Ba 2015) and its learning rate over time.

    Attributes:
        lr: Learning rate after the warm-up.
        warmup_steps: Steps of linear rise from 0.
        decay: ``none``, or ``cosine`` to fall to 0 at the last step.
    """

    lr: float
    warmup_steps: int
    decay: str

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_number("optimizer.lr", self.lr, above=0)
        check_number("optimizer.warmup_steps", self.warmup_steps, minimum=0, integer=True)
        check_choice("optimizer.decay", self.decay, ("none", "cosine"))

    def factor(self, step: int, max_steps: int) -> float:
        """Says what the learning rate is multiplied by.

        Args:
            step: Steps taken so far.
            max_steps: Steps of the whole run.

        Returns:
            A number in [0, 1].
        """
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        if self.decay == "none":
            return 1.0
        done = (step - self.warmup_steps) / max(1, max_steps - self.warmup_steps)
        return (1 + math.cos(math.pi * min(1.0, done))) / 2


class StyleTransferModule(pl.LightningModule):
    """Trains a network to repaint photos so that a perceptual loss falls.

    Only the network's weights go into a checkpoint; the frozen encoder never does.

    Attributes:
        network: What is trained.
        criterion: What judges it.
        style: Name of the style.
        recipe: The composed settings of the run.
        repainted: The latest output, detached, for callbacks; RGB in [0, 1], (N, 3, H, W).
        losses: The latest losses by name, detached, for callbacks.
    """

    def __init__(
        self,
        network: StyleNetwork,
        criterion: PerceptualLoss,
        optimizer: OptimizerSettings,
        style: str,
        recipe: dict[str, Any],
    ) -> None:
        """Takes the parts.

        Args:
            network: What is trained.
            criterion: What judges it.
            optimizer: How fast it learns.
            style: Name of the style, for artefacts.
            recipe: The composed settings of the run, for artefacts.
        """
        super().__init__()
        # Convolutions are up to six times as fast in this layout (CPU and tensor cores alike).
        self.network = network.to(memory_format=torch.channels_last)
        self.criterion = criterion.to(memory_format=torch.channels_last)
        self.settings = optimizer
        self.style = style
        self.recipe = recipe
        self.repainted: Tensor | None = None
        self.losses: dict[str, Tensor] = {}
        self._random_state: dict[str, Any] | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Repaints images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            The same shape and range.
        """
        return self.network(images)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Repaints a batch of photos and judges it.

        Args:
            batch: RGB in [0, 1], shape (N, 3, H, W).
            batch_idx: Of no matter; Lightning passes it.

        Returns:
            The total loss, a scalar.
        """
        photos = batch.contiguous(memory_format=torch.channels_last)
        repainted = self.network(photos)
        values = self.criterion(repainted, photos)
        self.repainted = repainted.detach()
        self.losses = {name: value.detach() for name, value in values.items()}
        self.log_dict({f"loss/{name}": value for name, value in self.losses.items()})
        return values["total"]

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Sets up Adam for the network's parameters.

        Returns:
            The optimiser and its schedule in Lightning's form.
        """
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.settings.lr)
        steps = int(self.trainer.max_steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: self.settings.factor(step, steps)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def artefact_info(self) -> ArtefactInfo:
        """Says what an artefact of the network as it is now holds.

        Returns:
            Style, step and recipe.
        """
        return ArtefactInfo(self.style, self.global_step, self.recipe)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Gives the network's weights alone.

        Returns:
            The weights under ``network.``.
        """
        return {f"network.{k}": v for k, v in self.network.state_dict(*args, **kwargs).items()}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Takes the network's weights.

        Args:
            state_dict: From :meth:`state_dict`.
            strict: Whether every key must fit.
            assign: Whether to take the tensors themselves.

        Returns:
            The missing and the unexpected keys.

        Raises:
            StyleNetError: The weights are those of another network.
        """
        own = {k.removeprefix("network."): v for k, v in state_dict.items()}
        try:
            return self.network.load_state_dict(own, strict=strict, assign=assign)
        except RuntimeError as error:
            raise StyleNetError(
                f"the checkpoint is of another network than network={self.network.name} with "
                f"{self.network.arguments} ({str(error).splitlines()[1].strip()}); resume with the "
                f"settings in the run folder's config.yaml"
            ) from error

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the random state.

        Args:
            checkpoint: What is to be saved.
        """
        state: dict[str, Any] = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        checkpoint["random_state"] = state

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remembers the random state until training goes on.

        Args:
            checkpoint: What was saved.
        """
        self._random_state = checkpoint.get("random_state")

    def on_train_start(self) -> None:
        """Puts the random state back, after all that draws from it at the start."""
        state, self._random_state = self._random_state, None
        if state is None:
            return
        torch.set_rng_state(state["cpu"].cpu())
        if "cuda" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"].cpu(), self.device)
