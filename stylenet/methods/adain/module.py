"""The Lightning module of one network for any style."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from stylenet.data import Pairs
from stylenet.methods.adain.loss import AnyStyleLoss
from stylenet.networks import AdainNetwork
from stylenet.training.module import StyleTransferModule
from stylenet.training.schedule import OptimizerOptions
from stylenet.training.step import Losses

# In the names of a checkpoint's weights: what is frozen, and comes with the encoder of the run.
_FROZEN = "network.encoder."


class AnyStyleModule(StyleTransferModule):
    """Trains a decoder to stylize each photo of a batch in the style of a painting of its own.

    Huang & Belongie 2017 (arXiv:1703.06868).
    """

    def __init__(
        self,
        network: AdainNetwork,
        criterion: AnyStyleLoss,
        optimizer: OptimizerOptions,
        recipe: dict[str, Any],
        shown: Tensor,
    ) -> None:
        """Takes the parts.

        Args:
            network: What is trained, its encoder filled.
            criterion: What judges it.
            optimizer: How fast it learns.
            recipe: The composed options of the run, for checkpoints.
            shown: Paintings for previews, RGB in [0, 1], shape (K, 3, H, W).
        """
        super().__init__(network, criterion, optimizer, network.name, recipe)
        self.shown = shown

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Says what Adam trains: the decoder."""
        return [{"params": list(cast(AdainNetwork, self.network).decoder.parameters())}]

    def inputs(self, batch: Pairs) -> tuple[Tensor, ...]:
        """Return the photos and the paintings of a batch."""
        return tuple(part.contiguous(memory_format=torch.channels_last) for part in batch)

    def judge(self, photos: Tensor, paintings: Tensor) -> Losses:  # type: ignore[override]
        """Stylize photos, each in the style of its painting, and compute the losses.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).
            paintings: The same.

        Returns:
            The stylized photos, the same shape, and the losses by name.
        """
        stylized = self.network(photos, paintings)
        return stylized, self.criterion(stylized, photos, paintings)

    def in_every_style(self, photos: Tensor) -> list[Tensor]:
        """Stylizes photos in the styles of the paintings that previews show."""
        return [
            self.network(photos, painting.to(photos).expand(len(photos), -1, -1, -1))
            for painting in self.shown.split(1)
        ]

    def beside_previews(self) -> Tensor:
        """Shows the paintings of the previews."""
        return self.shown

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Gives the decoder's weights alone.

        Returns:
            The weights under ``network.decoder.``.
        """
        state = super().state_dict(*args, **kwargs)
        return {name: value for name, value in state.items() if not name.startswith(_FROZEN)}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Takes the decoder's weights; see the base class."""
        state = super().state_dict()
        frozen = {name: value for name, value in state.items() if name.startswith(_FROZEN)}
        return super().load_state_dict({**frozen, **state_dict}, strict, assign)
