"""Gradient descent on the pixels of one image."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.optimization.methods import LBFGS, Adam, Method
from stylenet.optimization.options import OptimizationOptions

# Pixels are optimized in levels from 0 to 255, as in the code of Gatys et al. 2016, where a full
# step of L-BFGS from the photo is right; in [0, 1] it stalls.
_LEVELS = 255

# Largest accepted rise of the total loss in one step, as a fraction of it. Relative losses rose by
# at most 0.1, absolute ones by 6, and then fell again.
_MOST_RISE = 1
_RETRIES = 5


class Descent:
    """Optimizes an image by one method, at one size.

    Pixels are clamped to [0, 1] after each step, so that every loss is that of an image. Clamping
    only at the end, as is common, raised a total of 0.34 to 0.48; clamping at each step ends at
    0.35 (150 steps of L-BFGS from a photo of 192 pixels).

    A step that makes the loss NaN, infinite or more than twice as large is undone and tried again
    with half the learning rate, which stays in force.

    Attributes:
        losses: Losses of the current image by name, among them ``total``.
    """

    def __init__(
        self,
        start: Tensor,
        loss: Callable[[Tensor], dict[str, Tensor]],
        options: OptimizationOptions,
    ) -> None:
        """Compute the losses of the start.

        Args:
            start: RGB in [0, 1], shape (1, 3, H, W), float32 or float64.
            loss: Returns scalars by name for such an image; ``total`` is minimized.

        Raises:
            StyleNetError: The loss of the start is not finite.
        """
        self._loss = loss
        self._options = options
        self._shape = start.shape
        self._levels = start.detach().flatten() * _LEVELS
        self._method = self._begin()
        self._rate_factor = 1.0
        self._count = 0
        self.losses, self._gradient = self._evaluate(self._levels)
        if not math.isfinite(self.losses["total"]):
            raise StyleNetError(
                f"the loss of the image to start with is {self.losses['total']}; check "
                f"encoder.weights and the weights in loss"
            )

    @property
    def image(self) -> Tensor:
        """The current image, RGB in [0, 1], shape (1, 3, H, W)."""
        return (self._levels / _LEVELS).view(self._shape)

    def step(self) -> None:
        """Take one step.

        Raises:
            StyleNetError: The loss is not finite even after a small fraction of the step.
        """
        before = self.losses["total"]
        for _ in range(_RETRIES):
            move = self._method.direction(self._gradient) * self._rate()
            levels = (self._levels + move).clamp_(0, _LEVELS)
            losses, gradient = self._evaluate(levels)
            # The total may be negative because of a dream. The comparison is false for NaN.
            if losses["total"] - before <= _MOST_RISE * abs(before):
                self._method.learn(levels - self._levels, gradient - self._gradient)
                self._levels, self._gradient, self.losses = levels, gradient, losses
                self._count += 1
                return
            self._rate_factor /= 2
            self._method = self._begin()
        if not math.isfinite(losses["total"]):
            raise StyleNetError(
                f"the loss went from {before:.4g} to {losses['total']} in one step, even at "
                f"1/{1 / self._rate_factor:.0f} of lr={self._options.rate:g}; set a smaller lr, or "
                f"smaller weights in loss"
            )
        self._count += 1  # no better image is near, so this one stays

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and plain values from which :meth:`load_state_dict` resumes exactly."""
        return {
            "levels": self._levels,
            "share": self._rate_factor,
            "count": self._count,
            "method": self._method.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume a descent of the same start, loss and options.

        Args:
            state: From :meth:`state_dict`.
        """
        device = self._levels.device
        self._levels = state["levels"].to(device)
        self._rate_factor, self._count = state["share"], state["count"]
        self._method = self._begin()
        self._method.load_state_dict(state["method"], device)
        self.losses, self._gradient = self._evaluate(self._levels)

    def _begin(self) -> Method:
        return Adam() if self._options.method == "adam" else LBFGS(self._options.history)

    def _rate(self) -> float:
        rate = self._options.rate * self._rate_factor
        if self._options.method == "lbfgs":
            return rate
        # Adam's steps do not shrink near the minimum and would leave noise.
        return rate * (1 - self._count / self._options.steps)

    def _evaluate(self, levels: Tensor) -> tuple[dict[str, float], Tensor]:
        """Return the losses by name, and the gradient of the total times the number of values.

        That factor brings each value's gradient near 1 at any image size, far from the underflow of
        float32 and from Adam's epsilon.
        """
        levels = levels.detach().requires_grad_()
        losses = self._loss((levels / _LEVELS).view(self._shape))
        objective = losses["total"] * levels.numel()
        (gradient,) = torch.autograd.grad(objective, levels)
        return {name: float(value.detach()) for name, value in losses.items()}, gradient
