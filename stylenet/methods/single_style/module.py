"""The Lightning module of a network of one style."""

from typing import Any

from torch import Tensor, nn

from stylenet.errors import check_number
from stylenet.methods.distillation.teacher import Teacher
from stylenet.networks import StyleNetwork
from stylenet.training import OptimizerFactory, StyleTransferModule
from stylenet.training.step import Losses


class SingleStyleModule(StyleTransferModule):
    """Trains a network for one style, optionally also to match the images of a teacher."""

    def __init__(
        self,
        network: StyleNetwork,
        criterion: nn.Module,
        optimizer: OptimizerFactory,
        style: str,
        recipe: dict[str, Any],
        teacher: Teacher | None = None,
        teacher_weight: float = 0.0,
    ) -> None:
        """Initialize the module.

        Args:
            network: The network to train.
            criterion: The perceptual loss of the style.
            optimizer: Builds the optimizer and its schedule.
            style: Name of the style, for checkpoints.
            recipe: The composed options of the run, for checkpoints.
            teacher: Trained network whose images the network is to match; ``None`` for none.
            teacher_weight: Weight of the loss ``teacher``.

        Raises:
            StyleNetError: The weight is impossible.
        """
        check_number("teacher_weight", teacher_weight, minimum=0)
        super().__init__(network, criterion, optimizer, style, recipe)
        self.teacher = teacher
        self._teacher_weight = teacher_weight

    def compute_losses(self, photos: Tensor) -> Losses:
        """Stylize photos and compute the losses, including ``teacher`` if there is one."""
        stylized, values = super().compute_losses(photos)
        if self.teacher is not None:
            values["teacher"] = self.teacher(stylized, photos)
            values["total"] = values["total"] + self._teacher_weight * values["teacher"]
        return stylized, values
