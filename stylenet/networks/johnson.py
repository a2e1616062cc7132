"""The image transformation network of Johnson, Alahi, Fei-Fei 2016 (arXiv:1603.08155)."""

import torch
from torch import Tensor, nn

from stylenet.errors import check_choice, check_number
from stylenet.networks.convolutions import OutputConvolution
from stylenet.networks.layers import ConvNorm, ResidualBlock, UpsampleConv, pad_to_multiple
from stylenet.networks.registry import register_network
from stylenet.networks.staged import StagedNetwork

# Reflecting 4 pixels for the 9x9 stem needs 5 pixels; the next multiple of the stride is 8.
_SMALLEST = 8

OUTPUTS = ("tanh", "linear")


@register_network("johnson")
class JohnsonNetwork(StagedNetwork):
    """Johnson's network: downsampling by 4, residual blocks, upsampling by 4.

    It follows the paper's supplementary material with three changes that later work made standard:
    instance instead of batch normalization (Ulyanov et al. 2016), nearest-neighbor upsampling and
    convolution instead of transposed convolution (Odena et al. 2016), and reflection padding in
    every convolution instead of once at the start. It has 1.68 million parameters by default.
    """

    # Two convolutions of stride 2.
    stride = 4
    # In cells of 4x4 pixels: (4 + 1 + 2) / 4 for the downsampling, 2 for a residual block,
    # 1/2 + 1/4 + 4/4 for the upsampling and the head.
    reach = 2

    def __init__(
        self, width: int = 32, blocks: int = 5, norm: str = "instance", output: str = "tanh"
    ) -> None:
        """Build the network with random weights.

        Args:
            width: Channels of the 9x9 stem; the residual blocks have four times as many.
            blocks: Number of residual blocks.
            norm: ``instance``, or ``batch`` for the comparison of Ulyanov et al.
            output: ``tanh`` as in the paper, or ``linear`` as in PyTorch's example, whose
                checkpoints can be imported. ``linear`` is clamped to [0, 1] except while training,
                where a clamped pixel would get no gradient.

        Raises:
            StyleNetError: An argument is out of range.
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
        self.head = OutputConvolution(width, 9)

    @property
    def bottleneck(self) -> nn.Module:
        """Return the residual blocks."""
        return self.residual

    def forward(self, images: Tensor) -> Tensor:
        """Stylize images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), H and W at least 1.

        Returns:
            RGB in [0, 1], the same shape.
        """
        x = self.down(self.preprocess(images))  # (N, 4 width, H'/4, W'/4)
        x = self.up(self.residual(x))  # (N, width, H', W')
        x = self.head(x)  # (N, 3, H', W')
        return self.postprocess(x[..., : images.shape[-2], : images.shape[-1]].to(images.dtype))

    def preprocess(self, images: Tensor) -> Tensor:
        """Pad images to multiples of ``stride`` and scale them to [-1, 1]."""
        return self.pad(images) * 2.0 - 1.0

    def pad(self, images: Tensor) -> Tensor:
        """Pad images to multiples of ``stride``, in the same range."""
        return pad_to_multiple(images, self.stride, _SMALLEST)

    def stages(self) -> list[nn.Module]:
        """Return the downsampling, each residual block, and the upsampling with the head."""
        return [self.down, *self.residual, nn.Sequential(*self.up, self.head)]

    def postprocess(self, x: Tensor) -> Tensor:
        """Map the head's output to [0, 1]."""
        if self.output == "linear":
            return x if self.training else x.clamp(0, 1)
        # Johnson's scaled tanh, its scale chosen to reach exactly [0, 1]: (tanh(x) + 1) / 2.
        return torch.sigmoid(2.0 * x)
