"""Learning rate schedules, counted in training steps."""

import math
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from stylenet.errors import check_number


class ConstantSchedule(LRScheduler):
    """Learning rate that rises linearly over the warm-up and then stays.

    A resumed run continues at the step of its checkpoint with the learning rate of its own options.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, warmup_steps: int = 0) -> None:
        """Set the learning rate of the first step.

        Args:
            optimizer: Optimizer with the learning rate after the warm-up.
            warmup_steps: Steps in which the learning rate rises linearly from 0.

        Raises:
            StyleNetError: The number of steps is impossible.
        """
        check_number("schedule.warmup_steps", warmup_steps, minimum=0, integer=True)
        self.warmup_steps = warmup_steps
        super().__init__(optimizer)

    def get_lr(self) -> list[float | torch.Tensor]:
        """Return the learning rate of each parameter group at the current step."""
        factor = self.factor(self.last_epoch)
        return [float(base) * factor for base in self.base_lrs]

    def factor(self, step: int) -> float:
        """Return the factor of the learning rate at a step.

        Args:
            step: Steps taken so far.

        Returns:
            A number in [0, 1].
        """
        if step < self.warmup_steps:
            return (step + 1) / (self.warmup_steps + 1)
        return self.decay(step - self.warmup_steps)

    def decay(self, step: int) -> float:
        """Return the factor after the warm-up.

        Args:
            step: Steps taken since the warm-up.

        Returns:
            A number in [0, 1].
        """
        return 1.0

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue at a saved step with the learning rate of this run's options.

        Lightning loads the optimizer first, with the learning rate of the saved step.

        Args:
            state_dict: State of the saved run.
        """
        for name in ("last_epoch", "_step_count"):
            setattr(self, name, state_dict[name])
        self._last_lr = self.get_lr()
        groups = zip(self.optimizer.param_groups, self.base_lrs, self._last_lr, strict=True)
        for group, base, rate in groups:
            group["initial_lr"] = float(base)
            if isinstance(group["lr"], torch.Tensor):  # a captured step reads it from this tensor
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate


class CosineSchedule(ConstantSchedule):
    """Learning rate that falls to 0 at the last step along a cosine, after the warm-up."""

    def __init__(
        self, optimizer: torch.optim.Optimizer, max_steps: int, warmup_steps: int = 0
    ) -> None:
        """Set the learning rate of the first step.

        Args:
            optimizer: Optimizer with the learning rate after the warm-up.
            max_steps: Steps of the whole run.
            warmup_steps: Steps in which the learning rate rises linearly from 0.

        Raises:
            StyleNetError: A number of steps is impossible.
        """
        check_number("schedule.max_steps", max_steps, minimum=1, integer=True)
        self.max_steps = max_steps
        super().__init__(optimizer, warmup_steps)

    def decay(self, step: int) -> float:
        """Return the factor after the warm-up, half a period of a cosine."""
        done = step / max(1, self.max_steps - self.warmup_steps)
        return (1 + math.cos(math.pi * min(1.0, done))) / 2
