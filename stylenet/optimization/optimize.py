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

# Judges images against photos, both RGB in [0, 1] and of shape (N, 3, H, W): scalars by name, of
# which ``total`` is what falls. A PerceptualLoss is one; a further term is added by wrapping it.
Criterion = Callable[[Tensor, Tensor], dict[str, Tensor]]


@dataclass(frozen=True)
class Step:
    """How far an optimization has come.

    Attributes:
        number: Steps taken, over all scales; 0 for the start.
        total: Steps of the whole.
        scale: Which of the scales, from 0; where a finer one begins, its start comes under the
            number of the last step of the one before.
        losses: Of the image as it is now, by name: ``total``, ``content`` and so on.
        image: The image, RGB in [0, 1], shape (1, 3, H, W).
    """

    number: int
    total: int
    scale: int
    losses: dict[str, float]
    image: Tensor


class Optimization:
    """An optimization that can be stopped after any step and gone on with.

    Example:
        >>> optimization = Optimization(photo, [criterion], OptimizationOptions())
        >>> while not optimization.done:
        ...     optimization.advance()
        >>> optimization.now.image
    """

    def __init__(
        self, photo: Tensor, criteria: Sequence[Criterion], options: OptimizationOptions
    ) -> None:
        """Judges the start.

        Args:
            photo: The content, RGB in [0, 1], shape (1, 3, H, W).
            criteria: One for each scale of :func:`plan_scales`, coarse to fine.
            options: The dials.

        Raises:
            StyleNetError: The photo is too small, or the loss of the start is no number.
        """
        height, width = photo.shape[-2:]
        self._factors = plan_scales((height, width), len(criteria))
        self._photo, self._criteria, self._settings = photo, list(criteria), options
        self._scale = self._number = 0
        self._descent = self._descend(self._start())

    @property
    def done(self) -> bool:
        """Whether the last step of the last scale is taken."""
        return self._number == self._total

    @property
    def now(self) -> Step:
        """How far it has come."""
        descent = self._descent
        return Step(self._number, self._total, self._scale, descent.losses, descent.image)

    @property
    def _total(self) -> int:
        return self._settings.steps * len(self._criteria)

    def advance(self) -> None:
        """Takes the next step, or, at the end of a scale, goes over to the finer one.

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
        """Gives all that is needed to go on exactly.

        Returns:
            Tensors and plain values.
        """
        return {"scale": self._scale, "number": self._number, "descent": self._descent.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes back to where an optimization of the same photo, criteria and options was.

        Args:
            state: From :meth:`state_dict`.

        Raises:
            StyleNetError: It belongs to another one.
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
        return self._number == self._settings.steps * (self._scale + 1) and not self.done

    def _start(self) -> Tensor:
        """The image that the coarsest scale begins with."""
        photo = resize(self._photo, self._factors[0])
        if self._settings.start == "content":
            return photo
        # Drawn on the CPU, so that it is the same on every device.
        generator = torch.Generator().manual_seed(self._settings.seed)
        return torch.rand(photo.shape, generator=generator, dtype=photo.dtype).to(photo.device)

    def _descend(self, start: Tensor) -> Descent:
        """The descent at the present scale."""
        photo = resize(self._photo, self._factors[self._scale])
        criterion = self._criteria[self._scale]
        height, width = photo.shape[-2:]
        return Descent(
            resize_to(start, (height, width)), lambda image: criterion(image, photo), self._settings
        )


def optimize_image(
    photo: Tensor,
    criteria: Sequence[Criterion],
    options: OptimizationOptions,
    callback: Callable[[Step], object] | None = None,
) -> Tensor:
    """Stylizes a photo by changing its pixels until a loss is low.

    Gatys, Ecker, Bethge 2016: the image that minimizes alpha content + beta style, here with
    total variation, each with the weight that the criteria give it.

    Args:
        photo: The content, RGB in [0, 1], shape (1, 3, H, W).
        criteria: What judges, one for each scale, coarse to fine: a ``PerceptualLoss`` for one
            scale, several for :func:`plan_scales`.
        options: The dials.
        callback: Gets the start and every step; ``history.append`` keeps all losses.

    Returns:
        The image, RGB in [0, 1], of the photo's shape.

    Raises:
        StyleNetError: The photo is too small, or the loss is no number.

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
