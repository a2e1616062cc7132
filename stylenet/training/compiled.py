"""The Lightning module whose steps are compiled and, on a GPU, replayed as CUDA graphs."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Optimizer

from stylenet.training.optimizer import OptimizerFactory
from stylenet.training.replay import ReplayedStep, can_replay
from stylenet.training.resumable import ResumableModule
from stylenet.training.step import ComputeLosses, Losses, compile_losses

# Remaining steps of a run without a last step, which ends by trainer.max_time.
_ENDLESS = 10**9


class CompiledModule(ResumableModule):
    """Trains one network by steps that run as fast as the machine allows.

    Attributes:
        compile_mode: ``auto``, ``true`` or ``false``, see :mod:`stylenet.training.step`.
        compiled_losses: :meth:`step_losses`, compiled from the first step on if that saves time.
    """

    compile_mode = "auto"

    def __init__(
        self,
        network: nn.Module,
        optimizer: OptimizerFactory,
        checkpoint_name: str,
        recipe: dict[str, Any],
    ) -> None:
        """Initialize the module; see :class:`ResumableModule`."""
        super().__init__(network, optimizer, checkpoint_name, recipe)
        self.compiled_losses: ComputeLosses = self.step_losses
        self._replayed: ReplayedStep | None = None
        self._is_prepared = self._replays = False

    def step_losses(self, *inputs: Tensor) -> Losses:
        """Compute the output of the network and the losses of a step.

        Args:
            *inputs: Tensors on the device of the module; the same number in each step.
        """
        raise NotImplementedError

    def run_losses(self, inputs: Sequence[Tensor], batch_idx: int) -> Losses:
        """Compute the losses of a batch; a replayed step also computes the gradients.

        Args:
            inputs: Arguments of :meth:`step_losses`.
            batch_idx: Index of the batch.

        Returns:
            The output and the losses; detached if the step is replayed.
        """
        if self._replayed is None:
            return self.compiled_losses(*inputs)
        is_first = batch_idx % self.trainer.accumulate_grad_batches == 0
        return self._replayed.backward(inputs, is_first)

    def replays_steps(self) -> bool:
        """Return whether whole steps are replayed, see :mod:`stylenet.training.replay`."""
        self._replays = can_replay(
            self.compile_mode, self.trainer, self.device, self.optimizer_factory
        )
        return self._replays

    def on_train_start(self) -> None:
        """Prepare the steps again in a second fit."""
        super().on_train_start()
        self._is_prepared = False

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Before the first step, compile the losses and prepare the replay of whole steps."""
        if self._is_prepared:
            return
        self._is_prepared = True
        trainer = self.trainer
        left = trainer.max_steps - trainer.global_step if trainer.max_steps > 0 else _ENDLESS
        self.compiled_losses = compile_losses(
            self.step_losses, self.compile_mode, left, self.device
        )
        self._replayed = None
        if self._replays:
            self._replayed = ReplayedStep(
                self.compiled_losses,
                cast(Optimizer, self.optimizers(use_pl_optimizer=False)),
                self._clip_gradients,
                trainer.accumulate_grad_batches,
                self.device,
                trainer.precision_plugin.forward_context,
            )

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Compute the gradients, unless the replayed step has done so."""
        if self._replayed is None:
            super().backward(loss, *args, **kwargs)

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Clear the gradients, unless the replayed step does so."""
        if self._replayed is None:
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Any = None,
    ) -> None:
        """Take the optimizer's step, or the replayed one."""
        if self._replayed is None:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        else:
            optimizer_closure()
            self._replayed.update()

    def _clip_gradients(self, optimizer: Optimizer) -> None:
        """Clip gradients as Lightning does; Lightning itself refuses to with a fused optimizer."""
        value = self.trainer.gradient_clip_val
        if value is None:
            return
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if self.trainer.gradient_clip_algorithm == "value":
            torch.nn.utils.clip_grad_value_(parameters, value)
        else:
            torch.nn.utils.clip_grad_norm_(parameters, value)
