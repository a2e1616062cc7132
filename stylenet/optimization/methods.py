"""L-BFGS and Adam for a single tensor whose steps may be clipped afterwards.

PyTorch's optimizers assume that their whole step is applied. Here values are clamped to the range
of pixels after each step, and PyTorch's L-BFGS, which does not see that, diverged: from a photo of
256 pixels its loss fell to 0.41 in 60 steps and rose to 1.39 by the 200th. This L-BFGS updates its
history with the step that was applied.
"""

from typing import Any, Protocol

import torch
from torch import Tensor

# Average length of the first step of L-BFGS, along the gradient, in levels of 255. (PyTorch begins
# with 1 / sum|g|, which underflows float32 for an image.) It doubles after each step without
# positive curvature: otherwise 1 in 100 descents from noise hardly moved for 20 steps.
_FIRST_STEP = 0.1

# Smallest cosine between a step and the change of the gradient along it. L-BFGS needs it above 0
# (Nocedal & Wright 2006, section 6.1); smaller values are rounding errors.
_LEAST_COSINE = 1e-6

# Kingma & Ba 2015; their 0.999 for the squares is for thousands of steps, an image takes hundreds.
_BETAS = (0.9, 0.99)
_EPSILON = 1e-8


class Method(Protocol):
    """An optimization method that proposes steps."""

    def direction(self, gradient: Tensor) -> Tensor:
        """Return the next step for a learning rate of 1.

        Args:
            gradient: Gradient at the current values, flat.

        Returns:
            The same shape.
        """

    def learn(self, step: Tensor, change: Tensor) -> None:
        """Update the state with the step that was applied.

        Args:
            step: Change of the values, perhaps clipped.
            change: Change of the gradient along the step.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return the state as tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Restore a state.

        Args:
            state: From :meth:`state_dict`.
            device: Device to compute on.
        """


class LBFGS:
    """The quasi-Newton method of Liu & Nocedal 1989, by the two loops of Nocedal 1980."""

    def __init__(self, history: int) -> None:
        """Begin without history.

        Args:
            history: Number of steps to remember, each with two tensors.
        """
        self._history = history
        self._first = _FIRST_STEP
        # s and y of the papers: steps, and changes of the gradient along them.
        self._steps: list[Tensor] = []
        self._changes: list[Tensor] = []

    def direction(self, gradient: Tensor) -> Tensor:
        """Return the next step; see :class:`Method`."""
        if not self._steps:
            size = gradient.abs().mean().clamp_min(torch.finfo(gradient.dtype).tiny)
            return gradient * (-self._first / size)
        pairs = list(zip(self._steps, self._changes, strict=True))
        direction, factors = gradient.neg(), []
        for step, change in reversed(pairs):
            factors.append(step.dot(direction) / step.dot(change))
            direction -= factors[-1] * change
        step, change = pairs[-1]
        direction *= step.dot(change) / change.dot(change)
        for (step, change), factor in zip(pairs, reversed(factors), strict=True):
            direction += (factor - change.dot(direction) / step.dot(change)) * step
        return direction

    def learn(self, step: Tensor, change: Tensor) -> None:
        """Add a step of positive curvature to the history; see :class:`Method`."""
        if bool(step.dot(change) > _LEAST_COSINE * step.norm() * change.norm()):
            self._steps = [*self._steps, step][-self._history :]
            self._changes = [*self._changes, change][-self._history :]
        else:
            self._first *= 2

    def state_dict(self) -> dict[str, Any]:
        """Return the state; see :class:`Method`."""
        return {"first": self._first, "moves": self._steps, "changes": self._changes}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Restore a state; see :class:`Method`."""
        self._first = state["first"]
        self._steps = [tensor.to(device) for tensor in state["moves"]]
        self._changes = [tensor.to(device) for tensor in state["changes"]]


class Adam:
    """The method of Kingma & Ba 2015 (arXiv:1412.6980)."""

    def __init__(self) -> None:
        """Begin with moments of 0."""
        self._count = 0
        self._mean = torch.zeros(())
        self._square = torch.zeros(())

    def direction(self, gradient: Tensor) -> Tensor:
        """Return the next step, about 1 for each value; see :class:`Method`."""
        first, second = _BETAS
        self._count += 1
        self._mean = first * self._mean.to(gradient) + (1 - first) * gradient
        self._square = second * self._square.to(gradient) + (1 - second) * gradient.square()
        mean = self._mean / (1 - first**self._count)
        square = self._square / (1 - second**self._count)
        return -mean / (square.sqrt() + _EPSILON)

    def learn(self, step: Tensor, change: Tensor) -> None:
        """Do nothing: Adam does not use the applied step; see :class:`Method`."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state; see :class:`Method`."""
        return {"count": self._count, "mean": self._mean, "square": self._square}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Restore a state; see :class:`Method`."""
        self._count = state["count"]
        self._mean, self._square = state["mean"].to(device), state["square"].to(device)
