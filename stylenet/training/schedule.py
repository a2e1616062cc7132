"""How fast a run learns, from its first step to its last and after an interruption."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from stylenet.errors import check_choice, check_number


@dataclass(frozen=True)
class OptimizerOptions:
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


def make_adam(
    groups: list[dict[str, Any]],
    lr: float,
    betas: tuple[float, float],
    captured_on: torch.device | None = None,
) -> torch.optim.Adam:
    """Build Adam (Kingma & Ba 2015).

    Args:
        groups: Parameters in PyTorch's form.
        lr: Learning rate.
        betas: Decay of the first and the second moment.
        captured_on: The GPU whose graph is to hold the step, which is one kernel then; ``None``
            for a step of Lightning's, which refuses to clip gradients beside that kernel.

    Returns:
        The optimizer. It takes states that were saved on another device.
    """
    options: dict[str, Any] = {}
    if captured_on is not None:
        options = {"fused": True, "capturable": True}
        # A number for the schedule, a tensor for the kernel.
        tensor = {"initial_lr": lr, "lr": torch.tensor(lr, device=captured_on)}
        groups = [{**group, **tensor} for group in groups]
    optimizer = torch.optim.Adam(groups, lr=lr, betas=betas, **options)
    optimizer.register_load_state_dict_pre_hook(_keep_options)
    return optimizer


def _keep_options(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """Let a saved state change what was learned, not how the step is computed."""
    own = [
        {key: group[key] for key in ("lr", "fused", "capturable", "foreach")}
        for group in optimizer.param_groups
    ]
    groups = zip(state["param_groups"], own, strict=True)
    return {**state, "param_groups": [{**saved, **options} for saved, options in groups]}


class Schedule(torch.optim.lr_scheduler.LambdaLR):
    """Goes on at a checkpoint's step with the learning rates of the options, changed or not."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the step alone, and puts right what the optimizer, loaded before, took with it.

        Args:
            state_dict: Of the run until then.
        """
        super().load_state_dict({**state_dict, "base_lrs": self.base_lrs})
        factors = (factor(self.last_epoch) for factor in self.lr_lambdas)
        self._last_lr = [base * f for base, f in zip(self.base_lrs, factors, strict=True)]
        groups = zip(self.optimizer.param_groups, self.base_lrs, self._last_lr, strict=True)
        for group, base, rate in groups:
            group["initial_lr"] = base
            if isinstance(group["lr"], torch.Tensor):  # captured where it is
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
