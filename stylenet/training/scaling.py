"""The rule by which a recipe for one device becomes one for several."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """How fast and how long a network learns.

    Attributes:
        max_steps: Steps of the whole run.
        warmup_steps: Steps in which the learning rate rises.
        lr: Learning rate after the warm-up.
    """

    max_steps: int
    warmup_steps: int
    lr: float

    def on(self, devices: int) -> "Pace":
        """Says what the pace is where every step takes as many times more photos.

        The run sees as many photos as on one device, so it takes a fraction of the steps. The
        learning rate grows with the square root of the batch, the rule for Adam (Malladi et al.
        2022, arXiv:2205.10287): there the noise in a step falls with the root of the batch, so
        that the sum of fewer, larger steps wanders as far as that of many small ones.

        Args:
            devices: Times the photos of one device that a step takes.

        Returns:
            The pace there.
        """
        return Pace(
            math.ceil(self.max_steps / devices),
            math.ceil(self.warmup_steps / devices),
            self.lr * math.sqrt(devices),
        )
