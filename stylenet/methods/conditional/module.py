"""The Lightning module of a network of several styles."""

from typing import Any, cast

import torch
from torch import Tensor

from stylenet.methods.conditional.loss import ConditionalLoss
from stylenet.networks import JohnsonMultiNetwork
from stylenet.training.module import StyleTransferModule
from stylenet.training.optimizer import OptimizerFactory
from stylenet.training.step import Losses


class ConditionalModule(StyleTransferModule):
    """Trains a network of several styles; each photo of a batch is stylized in one of them.

    Dumoulin, Shlens, Kudlur 2017 (arXiv:1610.07629).
    """

    criterion: ConditionalLoss

    def __init__(
        self,
        network: JohnsonMultiNetwork,
        criterion: ConditionalLoss,
        optimizer: OptimizerFactory,
        style: str,
        recipe: dict[str, Any],
    ) -> None:
        """Initialize the module.

        Args:
            network: The network to train; its frozen parameters stay unchanged.
            criterion: The loss of the styles to train; the network may have more styles.
            optimizer: Builds the optimizer and its schedule.
            style: Joint name of the styles, for checkpoints.
            recipe: The composed options of the run, for checkpoints.
        """
        super().__init__(network, criterion, optimizer, style, recipe)
        # Index in the network of each style of the criterion.
        self._indices = torch.tensor([network.styles.index(name) for name in criterion.names])
        self._present: set[str] = set()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameters that are not frozen."""
        return [{"params": [p for p in self.network.parameters() if p.requires_grad]}]

    def on_train_start(self) -> None:
        """Set the same random state on any number of devices, or restore that of a checkpoint."""
        # With several devices Lightning seeds again after the network has used the random state.
        torch.manual_seed(torch.initial_seed())
        super().on_train_start()

    def inputs(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Sample styles; return photos and their styles' indices in network and criterion."""
        styles = self._sample_styles(len(batch))
        self._present = {self.criterion.names[i] for i in styles.tolist()}
        indices = (self._indices[styles], styles)
        return (*super().inputs(batch), *(i.to(batch.device, non_blocking=True) for i in indices))

    def stylize(  # type: ignore[override]
        self, photos: Tensor, indices: Tensor, styles: Tensor
    ) -> Tensor:
        """Stylize photos, each in its own style; see :meth:`compute_losses`."""
        return self.network(photos, indices)

    def compute_losses(  # type: ignore[override]
        self, photos: Tensor, indices: Tensor, styles: Tensor
    ) -> Losses:
        """Stylize photos, each in its own style, and compute the losses.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).
            indices: Indices of their styles in the network, shape (N,).
            styles: Indices of their styles in the criterion, shape (N,).

        Returns:
            The stylized photos, the same shape, and the losses by name.
        """
        stylized = self.stylize(photos, indices, styles)
        return stylized, self.criterion(stylized, photos, styles)

    def note(self, stylized: Tensor, values: dict[str, Tensor]) -> None:
        """Log the losses of a step, except for styles without photos in it."""
        present = {k: v for k, v in values.items() if k.partition("/")[0] not in self._absent}
        super().note(stylized, present)

    @property
    def _absent(self) -> set[str]:
        return set(self.criterion.names) - self._present

    def in_every_style(self, photos: Tensor) -> list[Tensor]:
        """Stylize photos in each trained style."""
        network = cast(JohnsonMultiNetwork, self.network)
        return [network(photos, index.expand(len(photos))) for index in self._indices]

    def _sample_styles(self, count: int) -> Tensor:
        """Sample styles for the photos of this rank in a step: ascending indices, shape (count,).

        Every rank samples styles for the photos of all ranks and takes every world-size-th, as with
        photos. So the random state is equal on all ranks, and several devices train like one with
        the same photos. Every style occurs once before any occurs twice. Photos come in random
        order, so that sorting styles is fair.
        """
        world_size, rank = self.trainer.world_size, self.trainer.global_rank
        total = count * world_size
        styles = torch.randperm(len(self._indices)).repeat(-(-total // len(self._indices)))
        return styles[:total].sort().values[rank::world_size]
