"""Building blocks of the networks."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylenet.errors import check_choice
from stylenet.networks.convolutions import (
    ReflectedConvolution,
    StemConvolution,
    UpsampleConvolution,
)
from stylenet.networks.exporting import exports_one_size, is_exporting
from stylenet.networks.normalization import normalize, normalize_batch

NORMS = ("instance", "batch")


def make_norm(norm: str, channels: int) -> nn.Module:
    """Build a normalization layer with learned scale and shift.

    Instance normalization (Ulyanov, Vedaldi, Lempitsky 2016, arXiv:1607.08022) computes its
    statistics from each image, in training and at inference, and so stores none. Batch
    normalization is available for the comparison made in that paper.

    Args:
        norm: ``instance`` or ``batch``.
        channels: Channels of the features.

    Raises:
        StyleNetError: The normalization is unknown.
    """
    check_choice("network.norm", norm, NORMS)
    return InstanceNorm(channels) if norm == "instance" else nn.BatchNorm2d(channels)


class InstanceNorm(nn.InstanceNorm2d):
    """Instance normalization that keeps the channels-last memory format on a CPU.

    PyTorch's instance normalization converts channels-last features to the default format and
    back, two copies. Batch normalization of a single image is the same formula without the copies:
    forward 3 to 4 times faster, forward and backward 5 times (bfloat16, one core, 32 x 512 x 512
    and 128 x 128 x 128). Group normalization with one group per channel is as fast forward, but not
    backward.
    """

    def __init__(self, channels: int) -> None:
        """Build the layer, with learned scale and shift.

        Args:
            channels: Channels of the features.
        """
        super().__init__(channels, affine=True, track_running_stats=False)

    def forward(self, features: Tensor) -> Tensor:
        """Normalize each channel of each image to mean 0 and variance 1, then scale and shift it.

        Args:
            features: Shape (N, C, H, W).

        Returns:
            The same shape.
        """
        compiling = torch.compiler.is_compiling()
        if features.device.type == "cuda" and compiling:
            return normalize_batch(features, self.weight, self.bias, self.eps)
        if features.device.type not in ("cpu", "cuda") or compiling:
            return super().forward(features)
        images = [normalize(image, self.weight, self.bias, self.eps) for image in features.split(1)]
        return images[0] if len(images) == 1 else torch.cat(images)


class ConvNorm(nn.Sequential):
    """Convolution with reflection padding, normalization and an optional ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        norm: str = "instance",
        relu: bool = True,
    ) -> None:
        """Build the block.

        Args:
            inputs: Input channels.
            outputs: Output channels.
            kernel: Kernel size in pixels, odd.
            stride: Stride of the convolution.
            norm: See :func:`make_norm`.
            relu: Whether a ReLU follows the normalization.
        """
        # No bias: the normalization would cancel it.
        convolution = (
            StemConvolution(inputs, outputs, kernel, bias=False)
            if inputs == 3 and stride == 1
            else ReflectedConvolution(inputs, outputs, kernel, stride, bias=False)
        )
        layers: list[nn.Module] = [convolution, make_norm(norm, outputs)]
        if relu:
            layers.append(nn.ReLU(inplace=True))  # in place: nothing else reads the norm's output
        super().__init__(*layers)


class ResidualBlock(nn.Module):
    """Two convolutions and a skip connection, without a ReLU after the sum (Gross & Wilber 2016).

    This is the residual block of Johnson et al. 2016, supplementary material, with padded instead
    of cropped convolutions.
    """

    def __init__(self, channels: int, norm: str = "instance") -> None:
        """Build the block.

        Args:
            channels: Input and output channels.
            norm: See :func:`make_norm`.
        """
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(channels, channels, 3, norm=norm),
            ConvNorm(channels, channels, 3, norm=norm, relu=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Add the output of the two convolutions to the input.

        Args:
            features: Shape (N, C, H, W), H and W at least 2.

        Returns:
            The same shape.
        """
        return features + self.body(features)


class UpsampleConv(nn.Module):
    """Nearest-neighbor upsampling by 2, convolution, normalization and ReLU."""

    def __init__(self, inputs: int, outputs: int, norm: str = "instance") -> None:
        """Build the block.

        Args:
            inputs: Input channels.
            outputs: Output channels.
            norm: See :func:`make_norm`.
        """
        super().__init__()
        self.conv = nn.Sequential(
            UpsampleConvolution(inputs, outputs), make_norm(norm, outputs), nn.ReLU(inplace=True)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Upsample by 2, convolve and normalize.

        Args:
            features: Shape (N, C, H, W).

        Returns:
            Shape (N, outputs, 2H, 2W).
        """
        return self.conv(features)


def pad_to_multiple(images: Tensor, multiple: int, minimum: int) -> Tensor:
    """Pad the right and lower edge until height and width fit a network's strides.

    Pads by reflection if the image is large enough, else by repeating the last row and column (a
    reflection cannot be longer than the image).

    Args:
        images: Shape (N, C, H, W), H and W at least 1.
        multiple: Height and width become multiples of this.
        minimum: Smallest height and width, itself a multiple of ``multiple``.

    Returns:
        Shape (N, C, H', W'), the image in the upper left corner.
    """
    height, width = images.shape[-2:]
    if is_exporting() and not exports_one_size(images):
        return _pad_by_index(images, multiple, minimum)
    down = max(minimum, -(-height // multiple) * multiple) - height
    right = max(minimum, -(-width // multiple) * multiple) - width
    if down == 0 and right == 0:
        return images
    mode = "reflect" if down < height and right < width else "replicate"
    return F.pad(images, (0, right, 0, down), mode=mode)


def _pad_by_index(images: Tensor, multiple: int, minimum: int) -> Tensor:
    """Pad by selecting rows and columns: no branch on the size, so one graph serves all sizes."""
    sizes = list(images.shape[-2:])
    # Added before dividing: runtimes round negative quotients to zero, Python rounds down.
    padded = [torch.sym_max(minimum, (n + multiple - 1) // multiple * multiple) for n in sizes]
    reflects = torch.scalar_tensor(True, dtype=torch.bool)
    for size, padded_size in zip(sizes, padded, strict=True):
        reflects = reflects & (torch.scalar_tensor(padded_size - size) < torch.scalar_tensor(size))
    for dim, size, padded_size in zip((-2, -1), sizes, padded, strict=True):
        index = torch.arange(padded_size)
        beyond = torch.where(
            reflects, 2 * (size - 1) - index, torch.full_like(index, 1) * (size - 1)
        )
        images = images.index_select(
            dim, torch.where(index < size, index, beyond).to(images.device)
        )
    return images
