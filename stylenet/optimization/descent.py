"""One image, changed step by step so that a loss falls."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.optimization.methods import LBFGS, Adam, Method
from stylenet.optimization.options import OptimizationOptions

# What is optimized counts in levels from 0 to 255, as in the code of Gatys et al. 2016: there a
# whole step of L-BFGS from the photo is right; on [0, 1] it stalls.
_LEVELS = 255

# Of the total in one step, as a share of it. With relative losses it rose by a tenth at most, with
# absolute ones by six, and then fell by itself.
_MOST_RISE = 1
_RETRIES = 5


class Descent:
    """Optimizes an image by one method, at one size.

    Values are brought back into [0, 1] after each step, so that every loss is that of an image.
    Clipping only at the end, as is common, left 0.48 of a total of 0.34, where this way ends at
    0.35 (150 steps of L-BFGS from a photo of 192 pixels).

    A step after which the loss is no number, or more than twice as large, is taken back and tried
    with half the learning rate, which stays at that.

    Attributes:
        losses: Of the image as it is, by name; one is ``total``.
    """

    def __init__(
        self,
        start: Tensor,
        loss: Callable[[Tensor], dict[str, Tensor]],
        options: OptimizationOptions,
    ) -> None:
        """Judges the start.

        Args:
            start: RGB in [0, 1], shape (1, 3, H, W), float32 or float64.
            loss: Gives scalars for such an image; it is ``total`` that falls.
            options: The dials.

        Raises:
            StyleNetError: The loss of the start is no number.
        """
        self._loss = loss
        self._settings = options
        self._shape = start.shape
        self._levels = start.detach().flatten() * _LEVELS
        self._method = self._begin()
        self._share = 1.0
        self._count = 0
        self.losses, self._gradient = self._judge(self._levels)
        if not math.isfinite(self.losses["total"]):
            raise StyleNetError(
                f"the loss of the image to start with is {self.losses['total']}; check "
                f"encoder.weights and the weights in loss"
            )

    @property
    def image(self) -> Tensor:
        """The image as it is, RGB in [0, 1], shape (1, 3, H, W)."""
        return (self._levels / _LEVELS).view(self._shape)

    def step(self) -> None:
        """Takes one step.

        Raises:
            StyleNetError: The loss is no number even after a small fraction of the step.
        """
        before = self.losses["total"]
        for _ in range(_RETRIES):
            move = self._method.direction(self._gradient) * self._rate()
            levels = (self._levels + move).clamp_(0, _LEVELS)
            losses, gradient = self._judge(levels)
            # Below 0 a dream may take it. False for what is no number, too.
            if losses["total"] - before <= _MOST_RISE * abs(before):
                self._method.learn(levels - self._levels, gradient - self._gradient)
                self._levels, self._gradient, self.losses = levels, gradient, losses
                self._count += 1
                return
            self._share /= 2
            self._method = self._begin()
        if not math.isfinite(losses["total"]):
            raise StyleNetError(
                f"the loss went from {before:.4g} to {losses['total']} in one step, and so down to "
                f"1/{1 / self._share:.0f} of lr={self._settings.rate:g}; set a smaller lr, or "
                f"smaller weights in loss"
            )
        self._count += 1  # nothing better is near: the image stays as it is

    def state_dict(self) -> dict[str, Any]:
        """Gives all that :meth:`load_state_dict` needs to go on exactly.

        Returns:
            Tensors and plain values.
        """
        return {
            "levels": self._levels,
            "share": self._share,
            "count": self._count,
            "method": self._method.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to where a descent of the same start, loss and options was.

        Args:
            state: From :meth:`state_dict`.
        """
        device = self._levels.device
        self._levels = state["levels"].to(device)
        self._share, self._count = state["share"], state["count"]
        self._method = self._begin()
        self._method.load_state_dict(state["method"], device)
        self.losses, self._gradient = self._judge(self._levels)

    def _begin(self) -> Method:
        """The method, with nothing to remember yet."""
        return Adam() if self._settings.method == "adam" else LBFGS(self._settings.history)

    def _rate(self) -> float:
        """The learning rate at the present step."""
        rate = self._settings.rate * self._share
        if self._settings.method == "lbfgs":
            return rate
        # Adam's steps have one size however near the end is, and would leave that as noise.
        return rate * (1 - self._count / self._settings.steps)

    def _judge(self, levels: Tensor) -> tuple[dict[str, float], Tensor]:
        """The losses by name, and the gradient of the total times the number of values.

        So the gradient of each value is near 1 at any size of the image, far from what float32
        cannot hold and from Adam's epsilon.
        """
        levels = levels.detach().requires_grad_()
        losses = self._loss((levels / _LEVELS).view(self._shape))
        objective = losses["total"] * levels.numel()
        (gradient,) = torch.autograd.grad(objective, levels)
        return {name: float(value.detach()) for name, value in losses.items()}, gradient
