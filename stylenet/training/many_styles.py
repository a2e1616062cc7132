"""The Lightning module of one network that learns many styles."""

from typing import Any, cast

import torch
from torch import Tensor

from stylenet.networks import JohnsonMultiNetwork
from stylenet.perceptual import ManyStylesLoss
from stylenet.training.module import StyleTransferModule
from stylenet.training.schedule import OptimizerSettings


class ManyStylesModule(StyleTransferModule):
    """Trains a network that holds many styles: each photo of a batch is repainted in one of them.

    Dumoulin, Shlens, Kudlur 2017 (arXiv:1610.07629).
    """

    def __init__(
        self,
        network: JohnsonMultiNetwork,
        criterion: ManyStylesLoss,
        optimizer: OptimizerSettings,
        style: str,
        recipe: dict[str, Any],
    ) -> None:
        """Takes the parts.

        Args:
            network: What is trained, as far as its parameters are not frozen.
            criterion: What judges it. Its styles are those that are learned; the network may have
                more.
            optimizer: How fast it learns.
            style: What artefacts are called.
            recipe: The composed settings of the run, for artefacts.
        """
        super().__init__(network, criterion, optimizer, style, recipe)
        # The numbers in the network of the criterion's styles.
        self._numbers = torch.tensor([network.styles.index(name) for name in criterion.names])

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Says what Adam trains: what is not frozen."""
        return [{"params": [p for p in self.network.parameters() if p.requires_grad]}]

    def on_train_start(self) -> None:
        """Begins with the same random state on any number of devices, or where a run left off."""
        # Lightning sets the seed anew where there are several, after the network has drawn from it.
        torch.manual_seed(torch.initial_seed())
        super().on_train_start()

    def judge(self, photos: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Repaints photos, each in a style drawn by chance, and says how well.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).

        Returns:
            What the network made of them, the same shape, and the losses by name.
        """
        styles = self._draw(len(photos))
        repainted = self.network(photos, self._numbers[styles])
        return repainted, self.criterion(repainted, photos, styles)

    def in_every_style(self, photos: Tensor) -> list[Tensor]:
        """Repaints photos in each style that is learned, for previews."""
        network = cast(JohnsonMultiNetwork, self.network)
        return [network(photos, number.expand(len(photos))) for number in self._numbers]

    def _draw(self, count: int) -> Tensor:
        """Styles for this process' photos of a step, shape (count,), in ascending order.

        Every process draws for the photos of all, so that the random state stays the same in all,
        and takes those that fall to it as photos do: several devices learn as one with as many
        photos. No style comes twice before all have come once. The photos come in random order,
        so that sorting favours none.
        """
        world, rank = self.trainer.world_size, self.trainer.global_rank
        styles = torch.randperm(len(self._numbers)).repeat(-(-count * world // len(self._numbers)))
        return styles[: count * world].sort().values[rank::world]
