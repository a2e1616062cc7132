"""Image optimization of Gatys, Ecker, Bethge 2016, from coarse to fine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.optimization.descent import Descent
from stylenet.optimization.options import OptimizationOptions
from stylenet.optimization.scales import plan_scales, resize, resize_to

# From stylized images and photos, both RGB in [0, 1] and of shape (N, 3, H, W), to scalars by name,
# of which ``total`` is minimized; for example a PerceptualLoss.
Criterion = Callable[[Tensor, Tensor], dict[str, Tensor]]


@dataclass(frozen=True)
class Step:
    """Progress of an optimization.

    Attributes:
        number: Steps taken over all scales; 0 for the start.
        total: Steps of all scales.
        scale: Index of the scale, from 0; the start of a finer scale has the number of the last
            step of the scale before.
        losses: Losses of the current image by name: ``total``, ``content`` and so on.
        image: The current image, RGB in [0, 1], shape (1, 3, H, W).
    """

    number: int
    total: int
    scale: int
    losses: dict[str, float]
    image: Tensor


class Optimization:
    """An optimization that can be interrupted after any step and resumed.

    Example:
        >>> optimization = Optimization(photo, [criterion], OptimizationOptions())
        >>> while not optimization.done:
        ...     optimization.advance()
        >>> optimization.now.image
    """

    def __init__(
        self, photo: Tensor, criteria: Sequence[Criterion], options: OptimizationOptions
    ) -> None:
        """Compute the losses of the start.

        Args:
            photo: The content, RGB in [0, 1], shape (1, 3, H, W).
            criteria: A loss for each scale of :func:`plan_scales`, coarse to fine.

        Raises:
            StyleNetError: The photo is too small, or the loss of the start is not finite.
        """
        height, width = photo.shape[-2:]
        self._factors = plan_scales((height, width), len(criteria))
        self._photo, self._criteria, self._options = photo, list(criteria), options
        self._scale = self._number = 0
        self._descent = self._descend(self._start())

    @property
    def done(self) -> bool:
        """True after the last step of the last scale."""
        return self._number == self._total

    @property
    def now(self) -> Step:
        """The current step."""
        descent = self._descent
        return Step(self._number, self._total, self._scale, descent.losses, descent.image)

    @property
    def _total(self) -> int:
        return self._options.steps * len(self._criteria)

    def advance(self) -> None:
        """Take the next step, or begin the next finer scale at the end of one.

        Raises:
            StyleNetError: The loss diverges.
        """
        if self._scale_is_done:
            self._scale += 1
            self._descent = self._descend(self._descent.image)
        else:
            self._descent.step()
            self._number += 1

    def state_dict(self) -> dict[str, Any]:
        """Return tensors and plain values from which :meth:`load_state_dict` resumes exactly."""
        return {"scale": self._scale, "number": self._number, "descent": self._descent.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume an optimization of the same photo, criteria and options.

        Args:
            state: From :meth:`state_dict`.

        Raises:
            StyleNetError: The state belongs to another optimization.
        """
        try:
            self._scale, self._number = state["scale"], state["number"]
            self._descent = self._descend(self._start())
            self._descent.load_state_dict(state["descent"])
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
            raise StyleNetError(
                "the saved state belongs to another optimization; begin anew"
            ) from error

    @property
    def _scale_is_done(self) -> bool:
        return self._number == self._options.steps * (self._scale + 1) and not self.done

    def _start(self) -> Tensor:
        photo = resize(self._photo, self._factors[0])
        if self._options.start == "content":
            return photo
        # On the CPU, so that a seed gives the same noise on every device.
        generator = torch.Generator().manual_seed(self._options.seed)
        return torch.rand(photo.shape, generator=generator, dtype=photo.dtype).to(photo.device)

    def _descend(self, start: Tensor) -> Descent:
        photo = resize(self._photo, self._factors[self._scale])
        criterion = self._criteria[self._scale]
        height, width = photo.shape[-2:]
        return Descent(
            resize_to(start, (height, width)), lambda image: criterion(image, photo), self._options
        )


def optimize_image(
    photo: Tensor,
    criteria: Sequence[Criterion],
    options: OptimizationOptions,
    callback: Callable[[Step], object] | None = None,
) -> Tensor:
    """Stylize a photo by minimizing a loss over its pixels (Gatys, Ecker, Bethge 2016).

    Args:
        photo: The content, RGB in [0, 1], shape (1, 3, H, W).
        criteria: A loss for each scale of :func:`plan_scales`, coarse to fine; one
            ``PerceptualLoss`` for a single scale.
        callback: Called with the start and with every step; ``history.append`` keeps all losses.

    Returns:
        The stylized image, RGB in [0, 1], in the photo's shape.

    Raises:
        StyleNetError: The photo is too small, or the loss is not finite.

    Example:
        >>> history = []
        >>> image = optimize_image(photo, [criterion], OptimizationOptions(), history.append)
        >>> [step.losses["total"] for step in history]
    """
    optimization = Optimization(photo, criteria, options)
    while True:
        if callback is not None:
            callback(optimization.now)
        if optimization.done:
            return optimization.now.image
        optimization.advance()
