"""Convolutions rewritten for speed: exactly the same, in other shapes."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def pad_border(features: Tensor, margin: int, mode: str = "reflect") -> Tensor:
    """Pad all four sides by mirroring or repeating the border.

    Compiled for a GPU, the gradient is a sum of shifted slices, which fuses with its neighbors;
    PyTorch's own scatters with atomic additions, 8 % of a training step on an H200.

    Args:
        features: Shape (N, C, H, W), H and W larger than ``margin``.
        margin: Pixels on each side; 1 for ``replicate``.
        mode: ``reflect``, or ``replicate`` for a margin of 1.

    Returns:
        Shape (N, C, H + 2 margin, W + 2 margin).
    """
    if features.device.type == "cuda" and torch.compiler.is_compiling():
        return _PadBorder.apply(features, margin, mode)
    return F.pad(features, (margin,) * 4, mode=mode)


class _PadBorder(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, margin: int, mode: str) -> Tensor:
        ctx.margin, ctx.offset = margin, 1 if mode == "reflect" else 0
        return F.pad(features, (margin,) * 4, mode=mode)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        for dim in (2, 3):
            gradient = _fold_border(gradient, dim, ctx.margin, ctx.offset)
        return gradient, None, None


def _fold_border(gradient: Tensor, dim: int, margin: int, offset: int) -> Tensor:
    """Add the mirrored margins of one dimension to the rows they were copied from."""
    size = gradient.shape[dim] - 2 * margin
    rest = size - margin - offset
    before, inner, after = gradient.split([margin, size, margin], dim)
    columns = (0, 0) if dim == 2 else ()
    above = F.pad(before.flip(dim), (*columns, offset, rest))
    below = F.pad(after.flip(dim), (*columns, rest, offset))
    return inner + above + below


class ReflectedConvolution(nn.Conv2d):
    """Convolution with reflection padding, which keeps frames and dark bands off the border."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True
    ) -> None:
        """Build the layer.

        Args:
            inputs: Channels in.
            outputs: Channels out.
            kernel: Side of the kernel in pixels, odd.
            stride: Step of the convolution.
            bias: Whether it adds one.
        """
        margin = kernel // 2
        super().__init__(
            inputs, outputs, kernel, stride, padding=margin, padding_mode="reflect", bias=bias
        )

    def forward(self, features: Tensor) -> Tensor:
        """Pad and convolve.

        Args:
            features: Shape (N, C, H, W), H and W greater than half the kernel.

        Returns:
            Shape (N, outputs, H / stride, W / stride), rounded up.
        """
        padded = pad_border(features, self.kernel_size[0] // 2)
        return F.conv2d(padded, self.weight, self.bias, self.stride)


class UpsampleConvolution(nn.Conv2d):
    """Nearest-neighbor doubling and a 3x3 convolution with reflection padding, in one.

    A transposed convolution covers its output unevenly and paints checkerboards (Odena, Dumoulin,
    Olah 2016, distill.pub/2016/deconv-checkerboard); this does not. In the doubled features every
    value stands four times, so each output pixel sees only 2x2 different ones: four kernels of 2x2,
    one for each place in a square of 2x2 pixels, whose weights are sums of the 3x3 kernel's, give
    the same in 4/9 of the multiplications and without the doubled features. Measured on one core in
    bfloat16: half the time, forward and backward.
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = False) -> None:
        """Builds the layer.

        Args:
            inputs: Channels in.
            outputs: Channels out.
            bias: Whether it has one; a normalization that follows would take it away again.
        """
        super().__init__(inputs, outputs, 3, padding=1, padding_mode="reflect", bias=bias)

    def forward(self, features: Tensor) -> Tensor:
        """Doubles height and width.

        Args:
            features: Shape (N, C, H, W).

        Returns:
            Shape (N, outputs, 2H, 2W).
        """
        if features.device.type != "cuda" and torch.compiler.is_compiling():
            # Exported: two operations that every runtime has.
            return super().forward(F.interpolate(features, scale_factor=2.0, mode="nearest"))
        height, width = features.shape[-2:]
        kernels = phase_kernels(self.weight)
        # Reflecting the doubled features by one pixel repeats their first value once more.
        padded = pad_border(features, 1, "replicate")
        found = F.conv2d(
            padded,
            kernels.contiguous(memory_format=torch.channels_last),
            None if self.bias is None else self.bias.repeat(4),
        )
        # (N, H + 1, W + 1, a, b, O), where pixel (2 i + a, 2 j + b) was found at (i + a, j + b).
        found = found.permute(0, 2, 3, 1).unflatten(3, (2, 2, -1))
        places = [(a, b) for a in (0, 1) for b in (0, 1)]
        pixels = [found[:, a : a + height, b : b + width, a, b] for a, b in places]
        if torch.is_grad_enabled():
            rows = [torch.stack(pixels[:2], dim=3), torch.stack(pixels[2:], dim=3)]
            whole = torch.stack(rows, dim=2)  # (N, H, a, W, b, O)
        else:  # where nothing has to be undone, each is copied once
            whole = found.new_empty(len(found), height, 2, width, 2, self.out_channels)
            for (a, b), part in zip(places, pixels, strict=True):
                whole[:, :, a, :, b] = part
        return whole.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)  # (N, O, 2 H, 2 W)


def phase_kernels(weight: Tensor) -> Tensor:
    """Rewrite a 3x3 kernel on doubled features as four 2x2 kernels on the features themselves.

    Args:
        weight: Shape (O, I, 3, 3).

    Returns:
        Shape (4 O, I, 2, 2), for the upper left, upper right, lower left and lower right pixel of
        each square of 2x2 pixels.
    """
    # (O, I, 3, 3) -> (O, I, a, rows, b, columns) -> (4 O, I, 2, 2)
    kernels = _pair_sums(_pair_sums(weight, 2), 4)
    return kernels.permute(2, 4, 0, 1, 3, 5).flatten(0, 2)


def square_kernels(weight: Tensor) -> Tensor:
    """Rewrite a kernel on pixels as a kernel on squares of 2x2 pixels (see :func:`to_squares`).

    Args:
        weight: Shape (O, I, K, K), K odd.

    Returns:
        Shape (4 O, 4 I, (K + 1) / 2, (K + 1) / 2), with some weights zero; for pixels that are
        padded by K // 2 on each side.
    """
    shifted = [F.pad(weight, (b, 1 - b, a, 1 - a)) for a in (0, 1) for b in (0, 1)]
    # For pixel (2 i + a, 2 j + b): (a b, O, I, rows, 2, columns, 2)
    kernels = torch.stack(shifted).unflatten(4, (-1, 2)).unflatten(3, (-1, 2))
    return kernels.permute(0, 1, 4, 6, 2, 3, 5).flatten(2, 4).flatten(0, 1)


def _pair_sums(kernel: Tensor, dim: int) -> Tensor:
    """Splits a dimension of three taps into (2, 2): what they come to on doubled values.

    The first of two equal values sees the one before it by the first tap and itself by the other
    two; the second sees itself by two and the next by the last.
    """
    first, middle, last = kernel.unbind(dim)
    pairs = [torch.stack([first, middle + last], dim), torch.stack([first + middle, last], dim)]
    return torch.stack(pairs, dim)


class PixelConvolution(nn.Conv2d):
    """A large kernel from many channels to the three of an image, with reflection padding.

    Processors compute at least 16 outputs at a time, of which three leave most idle. So this takes
    2x2 pixels for one: 4 times the channels in, 12 out, and a kernel of half the side (and one)
    with some weights zero give the same, in 0.6 of the time (9x9, 32 channels, one core, bfloat16).
    """

    def __init__(self, inputs: int, kernel: int) -> None:
        """Builds the layer.

        Args:
            inputs: Channels in.
            kernel: Side of the kernel, odd.
        """
        super().__init__(inputs, 3, kernel, padding=kernel // 2, padding_mode="reflect")

    def forward(self, features: Tensor) -> Tensor:
        """Convolves.

        Args:
            features: Shape (N, C, H, W), H and W even and greater than half the kernel.

        Returns:
            Shape (N, 3, H, W).
        """
        on_cpu = features.device.type == "cpu" and not torch.compiler.is_compiling()
        if on_cpu or features.device.type == "cuda":
            return convolve_squares(features, self.weight, self.bias)
        return super().forward(features)


class StemConvolution(ReflectedConvolution):
    """A large kernel from the three channels of an image to many.

    GPUs compute on 16 input channels at a time. On squares of 2x2 pixels there are 12 in place of
    3: 0.87 ms instead of 6.3 for a 9x9 kernel at 3840 x 2160 (H200, bfloat16). On a CPU the plain
    form is the faster one.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Pad and convolve.

        Args:
            features: Shape (N, 3, H, W), H and W even and greater than half the kernel.

        Returns:
            Shape (N, outputs, H, W).
        """
        if features.device.type == "cuda":
            return convolve_squares(features, self.weight, self.bias)
        return super().forward(features)


def convolve_squares(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve with reflection padding on squares of 2x2 pixels.

    Args:
        features: Shape (N, I, H, W), H and W even and greater than K / 2.
        weight: Shape (O, I, K, K), K odd.
        bias: Shape (O,), if there is one.

    Returns:
        Shape (N, O, H, W).
    """
    cells = to_squares(pad_border(features, weight.shape[-1] // 2), 2)
    kernels = square_kernels(weight)
    if features.device.type == "cuda":
        cells, kernels = (fill_channels(x) for x in (cells, kernels))
    found = F.conv2d(
        cells,
        kernels.contiguous(memory_format=torch.channels_last),
        None if bias is None else bias.repeat(4),
    )
    return from_squares(found, 2)


def fill_channels(x: Tensor) -> Tensor:
    """Add channels of zeros up to a multiple of 8, as tensor cores read them.

    With 12 channels cuDNN takes a kernel that computes without tensor cores: 5.4 ms in place of
    0.85 for the stem at 3840 x 2160 (H100, bfloat16).

    Args:
        x: Shape (N, C, H, W), features or kernels.

    Returns:
        Shape (N, C', H, W).
    """
    missing = -x.shape[1] % 8
    return F.pad(x, (0, 0, 0, 0, 0, missing)) if missing else x


def to_squares(features: Tensor, side: int) -> Tensor:
    """Takes squares of pixels for one cell each, with all their channels.

    What PyTorch's ``pixel_unshuffle`` does, with the channels in another order, in which it is a
    copy of longer runs where features lie channels-last.

    Args:
        features: Shape (N, C, H, W), H and W multiples of ``side``.
        side: Of the squares.

    Returns:
        Shape (N, side² C, H / side, W / side), channels-last; channels by row, column and channel.
    """
    cells = features.permute(0, 2, 3, 1).unflatten(2, (-1, side)).unflatten(1, (-1, side))
    return cells.transpose(2, 3).flatten(3).permute(0, 3, 1, 2)


def from_squares(cells: Tensor, side: int) -> Tensor:
    """Undoes :func:`to_squares`.

    Args:
        cells: Shape (N, side² C, H, W).
        side: Of the squares.

    Returns:
        Shape (N, C, side H, side W), channels-last.
    """
    pixels = cells.permute(0, 2, 3, 1).unflatten(3, (side, side, -1)).transpose(2, 3)
    return pixels.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)
