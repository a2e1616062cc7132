"""Scaling of a recipe for one device to several devices."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Length and learning rate of a run.

    Attributes:
        max_steps: Steps of the whole run.
        warmup_steps: Steps in which the learning rate rises.
        lr: Learning rate after the warm-up.
    """

    max_steps: int
    warmup_steps: int
    lr: float

    def on(self, devices: int) -> "Pace":
        """Return the pace on several devices, whose steps have as many times more photos.

        The run sees as many photos as on one device, so it has fewer steps. The learning rate grows
        with the square root of the batch size, the rule for Adam (Malladi et al. 2022,
        arXiv:2205.10287): the noise of a step falls with that root, so that the sum of fewer,
        larger steps deviates as far as the sum of many small ones.
        """
        return Pace(
            math.ceil(self.max_steps / devices),
            math.ceil(self.warmup_steps / devices),
            self.lr * math.sqrt(devices),
        )
