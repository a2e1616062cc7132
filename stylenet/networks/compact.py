"""A small network for laptops, phones and browsers, which never computes on single pixels."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylenet.errors import check_choice, check_number
from stylenet.networks.convolutions import from_squares, to_squares
from stylenet.networks.layers import ConvNorm, ResidualBlock, pad_to_multiple
from stylenet.networks.registry import register_network
from stylenet.networks.resize import ResizeConvolution
from stylenet.networks.staged import StagedNetwork

# Pixels on a side of a fine cell; a deep one is of 2x2 fine cells.
_SIDE = 4
HEADS = ("resize", "subpixel")
# Two deep cells: reflecting one needs another.
_SMALLEST = 16


@register_network("compact")
class CompactNetwork(StagedNetwork):
    """Squares of 4x4 pixels in, most blocks at half that resolution, squares out.

    Of Johnson's network most time goes into layers at the full resolution, for the sake of three
    colors. Here the image is taken by squares (space-to-depth, Shi et al. 2016), whose 48 values
    go through one convolution; deep cells of 8x8 pixels see far at little cost, and fine ones, to
    which what was seen is added, draw. docs/performance.md has what else was tried.
    """

    stride = 2 * _SIDE
    # In deep cells: a deep block two, all others one at most.
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
        """Builds the network with fresh weights.

        Args:
            width: Channels of the fine cells.
            deep_width: Channels of the deep cells.
            deep_blocks: Residual blocks of the deep cells.
            fine_blocks: Residual blocks of the fine cells.
            norm: ``instance``, or ``batch`` for the comparison of Ulyanov et al.
            head: ``resize`` (:class:`stylenet.networks.resize.ResizeConvolution`), which leaves no
                grid on flat areas; or ``subpixel``, as in checkpoints that do not name theirs.

        Raises:
            StyleNetError: A value is impossible.
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

    def forward(self, images: Tensor) -> Tensor:
        """Stylizes images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), any H and W from 1.

        Returns:
            RGB in [0, 1], the same shape.
        """
        fine = self.stem(to_squares(self.enter(images), _SIDE))  # (N, width, H'/4, W'/4)
        deep = self.deep(self.down(fine))  # (N, deep_width, H'/8, W'/8)
        x = self.head(self.fine(_join(self.lift, fine, deep)))  # (N, 48, H'/4, W'/4)
        x = from_squares(x, _SIDE)
        return self.leave(x[..., : images.shape[-2], : images.shape[-1]].to(images.dtype))

    def enter(self, images: Tensor) -> Tensor:
        """Pads images to multiples of ``stride``; the first normalization takes any scale away."""
        return pad_to_multiple(images, self.stride, _SMALLEST)

    def stages(self) -> list[nn.Module]:
        """The stem, each block, and the head; fine cells go by squares beside the deep ones."""
        # Not lift.out_channels: inference replaces convolutions by others of its own.
        fine = 4 * self.width

        def deep(block: nn.Module, x: Tensor) -> Tensor:
            return torch.cat([x[:, :fine], block(x[:, fine:])], dim=1)

        return [
            _Stage(self.stem, lambda stem, x: to_squares(stem(to_squares(x, _SIDE)), 2)),
            _Stage(self.down, lambda down, x: torch.cat([x, down(from_squares(x, 2))], dim=1)),
            *(_Stage(block, deep) for block in self.deep),
            _Stage(
                self.lift,
                lambda lift, x: to_squares(
                    _join(lift, from_squares(x[:, :fine], 2), x[:, fine:]), 2
                ),
            ),
            *(
                _Stage(block, lambda block, x: to_squares(block(from_squares(x, 2)), 2))
                for block in self.fine
            ),
            _Stage(self.head, lambda head, x: from_squares(head(from_squares(x, 2)), _SIDE)),
        ]

    def leave(self, x: Tensor) -> Tensor:
        """Makes images of what the head gives."""
        return torch.sigmoid(x)


class _Stage(nn.Module):
    """A layer between features that lie by squares."""

    def __init__(self, layer: nn.Module, run: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        # As a child, so that its normalizations can be made to ask for their statistics.
        self.layer = layer
        self._run = run

    def forward(self, x: Tensor) -> Tensor:
        return self._run(self.layer, x)


def _join(lift: nn.Module, fine: Tensor, deep: Tensor) -> Tensor:
    """Adds to the fine cells, (N, width, 2H, 2W), what the deep ones, (N, C, H, W), saw."""
    return fine + F.interpolate(lift(deep), scale_factor=2.0, mode="nearest")
