"""The Lightning module: one network learns one style."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stylenet.checkpoint import ArtefactInfo, save_artefact
from stylenet.errors import check_number
from stylenet.networks import StyleNetwork
from stylenet.perceptual import AnyStyleLoss, ManyStylesLoss, PerceptualLoss
from stylenet.training.resumable import ResumableModule
from stylenet.training.schedule import OptimizerSettings
from stylenet.training.teacher import Teacher


class StyleTransferModule(ResumableModule):
    """Trains a network to repaint photos so that a perceptual loss falls.

    Attributes:
        network: What is trained.
        criterion: What judges it.
        repainted: The latest output, detached, for callbacks; RGB in [0, 1], (N, 3, H, W).
    """

    network: StyleNetwork

    def __init__(
        self,
        network: StyleNetwork,
        criterion: PerceptualLoss | ManyStylesLoss | AnyStyleLoss,
        optimizer: OptimizerSettings,
        style: str,
        recipe: dict[str, Any],
        teacher: Teacher | None = None,
        teacher_weight: float = 0.0,
    ) -> None:
        """Takes the parts.

        Args:
            network: What is trained.
            criterion: What judges it.
            optimizer: How fast it learns.
            style: Name of the style, for artefacts.
            recipe: The composed settings of the run, for artefacts.
            teacher: A trained network to meet the pictures of.
            teacher_weight: Weight of the difference from them.

        Raises:
            StyleNetError: The weight is impossible.
        """
        check_number("teacher_weight", teacher_weight, minimum=0)
        super().__init__(network, optimizer, style, recipe)
        self.teacher = teacher
        self._teacher_weight = teacher_weight
        self.criterion = criterion.to(memory_format=torch.channels_last)
        self.repainted: Tensor | None = None

    @property
    def described(self) -> str:
        """The network in the words of the settings, for messages."""
        return f"network={self.network.name} with {self.network.arguments}"

    @property
    def identity(self) -> dict[str, Any]:
        """The artefact's name, and the network's with its arguments."""
        arguments = {f"network.{key}": value for key, value in self.network.arguments.items()}
        return {**super().identity, "network": self.network.name, **arguments}

    def forward(self, images: Tensor) -> Tensor:
        """Repaints images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            The same shape and range.
        """
        return self.network(images)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Repaints a batch of photos and judges it.

        Args:
            batch: RGB in [0, 1], shape (N, 3, H, W).
            batch_idx: Of no matter; Lightning passes it.

        Returns:
            The total loss, a scalar.
        """
        photos = batch.contiguous(memory_format=torch.channels_last)
        repainted, values = self.judge(photos)
        self.note(repainted, values)
        return values["total"]

    def note(self, repainted: Tensor, values: dict[str, Tensor]) -> None:
        """Logs a step and keeps it for callbacks.

        Args:
            repainted: What the network made of the photos, RGB in [0, 1], (N, 3, H, W).
            values: The losses by name.
        """
        self.repainted = repainted.detach()
        self.losses = {name: value.detach() for name, value in values.items()}
        self.log_dict({f"loss/{name}": value for name, value in self.losses.items()})

    def judge(self, photos: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Repaints photos and says how well; the loss to a teacher is ``teacher``.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            What the network made of them, the same shape, and the losses by name.
        """
        repainted = self.network(photos)
        values = self.criterion(repainted, photos)
        if self.teacher is not None:
            values["teacher"] = self.teacher(repainted, photos)
            values["total"] = values["total"] + self._teacher_weight * values["teacher"]
        return repainted, values

    def in_every_style(self, photos: Tensor) -> list[Tensor]:
        """Repaints photos in each style that is learned, for previews.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            One of the same shape and range for each style.
        """
        return [self(photos)]

    def beside_previews(self) -> Tensor | None:
        """Shows what the styles of previews are.

        Returns:
            A picture for each of :meth:`in_every_style`, RGB in [0, 1], shape (K, 3, H, W); or
            ``None``, where their names are known.
        """
        return None

    def artefact_info(self) -> ArtefactInfo:
        """Says what an artefact of the network as it is now holds.

        Returns:
            Style, step and recipe.
        """
        return ArtefactInfo(self.artefact_name, self.global_step, self.recipe)

    def save_artefact(self, path: Path) -> None:
        """Writes the network as it is now for inference.

        Args:
            path: Where to, ``*.safetensors``.

        Raises:
            StyleNetError: The file cannot be written.
        """
        save_artefact(path, self.network, self.artefact_info())
