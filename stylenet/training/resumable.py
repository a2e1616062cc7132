"""What the commands train: one network, its optimizer, and an exact way to go on later."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from stylenet.contention import watch
from stylenet.errors import StyleNetError
from stylenet.training.arithmetic import describe_arithmetic, describe_changes
from stylenet.training.schedule import OptimizerOptions, Schedule, make_adam

# Kingma & Ba 2015, section 2.
_BETAS = (0.9, 0.999)


class ResumableModule(pl.LightningModule):
    """Trains one network; only what is trained goes into a checkpoint, nothing frozen does.

    Attributes:
        network: What is trained.
        checkpoint_name: What the final checkpoint is called, without its suffix.
        options: How fast it learns.
        recipe: The composed options of the run.
        losses: The latest losses by name, detached, for callbacks; one is ``total``.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: OptimizerOptions,
        checkpoint_name: str,
        recipe: dict[str, Any],
    ) -> None:
        """Takes the parts.

        Args:
            network: What is trained.
            optimizer: How fast it learns.
            checkpoint_name: What the final checkpoint is called, without its suffix.
            recipe: The composed options of the run, for checkpoints.
        """
        super().__init__()
        watch()
        # Convolutions are up to six times as fast in this layout (CPU and tensor cores alike).
        self.network = network.to(memory_format=torch.channels_last)
        self.options = optimizer
        self.checkpoint_name = checkpoint_name
        self.recipe = recipe
        self.losses: dict[str, Tensor] = {}
        self._random_state: dict[str, Any] | None = None
        self._step = 0
        self._end_asked = False

    @property
    def described(self) -> str:
        """The network in the words of the options, for messages."""
        raise NotImplementedError

    @property
    def identity(self) -> dict[str, Any]:
        """What a run that goes on has to have in common with its checkpoint, as plain values."""
        return {"name": self.checkpoint_name}

    def save_checkpoint(self, path: Path) -> None:
        """Writes the network as it is now for use.

        Args:
            path: Where to, ``*.safetensors``.

        Raises:
            StyleNetError: The file cannot be written.
        """
        raise NotImplementedError

    @property
    def trained(self) -> dict[str, nn.Module]:
        """What goes into checkpoints, by name."""
        return {"network": self.network}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Says what Adam trains.

        Returns:
            Groups of parameters in PyTorch's form, with learning rates where they differ.
        """
        return [{"params": list(self.network.parameters())}]

    def replays_steps(self) -> bool:
        """Decide whether the optimizer's step is captured instead of taken by Lightning."""
        return False

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Sets up Adam for the network's parameters.

        Returns:
            The optimizer and its schedule in Lightning's form.
        """
        captured_on = self.device if self.replays_steps() and self.device.type == "cuda" else None
        optimizer = make_adam(self.parameter_groups(), self.options.lr, _BETAS, captured_on)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.schedule(optimizer), "interval": "step"},
        }

    def schedule(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        """Makes the schedule of the options for an optimizer.

        Args:
            optimizer: Whose learning rate is to follow it.

        Returns:
            The schedule.
        """
        steps = int(self.trainer.max_steps)
        return Schedule(optimizer, lambda step: self.options.factor(step, steps))

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Gives the weights of what is trained alone.

        Returns:
            The weights, the network's under ``network.``.
        """
        return {
            f"{name}.{key}": value
            for name, part in self.trained.items()
            for key, value in part.state_dict(*args, **kwargs).items()
        }

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Takes the weights of what is trained.

        Args:
            state_dict: From :meth:`state_dict`.
            strict: Whether every key must fit.
            assign: Whether to take the tensors themselves.

        Returns:
            The missing and the unexpected keys of each part.

        Raises:
            StyleNetError: The weights are those of another network.
        """
        parts: dict[str, dict[str, Any]] = {}
        for key, value in state_dict.items():
            name, _, own = key.partition(".")
            parts.setdefault(name, {})[own] = value
        if parts.keys() != self.trained.keys():
            raise StyleNetError(
                f"the checkpoint is of a run that trained {' and '.join(parts)}, this one trains "
                f"{' and '.join(self.trained)}; resume with the loss in the run folder's "
                f"config.yaml, or begin a new run with the network beside the checkpoint: "
                f"init=PATH.safetensors"
            )
        try:
            return {
                name: part.load_state_dict(parts[name], strict=strict, assign=assign)
                for name, part in self.trained.items()
            }
        except RuntimeError as error:
            raise StyleNetError(
                f"the checkpoint is of another network than {self.described} "
                f"({str(error).splitlines()[1].strip()}); resume with the options in the run "
                f"folder's config.yaml"
            ) from error

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the random state, the same in every process, how many there are, and whose it is.

        Args:
            checkpoint: What is to be saved.
        """
        checkpoint["devices"] = self.trainer.world_size
        checkpoint["identity"] = self.identity
        checkpoint["arithmetic"] = self._arithmetic()
        state: dict[str, Any] = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        checkpoint["random_state"] = state

    def _arithmetic(self) -> dict[str, str]:
        # Not the module's own device: it goes there after its checkpoint is loaded.
        return describe_arithmetic(str(self.trainer.precision), self.trainer.strategy.root_device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remembers the random state until training goes on.

        Args:
            checkpoint: What was saved.

        Raises:
            StyleNetError: It was saved by a run of another network, or on another number of
                devices.
        """
        # What one of both does not say comes from another version, and meant no difference there.
        saved, own = checkpoint.get("identity", {}), self.identity
        other = [key for key in own if key in saved and saved[key] != own[key]]
        if other:
            was, now = (", ".join(f"{k}={part[k]}" for k in other) for part in (saved, own))
            raise StyleNetError(
                f"the checkpoint is of another network ({was}) than this run's ({now}); resume "
                f"with the options in the run folder's config.yaml, or begin a new run in another "
                f"run_dir, with the checkpoint's network if you like: init=PATH.safetensors"
            )
        devices = checkpoint.get("devices", self.trainer.world_size)
        if devices != self.trainer.world_size:
            raise StyleNetError(
                f"the checkpoint is of a run on {devices} devices, this one has "
                f"{self.trainer.world_size}: steps, learning rate and the photos seen would not "
                f"fit; go on with as many, or begin a new run with the network beside the "
                f"checkpoint: init=PATH.safetensors"
            )
        changes = describe_changes(checkpoint.get("arithmetic", {}), self._arithmetic())
        if changes is not None and self.trainer.is_global_zero:
            warnings.warn(changes, stacklevel=2)
        # trainer.max_time is for each start: with the time used up a run would never go on.
        checkpoint.get("callbacks", {}).pop("Timer", None)
        self._random_state = checkpoint.get("random_state")

    def on_train_start(self) -> None:
        """Puts the random state back, after all that draws from it at the start."""
        self._step, self._end_asked = self.trainer.global_step, False
        state, self._random_state = self._random_state, None
        if state is None:
            return
        torch.set_rng_state(state["cpu"].cpu())
        if "cuda" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"].cpu(), self.device)

    def on_train_batch_end(self, *args: Any) -> None:
        """Lets the run end after whole steps only, whoever asks for its end; callbacks come before.

        With gradients of several batches to a step, those at hand are in no checkpoint.
        """
        whole = self.trainer.global_step > self._step
        self._step = self.trainer.global_step
        self._end_asked |= self.trainer.should_stop
        self.trainer.should_stop = self._end_asked and whole
