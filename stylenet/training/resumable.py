"""The base of all Lightning modules: one network, its optimizer, and exact resuming."""

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
from stylenet.training.optimizer import OptimizerFactory, ParameterGroups

# Optimizer of older checkpoints, which do not record it.
_FORMER_OPTIMIZER = "Adam"


class ResumableModule(pl.LightningModule):
    """Trains one network. Resume checkpoints hold trained weights only, no frozen ones.

    Attributes:
        network: The network to train.
        checkpoint_name: Name of the final checkpoint, without suffix.
        optimizer_factory: Builds the optimizer and its schedule.
        recipe: The composed options of the run.
        losses: The latest losses by name, detached, for callbacks; one is ``total``.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: OptimizerFactory,
        checkpoint_name: str,
        recipe: dict[str, Any],
    ) -> None:
        """Initialize the module.

        Args:
            network: The network to train.
            optimizer: Builds the optimizer and its schedule.
            checkpoint_name: Name of the final checkpoint, without suffix.
            recipe: The composed options of the run, for checkpoints.
        """
        super().__init__()
        watch()
        # Convolutions are up to six times as fast in this layout, on CPUs and on tensor cores.
        self.network = network.to(memory_format=torch.channels_last)
        self.optimizer_factory = optimizer
        self.checkpoint_name = checkpoint_name
        self.recipe = recipe
        self.losses: dict[str, Tensor] = {}
        self._random_state: dict[str, Any] | None = None
        self._step = 0
        self._end_requested = False

    @property
    def described(self) -> str:
        """The network as options, for messages."""
        raise NotImplementedError

    @property
    def identity(self) -> dict[str, Any]:
        """Plain values that must be equal in a resume checkpoint and in the resumed run."""
        return {"name": self.checkpoint_name}

    def save_checkpoint(self, path: Path) -> None:
        """Write the network in its present state, for inference.

        Args:
            path: A ``.safetensors`` file.

        Raises:
            StyleNetError: The file cannot be written.
        """
        raise NotImplementedError

    @property
    def trained(self) -> dict[str, nn.Module]:
        """The modules whose weights resume checkpoints hold, by name."""
        return {"network": self.network}

    def parameter_groups(self) -> ParameterGroups:
        """Return the parameters to train, in PyTorch's form. A group may have its own options."""
        return [{"params": list(self.network.parameters())}]

    def replays_steps(self) -> bool:
        """Return whether the optimizer's step is captured and replayed."""
        return False

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Build the optimizer of :meth:`parameter_groups` and its schedule."""
        captured_on = self.device if self.replays_steps() and self.device.type == "cuda" else None
        return self.optimizer_factory.build(self.parameter_groups(), captured_on)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the weights of the trained modules; keys start with the names of these."""
        return {
            f"{name}.{key}": value
            for name, part in self.trained.items()
            for key, value in part.state_dict(*args, **kwargs).items()
        }

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load the weights of the trained modules.

        Args:
            state_dict: From :meth:`state_dict`.
            strict: Whether all keys must match.
            assign: Whether to assign the tensors instead of copying them.

        Returns:
            The missing and the unexpected keys of each module of :attr:`trained`.

        Raises:
            StyleNetError: The weights are those of another network.
        """
        parts: dict[str, dict[str, Any]] = {}
        for key, value in state_dict.items():
            name, _, own = key.partition(".")
            parts.setdefault(name, {})[own] = value
        if parts.keys() != self.trained.keys():
            raise StyleNetError(
                f"the checkpoint is from a run that trained {' and '.join(parts)}, but this run "
                f"trains {' and '.join(self.trained)}; resume with the loss in the run directory's "
                f"config.yaml, or start a new run from the network beside the checkpoint: "
                f"init=PATH.safetensors"
            )
        try:
            return {
                name: part.load_state_dict(parts[name], strict=strict, assign=assign)
                for name, part in self.trained.items()
            }
        except RuntimeError as error:
            raise StyleNetError(
                f"the checkpoint is from another network than {self.described} "
                f"({str(error).splitlines()[1].strip()}); resume with the options in the run "
                f"directory's config.yaml"
            ) from error

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add identity, world size, arithmetic and random state, which is equal on every rank.

        Args:
            checkpoint: Lightning's checkpoint, before it is saved.
        """
        checkpoint["devices"] = self.trainer.world_size
        checkpoint["identity"] = self.identity
        checkpoint["optimizer"] = self.optimizer_factory.name
        checkpoint["arithmetic"] = self._arithmetic()
        state: dict[str, Any] = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        checkpoint["random_state"] = state

    def _arithmetic(self) -> dict[str, str]:
        # The module is not yet on this device when its checkpoint is loaded.
        return describe_arithmetic(str(self.trainer.precision), self.trainer.strategy.root_device)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that the checkpoint fits this run, and keep its random state until training starts.

        Args:
            checkpoint: Lightning's checkpoint, as saved.

        Raises:
            StyleNetError: The checkpoint is from a run with another network, optimizer or number of
                devices.
        """
        self._check_identity(checkpoint)
        devices = checkpoint.get("devices", self.trainer.world_size)
        if devices != self.trainer.world_size:
            raise StyleNetError(
                f"the checkpoint is from a run of world size {devices}, but this run has "
                f"{self.trainer.world_size}: steps, learning rate and photos would not match; "
                f"resume on {devices} devices, or start a new run from the network beside the "
                f"checkpoint: init=PATH.safetensors"
            )
        changes = describe_changes(checkpoint.get("arithmetic", {}), self._arithmetic())
        if changes is not None and self.trainer.is_global_zero:
            warnings.warn(changes, stacklevel=2)
        # trainer.max_time counts from each start. A saved timer would end a resumed run at once.
        checkpoint.get("callbacks", {}).pop("Timer", None)
        self._random_state = checkpoint.get("random_state")

    def _check_identity(self, checkpoint: Mapping[str, Any]) -> None:
        # A key missing on either side comes from another version, where it could not differ.
        saved, own = checkpoint.get("identity", {}), self.identity
        other = [key for key in own if key in saved and saved[key] != own[key]]
        if other:
            was, now = (", ".join(f"{k}={part[k]}" for k in other) for part in (saved, own))
            raise StyleNetError(
                f"the checkpoint is from another network ({was}) than this run's ({now}); resume "
                f"with the options in the run directory's config.yaml, or start a new run in "
                f"another run_dir; init=PATH.safetensors starts from the checkpoint's network"
            )
        before, optimizer = checkpoint.get("optimizer", _FORMER_OPTIMIZER), self.optimizer_factory
        if before != optimizer.name:
            raise StyleNetError(
                f"the checkpoint holds the state of the optimizer {before}, but this run uses "
                f"{optimizer.name}; resume with the optimizer in the run directory's config.yaml, "
                f"or start a new run from the network beside the checkpoint: init=PATH.safetensors"
            )

    def on_train_start(self) -> None:
        """Restore the random state, after all other uses of it at the start."""
        self._step, self._end_requested = self.trainer.global_step, False
        state, self._random_state = self._random_state, None
        if state is None:
            return
        torch.set_rng_state(state["cpu"].cpu())
        if "cuda" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"].cpu(), self.device)

    def on_train_batch_end(self, *args: Any) -> None:
        """End the run only after complete steps, whichever callback requests the end.

        Resume checkpoints do not hold the gradients of a step that accumulates several batches.
        Lightning calls callbacks before this method.
        """
        step_is_complete = self.trainer.global_step > self._step
        self._step = self.trainer.global_step
        self._end_requested |= self.trainer.should_stop
        self.trainer.should_stop = self._end_requested and step_is_complete
