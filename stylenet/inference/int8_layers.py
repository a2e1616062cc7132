"""Convolutions that simulate int8 arithmetic, calibrated on photos.

OpenVINO converts the simulation to int8 arithmetic; see :mod:`stylenet.inference.int8`.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylenet.inference.precision import replace_layers
from stylenet.networks import StyleNetwork
from stylenet.networks.convolutions import (
    OutputConvolution,
    UpsampleConvolution,
    space_to_depth_kernels,
)
from stylenet.networks.resize import ResizeConvolution

# Largest values of unsigned and of symmetric signed bytes.
_UINT8_MAX, _INT8_MAX = 255, 127
# Factor on the ranges of the calibration, as other photos exceed them. Over 12 photos, the lowest
# PSNR to float32 rose from 32.5 to 37.6 dB with great_wave and from 35.9 to 38.3 with starry; the
# mean changed from 43.7 to 44.0 and from 44.6 to 43.8. With 1.5 both fall.
_MARGIN = 1.2
# Lower limit of scales, against division by zero for constant channels and kernels of zeros.
_MIN_SCALE = 1e-6


class Int8Convolution(nn.Module):
    """Padded convolution that rounds its input and its kernel to 8 bits.

    Kernels have one scale for each output channel (symmetric), inputs one for all channels:
    unsigned where no input is negative, else symmetric. Before rounding, each input channel is
    divided by a factor that its weights are multiplied by, the square root of the ratio of both
    ranges (Xiao et al. 2023, SmoothQuant, arXiv:2211.10438, with an exponent of 0.5). Without it,
    channels of small range would keep few of the 256 steps.

    Attributes:
        is_quantized: Whether to round; set by :meth:`quantize`.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        """Rewrite a convolution in operations of other runtimes.

        Args:
            convolution: Left unchanged; its border is padded by reflection, if at all.
        """
        super().__init__()
        weight, bias = convolution.weight.detach(), convolution.bias
        self.stride, self.mode = convolution.stride[0], "reflect"
        self.margin = convolution.kernel_size[0] // 2
        self.side = 1
        self.is_transposed = self.is_quantized = False
        if isinstance(convolution, UpsampleConvolution):
            weight, self.is_transposed = _transposed_kernel(weight), True
            # Reflecting the doubled features by one pixel repeats their first value once more.
            self.stride, self.mode, self.margin = 2, "replicate", 1
        elif isinstance(convolution, OutputConvolution):
            self.side = 2
            weight = _channels_first(space_to_depth_kernels(weight), 4)
            bias = None if bias is None else bias.repeat_interleave(4)
        elif isinstance(convolution, ResizeConvolution):
            weight, bias = convolution.folded_kernels()
            self.margin = 1
        self.inputs, self.outputs = (0, 1) if self.is_transposed else (1, 0)
        self.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone(), False)
        # Smallest and largest value of each input channel so far.
        self._lowest, self._highest = torch.zeros(2, convolution.in_channels)

    def forward(self, features: Tensor) -> Tensor:
        """Convolve, in int8 arithmetic once the layer is quantized.

        Args:
            features: Shape (N, C, H, W), H and W greater than half the kernel size.

        Returns:
            As the convolution that the layer was made from.
        """
        weight: Tensor = self.weight
        if self.is_quantized:
            features = torch.fake_quantize_per_tensor_affine(
                features * (1 / self.factors).view(1, -1, 1, 1), self.scale, 0, *self.levels
            )
            weight = torch.fake_quantize_per_channel_affine(
                weight, self.weight_scales, self.zeros, self.outputs, -_INT8_MAX, _INT8_MAX
            )
        if self.margin:
            features = F.pad(features, (self.margin,) * 4, mode=self.mode)
        if self.is_transposed:
            return F.conv_transpose2d(features, weight, self.bias, stride=2, padding=3)
        if self.side == 1:
            return F.conv2d(features, weight, self.bias, self.stride)
        cells = F.conv2d(F.pixel_unshuffle(features, self.side), weight, self.bias)
        return F.pixel_shuffle(cells, self.side)

    def observe(self, features: Tensor) -> None:
        """Widen the ranges of the input channels to an input, shape (N, C, H, W)."""
        self._lowest = self._lowest.minimum(features.amin((0, 2, 3)))
        self._highest = self._highest.maximum(features.amax((0, 2, 3)))

    def quantize(self) -> None:
        """Choose all scales by the observed ranges, and round from now on."""
        others = [dim for dim in range(4) if dim != self.inputs]
        ranges = _MARGIN * torch.maximum(-self._lowest, self._highest).clamp_min(_MIN_SCALE)  # (C,)
        weight_ranges = self.weight.abs().amax(others).clamp_min(_MIN_SCALE)  # (C,)
        self.factors = (ranges / weight_ranges).sqrt()
        largest = float((ranges / self.factors).max())
        if self._lowest.min() >= 0:
            self.levels, self.scale = (0, _UINT8_MAX), largest / _UINT8_MAX
        else:
            self.levels, self.scale = (-_INT8_MAX - 1, _INT8_MAX), largest / _INT8_MAX
        shape = [-1 if dim == self.inputs else 1 for dim in range(4)]
        self.weight.mul_(self.factors.view(shape))
        others = [dim for dim in range(4) if dim != self.outputs]
        self.weight_scales = self.weight.abs().amax(others).clamp_min(_MIN_SCALE) / _INT8_MAX
        self.zeros = torch.zeros_like(self.weight_scales, dtype=torch.int32)
        self.is_quantized = True


class _InstanceNorm(nn.Module):
    """Instance normalization as one operation, whose statistics other runtimes sum in float32."""

    def __init__(self, norm: nn.InstanceNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, features: Tensor) -> Tensor:
        return F.instance_norm(features, weight=self.weight, bias=self.bias, eps=self.eps)


@torch.no_grad()
def quantize(network: StyleNetwork, photos: Sequence[Tensor]) -> StyleNetwork:
    """Copy a network, and let the copy simulate int8 arithmetic in its convolutions.

    The last convolution, whose rounding would be seen directly in the image, stays in float, and so
    do all normalizations.

    Args:
        network: Left unchanged, on the CPU.
        photos: Photos on which the ranges are measured, RGB in [0, 1], shape (1, 3, H, W).

    Returns:
        The copy, for tracing.
    """

    def replace(module: nn.Module) -> nn.Module | None:
        if isinstance(module, nn.Conv2d):
            return Int8Convolution(module)
        return _InstanceNorm(module) if isinstance(module, nn.InstanceNorm2d) else None

    quantized = replace_layers(network, replace)
    convolutions = [m for m in quantized.modules() if isinstance(m, Int8Convolution)][:-1]
    hooks = [
        convolution.register_forward_pre_hook(lambda layer, inputs: layer.observe(*inputs))
        for convolution in convolutions
    ]
    for photo in photos:
        quantized(photo)
    for hook, convolution in zip(hooks, convolutions, strict=True):
        hook.remove()
        convolution.quantize()
    return quantized


def _transposed_kernel(weight: Tensor) -> Tensor:
    """Rewrite a 3x3 kernel for upsampled features as a transposed convolution of stride 2.

    Nearest-neighbor upsampling is itself a transposed convolution, with a 2x2 kernel of ones.

    Args:
        weight: Shape (O, I, 3, 3).

    Returns:
        Shape (I, O, 4, 4).
    """
    flipped = F.pad(weight.flip(2, 3).flatten(0, 1).unsqueeze(1), (1, 1, 1, 1))
    kernel = F.conv2d(flipped, weight.new_ones(1, 1, 2, 2))  # (O I, 1, 4, 4)
    return kernel.view(*weight.shape[:2], 4, 4).transpose(0, 1).contiguous()


def _channels_first(kernels: Tensor, squares: int) -> Tensor:
    """Reorder the channels of kernels from those of ``space_to_depth`` to ``pixel_unshuffle``.

    Args:
        kernels: Shape (squares O, squares I, K, K).
        squares: Pixels of each square.
    """
    kernels = kernels.unflatten(0, (squares, -1)).transpose(0, 1).flatten(0, 1)
    return kernels.unflatten(1, (squares, -1)).transpose(1, 2).flatten(1, 2)
