"""A network as a graph without choices: one for every batch, height and width, or for one size."""

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from stylenet.networks import StyleNetwork, with_statistics

# Any will do, but 0, 1 and equal ones, in which torch.export would see a meaning.
_EXAMPLE = (2, 41, 53)


class PortableNetwork(nn.Module):
    """What other runtimes run: everything between pixels and pixels.

    Images are RGB: float32 in [0, 1], shape (N, 3, H, W), or uint8, shape (N, H, W, 3), as decoders
    give them. Whatever the precision inside, the statistics are taken in float32.
    """

    def __init__(self, network: StyleNetwork, half: bool, uint8: bool) -> None:
        """Prepares a copy.

        Args:
            network: Stays as it is.
            half: Whether weights and features are float16.
            uint8: Whether images are bytes.
        """
        super().__init__()
        self.dtype = torch.float16 if half else torch.float32
        self.uint8 = uint8
        own = copy.deepcopy(network).eval().to("cpu", self.dtype)
        try:
            self.network = with_statistics(own, _own_statistics)
        except ValueError:  # without instance normalization there are none to take
            self.network = own

    def forward(self, image: Tensor) -> Tensor:
        """Stylizes images.

        Args:
            image: See the class.

        Returns:
            The same shape and type.
        """
        if self.uint8:
            image = image.permute(0, 3, 1, 2).float() / 255
        stylized = self.network(image.to(self.dtype)).float().clamp(0, 1)
        if self.uint8:
            stylized = (stylized * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        return cast(Tensor, stylized)


def trace(network: PortableNetwork, size: Sequence[int] | None = None) -> ExportedProgram:
    """Make the graph.

    Args:
        network: What runs.
        size: Height and width of the one image that the graph is to take; ``None`` for any batch,
            height and width. Without a choice of size the graph has simpler operations.

    Returns:
        PyTorch's exported program.
    """
    if size is not None:
        with torch.no_grad():
            return torch.export.export(network, (torch.zeros(1, 3, *size),))
    count, height, width = _EXAMPLE
    if network.uint8:
        image = torch.zeros(count, height, width, 3, dtype=torch.uint8)
        dynamic = {0: Dim.DYNAMIC, 1: Dim.DYNAMIC, 2: Dim.DYNAMIC}
    else:
        image = torch.zeros(count, 3, height, width)
        dynamic = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    with torch.no_grad():
        return torch.export.export(network, (image,), dynamic_shapes={"image": dynamic})


def _own_statistics(name: str, features: Tensor) -> tuple[Tensor, Tensor]:
    """Those of each image itself, in operations that every runtime has."""
    features = features.float()
    mean = features.mean((2, 3), keepdim=True)
    return mean, (features - mean).square().mean((2, 3), keepdim=True)
