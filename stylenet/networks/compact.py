"""A small network for laptops, phones and browsers; no layer runs at full resolution."""

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylenet.errors import check_choice, check_number
from stylenet.networks.layers import ConvNorm, ResidualBlock, pad_to_multiple
from stylenet.networks.registry import StyleNetwork, register_network
from stylenet.networks.resize import ResizeConvolution
from stylenet.networks.space_to_depth import depth_to_space, space_to_depth
from stylenet.networks.staged import StagedNetwork

# Pixels along each side of a fine cell; a deep cell is 2x2 fine cells.
_SIDE = 4
HEADS = ("resize", "subpixel")
# Two deep cells: reflection padding by one cell needs a second one.
_SMALLEST = 16


@register_network("compact")
class CompactNetwork(StagedNetwork):
    """Space-to-depth by 4x4 pixels, most residual blocks at half that resolution, and back.

    Johnson's network spends most of its time in layers at full resolution that compute only three
    colors. Here one convolution takes the image after space-to-depth (Shi et al. 2016), 48 values
    for each fine cell of 4x4 pixels. Deep cells of 8x8 pixels give a large receptive field at
    little cost; their features are added to the fine cells, which draw the details.
    docs/performance.md lists the variants that were tried.
    """

    stride = 2 * _SIDE
    # In deep cells: two for a deep block, at most one for every other stage.
    reach = 2

    def __init__(
        self,
        width: int = 32,
        deep_width: int = 64,
        deep_blocks: int = 3,
        fine_blocks: int = 2,
        norm: str = "instance",
        head: str = "subpixel",
    ) -> None:
        """Build the network with random weights.

        Args:
            width: Channels of the fine cells.
            deep_width: Channels of the deep cells.
            deep_blocks: Number of residual blocks on the deep cells.
            fine_blocks: Number of residual blocks on the fine cells.
            norm: ``instance``, or ``batch`` for the comparison of Ulyanov et al.
            head: ``resize`` (:class:`stylenet.networks.resize.ResizeConvolution`) leaves no grid on
                flat areas. ``subpixel`` is the head of older checkpoints, which do not name it, and
                therefore the default here.

        Raises:
            StyleNetError: An argument is out of range.
        """
        super().__init__()
        check_number("network.width", width, minimum=1, integer=True)
        check_number("network.deep_width", deep_width, minimum=1, integer=True)
        check_number("network.deep_blocks", deep_blocks, minimum=0, integer=True)
        check_number("network.fine_blocks", fine_blocks, minimum=0, integer=True)
        check_choice("network.head", head, HEADS)
        self.width = width
        self.channels = 4 * width + deep_width
        self.stem = ConvNorm(3 * _SIDE**2, width, 3, norm=norm)
        self.down = ConvNorm(width, deep_width, 3, stride=2, norm=norm)
        self.deep = nn.Sequential(*(ResidualBlock(deep_width, norm) for _ in range(deep_blocks)))
        self.lift = nn.Conv2d(deep_width, width, 1)
        self.fine = nn.Sequential(*(ResidualBlock(width, norm) for _ in range(fine_blocks)))
        self.head = (
            ResizeConvolution(width, 3, _SIDE)
            if head == "resize"
            else nn.Conv2d(width, 3 * _SIDE**2, 3, padding=1, padding_mode="reflect")
        )

    def initialize_from(self, trained: StyleNetwork) -> None:
        """Copy the weights of a trained network.

        Args:
            trained: Network of the same size. A ``resize`` head also starts from a ``subpixel``
                one, with the kernels that come nearest to its own.

        Raises:
            StyleNetError: The architectures differ otherwise.
        """
        adopted = {**trained.arguments, "head": "resize"}
        if trained.arguments.get("head") != "subpixel" or self.arguments != adopted:
            super().initialize_from(trained)
            return
        weights = trained.state_dict()
        kernels, bias = weights.pop("head.weight"), weights.pop("head.bias")
        head = cast(ResizeConvolution, self.head)
        head.fit_kernels(kernels)
        own = head.state_dict(prefix="head.")
        own["head.bias"] = bias.view(-1, len(own["head.bias"])).mean(0)
        self.load_state_dict({**weights, **own})

    @property
    def bottleneck(self) -> nn.Module:
        """Return the blocks of the fine cells."""
        return self.fine

    def forward(self, images: Tensor) -> Tensor:
        """Stylize images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), H and W at least 1.

        Returns:
            RGB in [0, 1], the same shape.
        """
        fine = self.stem(space_to_depth(self.preprocess(images), _SIDE))  # (N, width, H'/4, W'/4)
        deep = self.deep(self.down(fine))  # (N, deep_width, H'/8, W'/8)
        x = self.head(self.fine(_add_upsampled(self.lift, fine, deep)))  # (N, 48, H'/4, W'/4)
        x = depth_to_space(x, _SIDE)
        return self.postprocess(x[..., : images.shape[-2], : images.shape[-1]].to(images.dtype))

    def preprocess(self, images: Tensor) -> Tensor:
        """Pad images to multiples of ``stride``; the first normalization removes any scale."""
        return pad_to_multiple(images, self.stride, _SMALLEST)

    def stages(self) -> list[nn.Module]:
        """Return the stem, each block and the head; fine and deep features travel concatenated.

        Between stages the fine features lie in 2x2 squares, at the resolution of the deep ones.
        """
        # Not lift.out_channels: inference may replace the convolution by another module.
        fine = 4 * self.width

        def deep(block: nn.Module, x: Tensor) -> Tensor:
            return torch.cat([x[:, :fine], block(x[:, fine:])], dim=1)

        return [
            _Stage(self.stem, lambda stem, x: space_to_depth(stem(space_to_depth(x, _SIDE)), 2)),
            _Stage(self.down, lambda down, x: torch.cat([x, down(depth_to_space(x, 2))], dim=1)),
            *(_Stage(block, deep) for block in self.deep),
            _Stage(
                self.lift,
                lambda lift, x: space_to_depth(
                    _add_upsampled(lift, depth_to_space(x[:, :fine], 2), x[:, fine:]), 2
                ),
            ),
            *(
                _Stage(block, lambda block, x: space_to_depth(block(depth_to_space(x, 2)), 2))
                for block in self.fine
            ),
            _Stage(self.head, lambda head, x: depth_to_space(head(depth_to_space(x, 2)), _SIDE)),
        ]

    def postprocess(self, x: Tensor) -> Tensor:
        """Map the head's output to [0, 1]."""
        return torch.sigmoid(x)


class _Stage(nn.Module):
    """One stage: a layer and the rearrangements around it."""

    def __init__(self, layer: nn.Module, run: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        # A submodule, so that with_statistics() finds its normalizations.
        self.layer = layer
        self._run = run

    def forward(self, x: Tensor) -> Tensor:
        return self._run(self.layer, x)


def _add_upsampled(lift: nn.Module, fine: Tensor, deep: Tensor) -> Tensor:
    """Add upsampled deep features (N, C, H, W) to fine features (N, width, 2H, 2W)."""
    return fine + F.interpolate(lift(deep), scale_factor=2.0, mode="nearest")
