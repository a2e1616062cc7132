"""Where to move next: L-BFGS and Adam, for a single tensor whose moves may be cut short.

PyTorch's own optimizers take their moves for granted. Values here are brought back into the range
of pixels after each, and PyTorch's L-BFGS, which hears nothing of that, lost its way: from a photo
of 256 pixels its loss fell to 0.41 in 60 steps and rose to 1.39 by the 200th. This one learns from
the move that was made.
"""

from typing import Any, Protocol

import torch
from torch import Tensor

# Without curvatures to go by, L-BFGS begins along the gradient, so many levels on average. (PyTorch
# begins with 1 / sum|g|, which in an image is less than float32 can tell from nothing.) Twice as
# many after each step that met no curvature: else 1 in 100 descents from noise crept for 20 steps.
_FIRST_STEP = 0.1

# Of the cosine between a move and the change of the gradient along it. L-BFGS needs it above 0
# (Nocedal & Wright 2006, section 6.1); below this, it is rounding.
_LEAST_COSINE = 1e-6

# Kingma & Ba 2015; their 0.999 for the squares is for thousands of steps, an image takes hundreds.
_BETAS = (0.9, 0.99)
_EPSILON = 1e-8


class Method(Protocol):
    """What chooses moves."""

    def direction(self, gradient: Tensor) -> Tensor:
        """Chooses the next move.

        Args:
            gradient: At the present place, flat.

        Returns:
            The move at a learning rate of 1, of the same shape.
        """

    def learn(self, moved: Tensor, change: Tensor) -> None:
        """Hears of the move that was made.

        Args:
            moved: From the place before to the present one.
            change: Of the gradient.
        """

    def state_dict(self) -> dict[str, Any]:
        """Gives all that it remembers.

        Returns:
            Tensors and plain values.
        """

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Takes what another one remembered.

        Args:
            state: From :meth:`state_dict`.
            device: Where to compute.
        """


class LBFGS:
    """The quasi-Newton method of Liu & Nocedal 1989, by the two loops of Nocedal 1980."""

    def __init__(self, history: int) -> None:
        """Remembers nothing yet.

        Args:
            history: How many moves to remember, each with two tensors.
        """
        self._history = history
        self._first = _FIRST_STEP
        self._moves: list[Tensor] = []
        self._changes: list[Tensor] = []

    def direction(self, gradient: Tensor) -> Tensor:
        """Chooses the next move; see :class:`Method`."""
        if not self._moves:
            size = gradient.abs().mean().clamp_min(torch.finfo(gradient.dtype).tiny)
            return gradient * (-self._first / size)
        pairs = list(zip(self._moves, self._changes, strict=True))
        move, shares = gradient.neg(), []
        for moved, change in reversed(pairs):
            shares.append(moved.dot(move) / moved.dot(change))
            move -= shares[-1] * change
        moved, change = pairs[-1]
        move *= moved.dot(change) / change.dot(change)
        for (moved, change), share in zip(pairs, reversed(shares), strict=True):
            move += (share - change.dot(move) / moved.dot(change)) * moved
        return move

    def learn(self, moved: Tensor, change: Tensor) -> None:
        """Remembers the curvature that a move met; see :class:`Method`."""
        if bool(moved.dot(change) > _LEAST_COSINE * moved.norm() * change.norm()):
            self._moves = [*self._moves, moved][-self._history :]
            self._changes = [*self._changes, change][-self._history :]
        else:
            self._first *= 2

    def state_dict(self) -> dict[str, Any]:
        """Gives all that it remembers; see :class:`Method`."""
        return {"first": self._first, "moves": self._moves, "changes": self._changes}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Takes what another one remembered; see :class:`Method`."""
        self._first = state["first"]
        self._moves = [tensor.to(device) for tensor in state["moves"]]
        self._changes = [tensor.to(device) for tensor in state["changes"]]


class Adam:
    """The method of Kingma & Ba 2015 (arXiv:1412.6980)."""

    def __init__(self) -> None:
        """Remembers nothing yet."""
        self._count = 0
        self._mean = torch.zeros(())
        self._square = torch.zeros(())

    def direction(self, gradient: Tensor) -> Tensor:
        """Chooses the next move, of about 1 in each value; see :class:`Method`."""
        first, second = _BETAS
        self._count += 1
        self._mean = first * self._mean.to(gradient) + (1 - first) * gradient
        self._square = second * self._square.to(gradient) + (1 - second) * gradient.square()
        mean = self._mean / (1 - first**self._count)
        square = self._square / (1 - second**self._count)
        return -mean / (square.sqrt() + _EPSILON)

    def learn(self, moved: Tensor, change: Tensor) -> None:
        """Has no use for it; see :class:`Method`."""

    def state_dict(self) -> dict[str, Any]:
        """Gives all that it remembers; see :class:`Method`."""
        return {"count": self._count, "mean": self._mean, "square": self._square}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Takes what another one remembered; see :class:`Method`."""
        self._count = state["count"]
        self._mean, self._square = state["mean"].to(device), state["square"].to(device)
