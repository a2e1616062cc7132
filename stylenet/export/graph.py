"""Graph of a network without branches, for any batch and size or for a fixed size."""

import contextlib
import copy
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from stylenet.networks import DIALS, DialsNetwork, StyleNetwork, with_statistics

# (N, H, W) of the example. torch.export specializes on sizes of 0, 1 and on equal sizes.
_EXAMPLE = (2, 41, 53)


class PortableNetwork(nn.Module):
    """Network for other runtimes, with all conversions between image types.

    Images are RGB: float32 in [0, 1], shape (N, 3, H, W), or uint8, shape (N, H, W, 3), as image
    decoders return them. Instance statistics are computed in float32 at any precision.
    """

    def __init__(
        self, network: StyleNetwork, half: bool, uint8: bool, native_norm: bool = False
    ) -> None:
        """Copy and convert a network.

        Args:
            network: Left unchanged.
            half: Whether weights and features are float16.
            uint8: Whether images are uint8.
            native_norm: Whether instance normalization stays one operation; otherwise it becomes
                means, differences and products, which every runtime has.
        """
        super().__init__()
        self.dtype = torch.float16 if half else torch.float32
        self.uint8 = uint8
        converted = copy.deepcopy(network).eval().to("cpu", self.dtype)
        self.network = converted
        if not native_norm:
            # There may be no instance normalization.
            with contextlib.suppress(ValueError):
                self.network = with_statistics(converted, _float32_statistics)

    def forward(self, image: Tensor) -> Tensor:
        """Stylize images.

        Args:
            image: RGB, float32 or uint8 as described in the class.

        Returns:
            Stylized RGB of the same shape and dtype.
        """
        return self.convert(image, self.network)

    def convert(self, image: Tensor, stylize: Callable[[Tensor], Tensor]) -> Tensor:
        """Stylize images by a function, with all conversions before and after it."""
        if self.uint8:
            image = image.permute(0, 3, 1, 2).float() / 255
        stylized = stylize(image.to(self.dtype)).float().clamp(0, 1)
        if self.uint8:
            stylized = (stylized * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        return stylized


class PortableDials(PortableNetwork):
    """Network with dials for other runtimes; the dials are inputs beside the image."""

    def __init__(self, network: DialsNetwork, half: bool, uint8: bool) -> None:
        """Copy and convert a network.

        Args:
            network: Left unchanged.
            half: See :class:`PortableNetwork`.
            uint8: See there.
        """
        super().__init__(network, half, uint8)
        # The scales and shifts are few, and float16 would round the dials.
        cast(DialsNetwork, self.network).float_dials()

    def forward(  # type: ignore[override]
        self, image: Tensor, stroke: Tensor, style_weight: Tensor
    ) -> Tensor:
        """Stylize images.

        Args:
            image: See :class:`PortableNetwork`.
            stroke: Size of the strokes for all images, float32, shape (1,).
            style_weight: Weight of the style for all images, float32, shape (1,).

        Returns:
            Stylized RGB of the same shape and dtype.
        """
        network = cast(DialsNetwork, self.network)
        positions = network.positions(torch.stack([stroke, style_weight], dim=1))  # (1, 2)
        return self.convert(image, lambda images: network(images, positions))


def trace(network: PortableNetwork, size: Sequence[int] | None) -> ExportedProgram:
    """Trace a network with ``torch.export``.

    Args:
        network: Network, in eval mode.
        size: Fixed height and width of a single image; ``None`` for any batch, height and width.
            The graph of a fixed size has simpler operations.
    """
    # A tensor of its own for each dial: torch.export takes one tensor for one input.
    dials = [torch.ones(1) for _ in (DIALS if isinstance(network, PortableDials) else ())]
    if size is not None:
        with torch.no_grad():
            image = torch.zeros(1, 3, *size)
            if network.uint8:
                image = torch.zeros(1, *size, 3, dtype=torch.uint8)
            return torch.export.export(network, (image, *dials), strict=False)
    count, height, width = _EXAMPLE
    if network.uint8:
        image = torch.zeros(count, height, width, 3, dtype=torch.uint8)
        dynamic = {0: Dim.DYNAMIC, 1: Dim.DYNAMIC, 2: Dim.DYNAMIC}
    else:
        image = torch.zeros(count, 3, height, width)
        dynamic = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    shapes = {"image": dynamic, **dict.fromkeys(DIALS if dials else ())}
    with torch.no_grad():
        return torch.export.export(network, (image, *dials), dynamic_shapes=shapes, strict=False)


def _float32_statistics(name: str, features: Tensor) -> tuple[Tensor, Tensor]:
    """Compute mean and variance of each image by operations that every runtime has."""
    features = features.float()
    mean = features.mean((2, 3), keepdim=True)
    return mean, (features - mean).square().mean((2, 3), keepdim=True)
