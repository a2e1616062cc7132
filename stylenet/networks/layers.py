"""The blocks that networks are made of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylenet.errors import check_choice

NORMS = ("instance", "batch")


def make_norm(kind: str, channels: int) -> nn.Module:
    """Makes a normalisation layer with learned scale and shift.

    Instance normalisation (Ulyanov, Vedaldi, Lempitsky 2016, arXiv:1607.08022) takes its
    statistics from the one image at hand, in training and afterwards, and so keeps none; batch
    normalisation is there for the comparison that the paper makes.

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
    """Instance normalisation that keeps the channels-last order in memory on a CPU.

    PyTorch's own brings features into the default order and so makes two copies of them. Batch
    normalisation of a single image is the same formula and does not: forward 3 to 4 times as fast,
    forward and backward 5 times (bfloat16, one core, 32 x 512 x 512 and 128 x 128 x 128). Group
    normalisation with a group for each channel is as fast forward, but its backward is not.
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
        if features.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(features)
        images = [
            F.batch_norm(image, None, None, self.weight, self.bias, training=True, eps=self.eps)
            for image in features.split(1)
        ]
        return images[0] if len(images) == 1 else torch.cat(images)


class ConvNorm(nn.Sequential):
    """Convolution with reflection padding, normalisation, and ReLU unless told otherwise.

    Reflection instead of zeros keeps frames and dark bands off the border of the picture.
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
        layers: list[nn.Module] = [
            # The normalisation that follows takes any bias away again.
            nn.Conv2d(
                inputs,
                outputs,
                kernel,
                stride,
                padding=kernel // 2,
                padding_mode="reflect",
                bias=False,
            ),
            make_norm(norm, outputs),
        ]
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


class UpsampleConvolution(nn.Conv2d):
    """Nearest-neighbour doubling and a 3x3 convolution with reflection padding, in one.

    A transposed convolution covers its output unevenly and paints checkerboards (Odena, Dumoulin,
    Olah 2016, distill.pub/2016/deconv-checkerboard); this does not. In the doubled features every
    value stands four times, so each output pixel sees only 2x2 different ones: four kernels of 2x2,
    one for each place in a square of 2x2 pixels, whose weights are sums of the 3x3 kernel's, give
    the same in 4/9 of the multiplications and without the doubled features. Measured on one core in
    bfloat16: half the time, forward and backward.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        """Builds the layer.

        Args:
            inputs: Channels in.
            outputs: Channels out.
        """
        super().__init__(inputs, outputs, 3, padding=1, padding_mode="reflect", bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Doubles height and width.

        Args:
            features: Shape (N, C, H, W).

        Returns:
            Shape (N, outputs, 2H, 2W).
        """
        if torch.compiler.is_compiling():  # exported: two operations that every runtime has
            return super().forward(F.interpolate(features, scale_factor=2.0, mode="nearest"))
        height, width = features.shape[-2:]
        # (O, I, 3, 3) -> (O, I, a, rows, b, columns) -> (4 O, I, 2, 2)
        kernels = _pair_sums(_pair_sums(self.weight, 2), 4)
        kernels = kernels.permute(2, 4, 0, 1, 3, 5).flatten(0, 2)
        # Reflecting the doubled features by one pixel repeats their first value once more.
        padded = F.pad(features, (1, 1, 1, 1), mode="replicate")
        found = F.conv2d(padded, kernels.contiguous(memory_format=torch.channels_last))
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


def _pair_sums(kernel: Tensor, dim: int) -> Tensor:
    """Splits a dimension of three taps into (2, 2): what they come to on doubled values.

    The first of two equal values sees the one before it by the first tap and itself by the other
    two; the second sees itself by two and the next by the last.
    """
    first, middle, last = kernel.unbind(dim)
    pairs = [torch.stack([first, middle + last], dim), torch.stack([first + middle, last], dim)]
    return torch.stack(pairs, dim)


class PixelConvolution(nn.Conv2d):
    """A large kernel from many channels to the three of a picture, with reflection padding.

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
        if features.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(features)
        margin = self.kernel_size[0] // 2
        padded = F.pad(features, (margin,) * 4, mode="reflect")
        shifted = [
            F.pad(self.weight, (b, 1 - b, a, 1 - a)) for a in (0, 1) for b in (0, 1)
        ]  # for pixel (2 i + a, 2 j + b)
        # (a b, O, I, rows, 2, columns, 2) -> (a b O, 2 2 I, rows, columns)
        kernels = torch.stack(shifted).unflatten(4, (-1, 2)).unflatten(3, (-1, 2))
        kernels = kernels.permute(0, 1, 4, 6, 2, 3, 5).flatten(2, 4).flatten(0, 1)
        found = F.conv2d(
            to_squares(padded, 2),
            kernels.contiguous(memory_format=torch.channels_last),
            None if self.bias is None else self.bias.repeat(4),
        )
        return from_squares(found, 2)


class UpsampleConv(nn.Module):
    """Doubles the size and convolves, then normalises."""

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
    if torch.compiler.is_compiling():
        return _pad_by_index(images, multiple, minimum)
    down = max(minimum, -(-height // multiple) * multiple) - height
    right = max(minimum, -(-width // multiple) * multiple) - width
    if down == 0 and right == 0:
        return images
    mode = "reflect" if down < height and right < width else "replicate"
    return F.pad(images, (0, right, 0, down), mode=mode)


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
