"""Upsampling followed by a convolution, computed at low resolution."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResizeConvolution(nn.Conv2d):
    """Nearest-neighbor upsampling and a convolution, which leave no grid.

    A sub-pixel convolution (Shi et al. 2016) has a separate kernel for each position in a square of
    output pixels, so even constant features become a pattern that repeats in every square. After
    nearest-neighbor upsampling one kernel serves all positions, and constant features become a
    constant image (Odena, Dumoulin, Olah 2016, distill.pub/2016/deconv-checkerboard).

    At low resolution this equals a sub-pixel convolution whose kernels are sums of the taps that
    fall on the same input pixel. So it costs the same.
    """

    sums: Tensor

    def __init__(self, inputs: int, outputs: int, scale: int) -> None:
        """Build the layer.

        Args:
            inputs: Input channels.
            outputs: Output channels.
            scale: Upsampling factor. The kernel size is 2 scale + 1, the largest for which 3x3
                input pixels are enough.
        """
        taps = 2 * scale + 1
        super().__init__(inputs, outputs, taps, padding=1, padding_mode="reflect")
        self.scale = scale
        # The input pixel (0, 1 or 2) under each tap, for each position in a square.
        pixel = (torch.arange(scale)[:, None] + torch.arange(taps)) // scale  # (scale, taps)
        sums = F.one_hot(pixel, 3).transpose(1, 2).flatten(0, 1).float()  # (3 scale, taps)
        self.register_buffer("sums", sums, persistent=False)

    def folded_kernels(self) -> tuple[Tensor, Tensor | None]:
        """Return the equivalent 3x3 kernels at low resolution.

        Returns:
            Weights of shape (scale² outputs, C, 3, 3), and the bias of shape (scale² outputs,) or
            ``None``.
        """
        kernels = self.sums @ self.weight @ self.sums.T  # (O, C, 3 scale, 3 scale)
        kernels = kernels.unflatten(3, (-1, 3)).unflatten(2, (-1, 3))
        # (O, C, row, 3, column, 3) -> (scale² O, C, 3, 3)
        kernels = kernels.permute(2, 4, 0, 1, 3, 5).flatten(0, 2)
        bias = None if self.bias is None else self.bias.repeat(self.scale**2)
        return kernels.contiguous(memory_format=torch.channels_last), bias

    @torch.no_grad()
    def fit_kernels(self, kernels: Tensor) -> None:
        """Set the weights to those whose folded kernels are nearest to given ones.

        The difference is what the kernels of a sub-pixel convolution do differently at different
        positions of a square: its grid, and detail that one kernel for all positions cannot draw.

        Args:
            kernels: Kernels of a sub-pixel convolution, shape (scale² outputs, C, 3, 3).
        """
        outputs, inputs = self.weight.shape[:2]
        squares = kernels.view(self.scale, self.scale, outputs, inputs, 3, 3)
        squares = squares.permute(2, 3, 0, 4, 1, 5).flatten(4).flatten(2, 3)
        inverse = torch.linalg.pinv(self.sums)  # (taps, 3 scale)
        self.weight.copy_(inverse @ squares @ inverse.T)

    def forward(self, features: Tensor) -> Tensor:
        """Convolve the upsampled features, padded by reflection at low resolution.

        Args:
            features: Shape (N, C, H, W), H and W at least 2.

        Returns:
            Shape (N, scale² outputs, H, W), to be rearranged by
            :func:`stylenet.networks.convolutions.depth_to_space`.
        """
        return F.conv2d(F.pad(features, (1, 1, 1, 1), mode="reflect"), *self.folded_kernels())
