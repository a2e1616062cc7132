"""Upsampling followed by a convolution, computed on the small features."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResizeConvolution(nn.Conv2d):
    """Nearest-neighbor upsampling and one convolution for all pixels, without a grid.

    A convolution to squares of pixels (sub-pixel convolution, Shi et al. 2016) has a kernel for
    each place in a square, so even constant features become a pattern that repeats with every
    square. After nearest-neighbor upsampling one kernel serves all places, and constant features
    become a constant image (Odena, Dumoulin, Olah 2016, distill.pub/2016/deconv-checkerboard).

    On the small features this is a convolution to squares too: its kernels are sums of the taps
    that fall on the same small pixel. So it costs the same.
    """

    sums: Tensor

    def __init__(self, inputs: int, outputs: int, scale: int) -> None:
        """Build the layer.

        Args:
            inputs: Input channels.
            outputs: Output channels.
            scale: Factor of the upsampling. The kernel has 2 scale + 1 taps on a side, the most for
                which 3x3 small pixels are enough.
        """
        taps = 2 * scale + 1
        super().__init__(inputs, outputs, taps, padding=1, padding_mode="reflect")
        self.scale = scale
        # Of a pixel's place in its square and a tap: which of the three small pixels it falls on.
        small = (torch.arange(scale)[:, None] + torch.arange(taps)) // scale  # (scale, taps)
        sums = F.one_hot(small, 3).transpose(1, 2).flatten(0, 1).float()  # (3 scale, taps)
        self.register_buffer("sums", sums, persistent=False)

    def folded(self) -> tuple[Tensor, Tensor | None]:
        """Return the kernels of the same convolution on the small features, with 3x3 taps.

        Returns:
            Weights of shape (scale² outputs, C, 3, 3), and the bias of as many, if there is one.
        """
        kernels = self.sums @ self.weight @ self.sums.T  # (O, C, 3 scale, 3 scale)
        kernels = kernels.unflatten(3, (-1, 3)).unflatten(2, (-1, 3))
        # (O, C, row, 3, column, 3) -> (scale² O, C, 3, 3)
        kernels = kernels.permute(2, 4, 0, 1, 3, 5).flatten(0, 2)
        bias = None if self.bias is None else self.bias.repeat(self.scale**2)
        return kernels.contiguous(memory_format=torch.channels_last), bias

    def forward(self, features: Tensor) -> Tensor:
        """Convolve the upsampled features; their border is the reflected small pixels.

        Args:
            features: Shape (N, C, H, W), H and W at least 2.

        Returns:
            Squares for :func:`stylenet.networks.convolutions.from_squares`, shape
            (N, scale² outputs, H, W).
        """
        return F.conv2d(F.pad(features, (1, 1, 1, 1), mode="reflect"), *self.folded())
