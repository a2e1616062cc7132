"""The Lightning module of one network that learns many styles."""

from typing import Any, cast

import torch
from torch import Tensor

from stylenet.methods.conditional.loss import ManyStylesLoss
from stylenet.networks import JohnsonMultiNetwork
from stylenet.training.module import StyleTransferModule
from stylenet.training.schedule import OptimizerOptions
from stylenet.training.step import Losses


class ManyStylesModule(StyleTransferModule):
    """Trains a network that holds many styles: each photo of a batch is stylized in one of them.

    Dumoulin, Shlens, Kudlur 2017 (arXiv:1610.07629).
    """

    criterion: ManyStylesLoss

    def __init__(
        self,
        network: JohnsonMultiNetwork,
        criterion: ManyStylesLoss,
        optimizer: OptimizerOptions,
        style: str,
        recipe: dict[str, Any],
    ) -> None:
        """Takes the parts.

        Args:
            network: What is trained, as far as its parameters are not frozen.
            criterion: What judges it. Its styles are those that are learned; the network may have
                more.
            optimizer: How fast it learns.
            style: What checkpoints are called.
            recipe: The composed options of the run, for checkpoints.
        """
        super().__init__(network, criterion, optimizer, style, recipe)
        # The numbers in the network of the criterion's styles.
        self._numbers = torch.tensor([network.styles.index(name) for name in criterion.names])
        self._present: set[str] = set()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Says what Adam trains: what is not frozen."""
        return [{"params": [p for p in self.network.parameters() if p.requires_grad]}]

    def on_train_start(self) -> None:
        """Begins with the same random state on any number of devices, or where a run left off."""
        # Lightning sets the seed anew where there are several, after the network has drawn from it.
        torch.manual_seed(torch.initial_seed())
        super().on_train_start()

    def inputs(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Return the photos, and the indices of the styles drawn for them in network and loss."""
        styles = self._draw(len(batch))
        self._present = {self.criterion.names[i] for i in styles.tolist()}
        numbers = (self._numbers[styles], styles)
        return (*super().inputs(batch), *(n.to(batch.device, non_blocking=True) for n in numbers))

    def judge(self, photos: Tensor, numbers: Tensor, styles: Tensor) -> Losses:  # type: ignore[override]
        """Stylize photos, each in a style of its own, and compute the losses.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).
            numbers: Indices of their styles in the network, shape (N,).
            styles: Indices of their styles in the criterion, shape (N,).

        Returns:
            The stylized photos, the same shape, and the losses by name.
        """
        stylized = self.network(photos, numbers)
        return stylized, self.criterion(stylized, photos, styles)

    def note(self, stylized: Tensor, values: dict[str, Tensor]) -> None:
        """Log a step, without the losses of styles that had no photo."""
        here = {k: v for k, v in values.items() if k.partition("/")[0] not in self._absent}
        super().note(stylized, here)

    @property
    def _absent(self) -> set[str]:
        return set(self.criterion.names) - self._present

    def in_every_style(self, photos: Tensor) -> list[Tensor]:
        """Stylizes photos in each style that is learned, for previews."""
        network = cast(JohnsonMultiNetwork, self.network)
        return [network(photos, number.expand(len(photos))) for number in self._numbers]

    def _draw(self, count: int) -> Tensor:
        """Styles for this process' photos of a step, shape (count,), in ascending order.

        Every process draws for the photos of all, so that the random state stays the same in all,
        and takes those that fall to it as photos do: several devices learn as one with as many
        photos. No style comes twice before all have come once. The photos come in random order,
        so that sorting favors none.
        """
        world, rank = self.trainer.world_size, self.trainer.global_rank
        styles = torch.randperm(len(self._numbers)).repeat(-(-count * world // len(self._numbers)))
        return styles[: count * world].sort().values[rank::world]
