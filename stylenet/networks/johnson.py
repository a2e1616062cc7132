"""The image transformation network of Johnson, Alahi, Fei-Fei 2016 (arXiv:1603.08155)."""

import torch
from torch import Tensor, nn

from stylenet.errors import check_choice, check_number
from stylenet.networks.convolutions import PixelConvolution
from stylenet.networks.layers import ConvNorm, ResidualBlock, UpsampleConv, pad_to_multiple
from stylenet.networks.registry import register_network
from stylenet.networks.staged import StagedNetwork

# The stem's 9x9 kernel reflects 4 pixels, so it needs 5; the next multiple of the stride is 8.
_SMALLEST = 8

OUTPUTS = ("tanh", "linear")


@register_network("johnson")
class JohnsonNetwork(StagedNetwork):
    """Down by four, residual blocks, up by four.

    As in the paper's supplementary material, with three departures that later work made standard:
    instance for batch normalization (Ulyanov et al. 2016), nearest upsampling + convolution for
    the transposed convolutions (Odena et al. 2016), and reflection padding in every convolution
    instead of once at the start. 1.68 million parameters at the default size.
    """

    # Two convolutions of stride 2.
    stride = 4
    # Down: (4 + 1 + 2) / 4 cells; a residual block: 2; up and head: 1/2 + 1/4 + 4/4.
    reach = 2

    def __init__(
        self, width: int = 32, blocks: int = 5, norm: str = "instance", output: str = "tanh"
    ) -> None:
        """Builds the network with fresh weights.

        Args:
            width: Channels of the 9x9 stem; the residual blocks have four times as many.
            blocks: Number of residual blocks.
            norm: ``instance``, or ``batch`` for the comparison of Ulyanov et al.
            output: ``tanh`` as in the paper, or ``linear``, as in PyTorch's own example, whose
                checkpoints can be imported: clamped to [0, 1], but not while training, where a
                pixel beyond the range would get no gradient.

        Raises:
            StyleNetError: A value is impossible.
        """
        super().__init__()
        check_choice("network.output", output, OUTPUTS)
        self.output = output
        check_number("network.width", width, minimum=1, integer=True)
        check_number("network.blocks", blocks, minimum=0, integer=True)
        self.channels = 4 * width
        self.down = nn.Sequential(
            ConvNorm(3, width, 9, norm=norm),
            ConvNorm(width, 2 * width, 3, stride=2, norm=norm),
            ConvNorm(2 * width, 4 * width, 3, stride=2, norm=norm),
        )
        self.residual = nn.Sequential(*(ResidualBlock(4 * width, norm) for _ in range(blocks)))
        self.up = nn.Sequential(
            UpsampleConv(4 * width, 2 * width, norm),
            UpsampleConv(2 * width, width, norm),
        )
        self.head = PixelConvolution(width, 9)

    def forward(self, images: Tensor) -> Tensor:
        """Stylizes images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), any H and W from 1.

        Returns:
            RGB in [0, 1], the same shape.
        """
        x = self.down(self.enter(images))  # (N, 4 width, H'/4, W'/4)
        x = self.up(self.residual(x))  # (N, width, H', W')
        x = self.head(x)
        return self.leave(x[..., : images.shape[-2], : images.shape[-1]].to(images.dtype))

    def enter(self, images: Tensor) -> Tensor:
        """Pads images to multiples of ``stride`` and brings them to [-1, 1]."""
        return self.fit(images) * 2 - 1

    def fit(self, images: Tensor) -> Tensor:
        """Pad images to multiples of ``stride``, without changing their range."""
        return pad_to_multiple(images, self.stride, _SMALLEST)

    def stages(self) -> list[nn.Module]:
        """Down, each residual block, and up with the head."""
        return [self.down, *self.residual, nn.Sequential(*self.up, self.head)]

    def leave(self, x: Tensor) -> Tensor:
        """Makes images of what the head gives."""
        if self.output == "linear":
            return x if self.training else x.clamp(0, 1)
        # Johnson's scaled tanh, its scale set so that the whole of [0, 1] is reached and no more:
        # (tanh(x) + 1) / 2.
        return torch.sigmoid(2 * x)
