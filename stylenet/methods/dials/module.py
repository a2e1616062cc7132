"""The Lightning module of a network with dials."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from stylenet.methods.dials.loss import DialsLoss
from stylenet.networks import DialsNetwork
from stylenet.training.module import StyleTransferModule
from stylenet.training.optimizer import OptimizerFactory
from stylenet.training.step import Losses

# Steps of a sequence that covers the square evenly however many points are taken: the inverse of
# the plastic number and its square (Roberts 2018, "The unreasonable effectiveness of quasirandom
# sequences").
_STEPS = (0.7548776662466927, 0.5698402909980532)
# Positions are drawn from a range wider by this factor and clamped, so that the ends of the dials,
# which have neighbors on one side only, occur about as often as they need.
_STRETCH = 1.1


class DialsModule(StyleTransferModule):
    """Trains a network with dials; each photo of a batch has its own position."""

    network: DialsNetwork

    def __init__(
        self,
        network: DialsNetwork,
        criterion: DialsLoss,
        optimizer: OptimizerFactory,
        style: str,
        recipe: dict[str, Any],
    ) -> None:
        """Initialize the module.

        Args:
            network: The network to train.
            criterion: The loss of the style.
            optimizer: Builds the optimizer and its schedule.
            style: Name of the style, for checkpoints.
            recipe: The composed options of the run, for checkpoints.
        """
        super().__init__(network, criterion, optimizer, style, recipe)
        self._numbers: Sequence[int] = ()

    def on_train_batch_start(self, batch: Tensor, batch_idx: int) -> None:
        """Number the photos of the batch."""
        super().on_train_batch_start(batch, batch_idx)
        self._numbers = self.photo_numbers(len(batch), batch_idx)

    def inputs(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Return the photos and their positions of the dials, shape (N, 2)."""
        dtype = torch.promote_types(batch.dtype, torch.float32)
        positions = positions_of(self._numbers).to(batch.device, dtype, non_blocking=True)
        return (*super().inputs(batch), positions)

    def stylize(self, photos: Tensor, positions: Tensor) -> Tensor:  # type: ignore[override]
        """Stylize photos, each at its own position; see :meth:`compute_losses`."""
        return self.network(photos, positions)

    def compute_losses(  # type: ignore[override]
        self, photos: Tensor, positions: Tensor
    ) -> Losses:
        """Stylize photos, each at its own position of the dials, and compute the losses.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).
            positions: See :meth:`stylenet.networks.DialsNetwork.positions`, shape (N, 2).

        Returns:
            The stylized photos, the same shape, and the losses by name.
        """
        stylized = self.stylize(photos, positions)
        return stylized, self.criterion(stylized, photos, positions)

    def in_every_style(self, photos: Tensor) -> list[Tensor]:
        """Stylize photos with both dials at 1, then at the four corners of the dials.

        The corners are in the order small strokes, weak and strong; large strokes, weak and strong.
        """
        positions = [(0.0, 0.0), *product((-1.0, 1.0), repeat=2)]
        return [self.network(photos, photos.new_tensor([position])) for position in positions]


def positions_of(numbers: Sequence[int]) -> Tensor:
    """Return the positions of the dials for photos of a run, by their numbers alone.

    So a resumed run goes on exactly, and ranks, which number their photos in turn, differ.

    Args:
        numbers: From :meth:`StyleTransferModule.photo_numbers`.

    Returns:
        Shape (N, 2), in [-1, 1], float64.
    """
    steps = torch.tensor(_STEPS, dtype=torch.float64)
    square = (torch.tensor(list(numbers), dtype=torch.float64)[:, None] * steps + 0.5) % 1
    return (_STRETCH * (2 * square - 1)).clamp(-1, 1)
