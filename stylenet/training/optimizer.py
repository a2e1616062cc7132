"""Optimizer and learning rate schedule of a run."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from stylenet.errors import StyleNetError, check_number, first_line

ParameterGroups = list[dict[str, Any]]


@dataclass(frozen=True)
class OptimizerFactory:
    """Builds optimizers with their learning rate schedules.

    Attributes:
        make_optimizer: Partial of an optimizer class such as ``torch.optim.Adam``, without the
            parameters.
        make_schedule: Partial of a scheduler class, without the optimizer.
    """

    make_optimizer: partial[Optimizer]
    make_schedule: Callable[[Optimizer], LRScheduler]

    def __post_init__(self) -> None:
        """Check the options by building both for a single parameter.

        Raises:
            StyleNetError: A value is impossible or unknown.
        """
        for name, part in (("optimizer", self.make_optimizer), ("schedule", self.make_schedule)):
            if not callable(part):
                raise StyleNetError(
                    f"{name}={part} builds no {name}. Choose a file of the config group {name}, "
                    f"or give {name}._target_ and {name}._partial_=true"
                )
        check_number("optimizer.lr", self.lr, above=0)
        groups: ParameterGroups = [{"params": [nn.Parameter(torch.zeros(1))]}]
        optimizer = self._build("optimizer", lambda: self.make_optimizer(groups))
        self._build("schedule", lambda: self.make_schedule(optimizer))

    @property
    def _class(self) -> Callable[..., Optimizer]:
        return self.make_optimizer.func

    @property
    def name(self) -> str:
        """Class name of the optimizer, such as ``Adam``."""
        return self._class.__name__

    @property
    def lr(self) -> float:
        """Learning rate after the warm-up."""
        options = {p.name: p.default for p in inspect.signature(self._class).parameters.values()}
        return {**options, **self.make_optimizer.keywords}.get("lr", math.nan)

    @property
    def is_capturable(self) -> bool:
        """True if the optimizer's step can be captured in a CUDA graph."""
        return self.accepts("capturable")

    def accepts(self, option: str) -> bool:
        """Return whether the optimizer has an option.

        Args:
            option: Name of an argument, such as ``betas``.
        """
        return option in inspect.signature(self._class).parameters

    def build(
        self,
        groups: ParameterGroups,
        captured_on: torch.device | None = None,
        name: str | None = None,
        **changes: Any,
    ) -> OptimizerLRSchedulerConfig:
        """Build the optimizer and its schedule.

        Args:
            groups: Parameters in PyTorch's form.
            captured_on: GPU whose CUDA graph captures the step. The optimizer is fused into one
                kernel if it can be. ``None`` for Lightning's own step, which refuses to clip
                gradients of fused optimizers.
            name: Name of the logged learning rate; ``None`` for the optimizer's.
            **changes: Options of the optimizer that replace the configured ones.

        Returns:
            Optimizer and schedule in Lightning's form, the schedule counted in steps. The optimizer
            also loads states that were saved on another kind of device.
        """
        if captured_on is not None:
            changes |= {name: True for name in ("fused", "capturable") if self.accepts(name)}
            lr = changes.get("lr", self.lr)
            groups = [_with_tensor_lr(group, group.get("lr", lr), captured_on) for group in groups]
        optimizer = self.make_optimizer(groups, **changes)
        optimizer.register_load_state_dict_pre_hook(_keep_options)
        schedule = self.make_schedule(optimizer)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step", "name": name},
        }

    def _build(self, name: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        # PyTorch checks values with these; a custom class may add others.
        except (ValueError, TypeError, RuntimeError) as error:
            raise StyleNetError(f"{name}: {first_line(error)}") from error


def _with_tensor_lr(group: dict[str, Any], lr: float, device: torch.device) -> dict[str, Any]:
    """Add the learning rate as a number for the schedule and as a tensor for the kernel."""
    return {**group, "initial_lr": lr, "lr": torch.tensor(lr, device=device)}


def _keep_options(optimizer: Optimizer, state: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the options of this run, which may differ from those of the saved state."""
    groups = []
    for own, saved in zip(optimizer.param_groups, state["param_groups"], strict=True):
        lr = own["lr"]
        if isinstance(lr, torch.Tensor):  # a captured step reads it from this tensor
            lr.fill_(float(saved["lr"]))
        else:
            lr = float(saved["lr"])  # the schedule, which is loaded later, sets its own value
        options = {name: value for name, value in own.items() if name != "params"}
        groups.append({**saved, **options, "lr": lr})
    return {**state, "param_groups": groups}
