"""Convolutions in equivalent, faster shapes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylenet.networks.padding import pad_border, pad_channels
from stylenet.networks.space_to_depth import depth_to_space, space_to_depth


class ReflectedConvolution(nn.Conv2d):
    """Convolution with reflection padding, which avoids frames and dark bands at the border."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True
    ) -> None:
        """Build the layer.

        Args:
            inputs: Input channels.
            outputs: Output channels.
            kernel: Kernel size in pixels, odd.
            stride: Stride of the convolution.
            bias: Whether to add a learned bias.
        """
        margin = kernel // 2
        super().__init__(
            inputs, outputs, kernel, stride, padding=margin, padding_mode="reflect", bias=bias
        )

    def forward(self, features: Tensor) -> Tensor:
        """Pad and convolve.

        Args:
            features: Shape (N, C, H, W), H and W greater than half the kernel size.

        Returns:
            Shape (N, outputs, H / stride, W / stride), sizes rounded up.
        """
        padded = pad_border(features, self.kernel_size[0] // 2)
        return F.conv2d(padded, self.weight, self.bias, self.stride)


class UpsampleConvolution(nn.Conv2d):
    """Nearest-neighbor upsampling by 2 and a 3x3 convolution, computed in one step.

    A transposed convolution covers its output unevenly and leaves checkerboards (Odena, Dumoulin,
    Olah 2016, distill.pub/2016/deconv-checkerboard); upsampling and convolving does not. Upsampled
    features repeat each value four times, so an output pixel sees only 2x2 distinct values. Four
    2x2 kernels, one for each position in a square of 2x2 output pixels, therefore give the same
    result; their weights are sums of the 3x3 kernel's weights. This takes 4/9 of the
    multiplications and never stores the upsampled features. Measured on one core in bfloat16: half
    the time, forward and backward. Padding is by reflection.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = False) -> None:
        """Build the layer.

        Args:
            inputs: Input channels.
            outputs: Output channels.
            bias: Whether to add a learned bias; a normalization that follows would cancel it.
        """
        super().__init__(inputs, outputs, 3, padding=1, padding_mode="reflect", bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """Upsample by 2 and convolve.

        Args:
            features: Shape (N, C, H, W).

        Returns:
            Shape (N, outputs, 2H, 2W).
        """
        if features.device.type != "cuda" and torch.compiler.is_compiling():
            # For export: two operations that every runtime has.
            return super().forward(F.interpolate(features, scale_factor=2.0, mode="nearest"))
        height, width = features.shape[-2:]
        kernels = phase_kernels(self.weight)
        # Reflecting the doubled features by one pixel repeats their first value once more.
        padded = pad_border(features, 1, "replicate")
        phases = F.conv2d(
            padded,
            kernels.contiguous(memory_format=torch.channels_last),
            None if self.bias is None else self.bias.repeat(4),
        )  # (N, 4 O, H + 1, W + 1)
        # (N, H + 1, W + 1, a, b, O): output pixel (2 i + a, 2 j + b) lies at (i + a, j + b).
        phases = phases.permute(0, 2, 3, 1).unflatten(3, (2, 2, -1))
        offsets = [(a, b) for a in (0, 1) for b in (0, 1)]
        pixels = [phases[:, a : a + height, b : b + width, a, b] for a, b in offsets]
        if torch.is_grad_enabled():
            rows = [torch.stack(pixels[:2], dim=3), torch.stack(pixels[2:], dim=3)]
            output = torch.stack(rows, dim=2)  # (N, H, a, W, b, O)
        else:  # without gradients the result can be written in place, one copy instead of two
            output = phases.new_empty(len(phases), height, 2, width, 2, self.out_channels)
            for (a, b), phase in zip(offsets, pixels, strict=True):
                output[:, :, a, :, b] = phase
        return output.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)  # (N, O, 2 H, 2 W)


def phase_kernels(weight: Tensor) -> Tensor:
    """Rewrite a 3x3 kernel for upsampled features as four 2x2 kernels for the features themselves.

    Args:
        weight: Shape (O, I, 3, 3).

    Returns:
        Shape (4 O, I, 2, 2), for the upper left, upper right, lower left and lower right pixel of
        each square of 2x2 output pixels.
    """
    # (O, I, 3, 3) -> (O, I, a, rows, b, columns) -> (4 O, I, 2, 2)
    kernels = _pair_sums(_pair_sums(weight, 2), 4)
    return kernels.permute(2, 4, 0, 1, 3, 5).flatten(0, 2)


def space_to_depth_kernels(weight: Tensor) -> Tensor:
    """Rewrite a kernel for pixels as a kernel for 2x2 squares (see :func:`space_to_depth`).

    Args:
        weight: Shape (O, I, K, K), K odd.

    Returns:
        Shape (4 O, 4 I, (K + 1) / 2, (K + 1) / 2), some weights zero. The pixels must be padded by
        K // 2 on each side before space-to-depth.
    """
    shifted = [F.pad(weight, (b, 1 - b, a, 1 - a)) for a in (0, 1) for b in (0, 1)]
    # (a b, O, I, rows, 2, columns, 2) for output pixel (2 i + a, 2 j + b)
    kernels = torch.stack(shifted).unflatten(4, (-1, 2)).unflatten(3, (-1, 2))
    return kernels.permute(0, 1, 4, 6, 2, 3, 5).flatten(2, 4).flatten(0, 1)


def _pair_sums(kernel: Tensor, dim: int) -> Tensor:
    """Fold three taps on upsampled values into two taps for each of the two output positions.

    At the first output position, the first tap falls on the previous value and the other two on
    the value itself. At the second, two taps fall on the value itself and the last on the next.
    """
    first, middle, last = kernel.unbind(dim)
    pairs = [torch.stack([first, middle + last], dim), torch.stack([first + middle, last], dim)]
    return torch.stack(pairs, dim)


class OutputConvolution(nn.Conv2d):
    """Convolution from many channels to the three of an image, with reflection padding.

    Processors compute at least 16 output channels at a time, so three leave most of them idle.
    After space-to-depth by 2x2 pixels there are 12 output channels, 4 times the input channels and
    a kernel of about half the size with some zero weights. The result is the same and takes 0.6 of
    the time (9x9, 32 channels, one core, bfloat16).
    """

    def __init__(self, inputs: int, kernel: int) -> None:
        """Build the layer.

        Args:
            inputs: Input channels.
            kernel: Kernel size in pixels, odd.
        """
        super().__init__(inputs, 3, kernel, padding=kernel // 2, padding_mode="reflect")

    def forward(self, features: Tensor) -> Tensor:
        """Pad and convolve.

        Args:
            features: Shape (N, C, H, W), H and W even and greater than half the kernel size.

        Returns:
            Shape (N, 3, H, W).
        """
        on_cpu = features.device.type == "cpu" and not torch.compiler.is_compiling()
        if on_cpu or features.device.type == "cuda":
            return convolve_space_to_depth(features, self.weight, self.bias)
        return super().forward(features)


class StemConvolution(ReflectedConvolution):
    """Convolution from the three channels of an image to many, with reflection padding.

    GPUs compute on 16 input channels at a time. Space-to-depth by 2x2 pixels gives 12 instead of
    3: 0.87 ms instead of 6.3 ms for a 9x9 kernel at 3840 x 2160 (H200, bfloat16). On a CPU the
    direct form is faster.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Pad and convolve.

        Args:
            features: Shape (N, 3, H, W), H and W even and greater than half the kernel size.

        Returns:
            Shape (N, outputs, H, W).
        """
        if features.device.type == "cuda":
            return convolve_space_to_depth(features, self.weight, self.bias)
        return super().forward(features)


def convolve_space_to_depth(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve with reflection padding, computed as an equal convolution of 2x2 pixel blocks.

    Args:
        features: Shape (N, I, H, W), H and W even and greater than K / 2.
        weight: Shape (O, I, K, K), K odd.
        bias: Shape (O,), or ``None``.

    Returns:
        Shape (N, O, H, W).
    """
    cells = space_to_depth(pad_border(features, weight.shape[-1] // 2), 2)
    kernels = space_to_depth_kernels(weight)
    if features.device.type == "cuda":
        cells, kernels = (pad_channels(x) for x in (cells, kernels))
    output = F.conv2d(
        cells,
        kernels.contiguous(memory_format=torch.channels_last),
        None if bias is None else bias.repeat(4),
    )
    return depth_to_space(output, 2)
