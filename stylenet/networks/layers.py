"""The blocks that networks are made of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylenet.errors import check_choice
from stylenet.networks.convolutions import (
    ReflectedConvolution,
    StemConvolution,
    UpsampleConvolution,
)
from stylenet.networks.normalization import normalize, normalize_batch

NORMS = ("instance", "batch")


def make_norm(kind: str, channels: int) -> nn.Module:
    """Makes a normalization layer with learned scale and shift.

    Instance normalization (Ulyanov, Vedaldi, Lempitsky 2016, arXiv:1607.08022) takes its
    statistics from the one image at hand, in training and afterwards, and so keeps none; batch
    normalization is there for the comparison that the paper makes.

    Args:
        kind: ``instance`` or ``batch``.
        channels: Channels of the features.

    Returns:
        The layer.

    Raises:
        StyleNetError: The kind is unknown.
    """
    check_choice("network.norm", kind, NORMS)
    return InstanceNorm(channels) if kind == "instance" else nn.BatchNorm2d(channels)


class InstanceNorm(nn.InstanceNorm2d):
    """Instance normalization that keeps the channels-last order in memory on a CPU.

    PyTorch's own brings features into the default order and so makes two copies of them. Batch
    normalization of a single image is the same formula and does not: forward 3 to 4 times as fast,
    forward and backward 5 times (bfloat16, one core, 32 x 512 x 512 and 128 x 128 x 128). Group
    normalization with a group for each channel is as fast forward, but its backward is not.
    """

    def __init__(self, channels: int) -> None:
        """Builds the layer, with learned scale and shift.

        Args:
            channels: Channels of the features.
        """
        super().__init__(channels, affine=True, track_running_stats=False)

    def forward(self, features: Tensor) -> Tensor:
        """Brings each channel of each image to mean 0 and variance 1, then scales and shifts it.

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
    """Convolution with reflection padding, normalization, and ReLU unless told otherwise.

    Reflection instead of zeros keeps frames and dark bands off the border of the image.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        norm: str = "instance",
        relu: bool = True,
    ) -> None:
        """Builds the block.

        Args:
            inputs: Channels in.
            outputs: Channels out.
            kernel: Side of the kernel, odd.
            stride: Step of the convolution.
            norm: See :func:`make_norm`.
            relu: Whether a ReLU follows.
        """
        # The normalization that follows takes any bias away again.
        convolution = (
            StemConvolution(inputs, outputs, kernel, bias=False)
            if inputs == 3 and stride == 1
            else ReflectedConvolution(inputs, outputs, kernel, stride, bias=False)
        )
        layers: list[nn.Module] = [convolution, make_norm(norm, outputs)]
        if relu:
            layers.append(nn.ReLU(inplace=True))  # nothing else looks at the norm's output
        super().__init__(*layers)


class ResidualBlock(nn.Module):
    """Two convolutions beside an identity path, with no ReLU after the sum (Gross & Wilber 2016).

    This is the residual block of Johnson et al. 2016, supplementary material, with padded instead
    of cropping convolutions.
    """

    def __init__(self, channels: int, norm: str = "instance") -> None:
        """Builds the block.

        Args:
            channels: Channels in and out.
            norm: See :func:`make_norm`.
        """
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(channels, channels, 3, norm=norm),
            ConvNorm(channels, channels, 3, norm=norm, relu=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Adds the block's correction to its input.

        Args:
            features: Shape (N, C, H, W), H and W at least 2.

        Returns:
            The same shape.
        """
        return features + self.body(features)


class UpsampleConv(nn.Module):
    """Doubles the size and convolves, then normalizes."""

    def __init__(self, inputs: int, outputs: int, norm: str = "instance") -> None:
        """Builds the block.

        Args:
            inputs: Channels in.
            outputs: Channels out.
            norm: See :func:`make_norm`.
        """
        super().__init__()
        self.conv = nn.Sequential(
            UpsampleConvolution(inputs, outputs), make_norm(norm, outputs), nn.ReLU(inplace=True)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Doubles height and width.

        Args:
            features: Shape (N, C, H, W).

        Returns:
            Shape (N, outputs, 2H, 2W).
        """
        return self.conv(features)


def pad_to_multiple(images: Tensor, multiple: int, minimum: int) -> Tensor:
    """Pads the right and the lower edge until both sides fit a network's strides.

    Reflects where the image is large enough to, and repeats the last row or column where not (a
    reflection cannot be longer than the image).

    Args:
        images: Shape (N, C, H, W), H and W at least 1.
        multiple: What both sides have to be divisible by.
        minimum: The smallest side, itself such a multiple.

    Returns:
        Shape (N, C, H', W') with the image in the upper left corner.
    """
    height, width = images.shape[-2:]
    if _is_exporting():
        return _pad_by_index(images, multiple, minimum)
    down = max(minimum, -(-height // multiple) * multiple) - height
    right = max(minimum, -(-width // multiple) * multiple) - width
    if down == 0 and right == 0:
        return images
    mode = "reflect" if down < height and right < width else "replicate"
    return F.pad(images, (0, right, 0, down), mode=mode)


def _is_exporting() -> bool:
    """Tell an export, for all sizes, from compiling for the size at hand."""
    # New in PyTorch 2.7.
    ask = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return bool(ask())


def _pad_by_index(images: Tensor, multiple: int, minimum: int) -> Tensor:
    """The same as a choice of rows and columns: no branch on the size, so one graph for all."""
    sides = list(images.shape[-2:])
    # Sums before the division: runtimes round negative quotients to zero, Python does not.
    padded = [torch.sym_max(minimum, (n + multiple - 1) // multiple * multiple) for n in sides]
    reflects = torch.scalar_tensor(True, dtype=torch.bool)
    for side, whole in zip(sides, padded, strict=True):
        reflects = reflects & (torch.scalar_tensor(whole - side) < torch.scalar_tensor(side))
    for dim, side, whole in zip((-2, -1), sides, padded, strict=True):
        place = torch.arange(whole)
        beyond = torch.where(
            reflects, 2 * (side - 1) - place, torch.full_like(place, 1) * (side - 1)
        )
        images = images.index_select(
            dim, torch.where(place < side, place, beyond).to(images.device)
        )
    return images
