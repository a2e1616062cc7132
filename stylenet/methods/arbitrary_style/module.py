"""The Lightning module of a network for arbitrary styles."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from stylenet.data import Pairs
from stylenet.methods.arbitrary_style.loss import ArbitraryStyleLoss
from stylenet.networks import ArbitraryStyleNetwork
from stylenet.training.module import StyleTransferModule
from stylenet.training.optimizer import OptimizerFactory
from stylenet.training.step import Losses

# Key prefix of frozen weights, which resume checkpoints leave out: an encoder has them.
_FROZEN = "network.encoder."


class ArbitraryStyleModule(StyleTransferModule):
    """Trains a network to stylize each photo of a batch in the style of its own style image."""

    def __init__(
        self,
        network: ArbitraryStyleNetwork,
        criterion: ArbitraryStyleLoss,
        optimizer: OptimizerFactory,
        recipe: dict[str, Any],
        preview_styles: Tensor,
    ) -> None:
        """Initialize the module.

        Args:
            network: The network to train, with the weights of its encoder.
            criterion: The loss.
            optimizer: Builds the optimizer and its schedule.
            recipe: The composed options of the run, for checkpoints.
            preview_styles: Style images for previews, RGB in [0, 1], shape (K, 3, H, W).
        """
        super().__init__(network, criterion, optimizer, network.name, recipe)
        self.preview_styles = preview_styles

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return all parameters but those of the frozen encoder."""
        return [{"params": cast(ArbitraryStyleNetwork, self.network).trained_parameters()}]

    def inputs(self, batch: Pairs) -> tuple[Tensor, ...]:
        """Return the photos and the style images of a batch."""
        return tuple(part.contiguous(memory_format=torch.channels_last) for part in batch)

    def stylize(self, photos: Tensor, styles: Tensor) -> Tensor:  # type: ignore[override]
        """Stylize photos, each in the style of its style image; see :meth:`compute_losses`."""
        return self.network(photos, styles)

    def compute_losses(self, photos: Tensor, styles: Tensor) -> Losses:  # type: ignore[override]
        """Stylize photos, each in the style of its style image, and compute the losses.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).
            styles: Style images, the same shape and range.

        Returns:
            The stylized photos, the same shape, and the losses by name.
        """
        stylized = self.stylize(photos, styles)
        return stylized, self.criterion(stylized, photos, styles)

    def in_every_style(self, photos: Tensor) -> list[Tensor]:
        """Stylize photos in the style of each image in ``preview_styles``."""
        return [
            self.network(photos, style.to(photos).expand(len(photos), -1, -1, -1))
            for style in self.preview_styles.split(1)
        ]

    def beside_previews(self) -> Tensor:
        """Return the style images of the previews."""
        return self.preview_styles

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the weights of the network, without its frozen encoder."""
        state = super().state_dict(*args, **kwargs)
        return {name: value for name, value in state.items() if not name.startswith(_FROZEN)}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load the weights that :meth:`state_dict` returns; see the base class."""
        state = super().state_dict()
        frozen = {name: value for name, value in state.items() if name.startswith(_FROZEN)}
        return super().load_state_dict({**frozen, **state_dict}, strict, assign)
