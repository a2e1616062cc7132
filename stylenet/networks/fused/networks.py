"""Johnson's and the compact network with fused instance normalization."""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylenet.networks.compact import CompactNetwork
from stylenet.networks.convolutions import phase_kernels, space_to_depth_kernels
from stylenet.networks.fused.kernels import (
    CLAMP,
    DOUBLED,
    NO_ACTIVATION,
    PHASES,
    PLAIN,
    RELU,
    SIGMOID,
    SQUARES,
    Layout,
    instance_statistics,
    transform,
)
from stylenet.networks.johnson import JohnsonNetwork
from stylenet.networks.layers import ConvNorm, InstanceNorm, ResidualBlock
from stylenet.networks.padding import pad_channels
from stylenet.networks.resize import ResizeConvolution

# cuDNN's tensor core kernels compute 16 output channels at a time, so the head's 12 (3 for each
# pixel of a 2x2 square) are padded with zeros.
_HEAD_CHANNELS = 16


class _Convolution(nn.Module):
    """Convolution of padded features, without padding of its own."""

    weight: Tensor

    def __init__(
        self, weight: Tensor, dtype: torch.dtype, bias: Tensor | None = None, stride: int = 1
    ) -> None:
        super().__init__()
        weight = weight.detach().to(dtype, memory_format=torch.channels_last, copy=True)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", None if bias is None else bias.detach().to(dtype, copy=True))
        self.stride = stride

    def forward(self, features: Tensor) -> Tensor:
        output = F.conv2d(features, self.weight, cast("Tensor | None", self.bias), self.stride)
        return output.contiguous(memory_format=torch.channels_last)


class _Norm(nn.Module):
    """Instance normalization fused with the next operations, see :func:`kernels.transform`."""

    weight: Tensor
    bias: Tensor

    def __init__(self, norm: InstanceNorm) -> None:
        super().__init__()
        self.register_buffer("weight", norm.weight.detach().float())
        self.register_buffer("bias", norm.bias.detach().float())
        self.eps = norm.eps

    def forward(
        self,
        features: Tensor,
        size: tuple[int, int],
        layout: Layout = PLAIN,
        out_layout: Layout = PLAIN,
        margin: int = 1,
        padding: str = "reflect",
        activation: int = RELU,
        residual: Tensor | None = None,
    ) -> Tensor:
        scale, shift = instance_statistics(features, self.weight, self.bias, self.eps, layout)
        return transform(
            features,
            scale,
            shift,
            size,
            layout=layout,
            out_layout=out_layout,
            margin=margin,
            padding=padding,
            activation=activation,
            residual=residual,
        )


class _Block(nn.Module):
    """Residual block whose input and output are padded by one pixel."""

    def __init__(self, block: ResidualBlock, dtype: torch.dtype) -> None:
        super().__init__()
        first, second = cast(ConvNorm, block.body[0]), cast(ConvNorm, block.body[1])
        self.first, self.second = (_Convolution(_weight(part), dtype) for part in (first, second))
        self.first_norm, self.second_norm = (_norm(part) for part in (first, second))

    def forward(self, padded: Tensor, padding: str = "reflect") -> Tensor:
        size = (padded.shape[-2] - 2, padded.shape[-1] - 2)
        inner = self.first_norm(self.first(padded), size)
        return self.second_norm(
            self.second(inner),
            size,
            activation=NO_ACTIVATION,
            padding=padding,
            residual=padded[..., 1:-1, 1:-1],
        )


class FusedJohnson(nn.Module):
    """:class:`stylenet.networks.JohnsonNetwork`, fused.

    Attributes:
        channels_per_pixel: Values per image pixel in the largest feature map.
    """

    def __init__(self, network: JohnsonNetwork, dtype: torch.dtype) -> None:
        """Copy and rearrange the weights.

        Args:
            network: Network with instance normalization.
            dtype: Data type of convolutions and feature maps.
        """
        super().__init__()
        self.source, self.dtype = [network], dtype  # a list, so that it is not a submodule
        self.channels_per_pixel = network.channels // 4
        stem, *down = (cast(ConvNorm, part) for part in network.down)
        up = [cast(nn.Sequential, part.conv) for part in network.up]
        head = network.head.weight
        self.margin = head.shape[-1] // 2
        self.stem = _Convolution(pad_channels(space_to_depth_kernels(_weight(stem))), dtype)
        self.stem_norm = _norm(stem)
        self.down = nn.ModuleList(_Convolution(_weight(part), dtype, stride=2) for part in down)
        self.down_norms = nn.ModuleList(_norm(part) for part in down)
        self.blocks = nn.ModuleList(_Block(cast(ResidualBlock, b), dtype) for b in network.residual)
        self.up = nn.ModuleList(
            _Convolution(phase_kernels(cast(nn.Conv2d, part[0]).weight), dtype) for part in up
        )
        self.up_norms = nn.ModuleList(_Norm(cast(InstanceNorm, part[1])) for part in up)
        kernels = space_to_depth_kernels(head)  # (12, 4 width, 5, 5)
        self.head = _Convolution(F.pad(kernels, (0,) * 7 + (_HEAD_CHANNELS - len(kernels),)), dtype)
        # sigmoid(2 x) is Johnson's tanh scaled to [0, 1].
        factor = 2.0 if network.output == "tanh" else 1.0
        assert network.head.bias is not None
        self.activation = SIGMOID if network.output == "tanh" else CLAMP
        self.register_buffer("out_scale", torch.full((1, 3), factor, device=head.device))
        self.register_buffer("out_shift", factor * network.head.bias.detach()[None].float())
        self.register_buffer("in_scale", torch.full((1, 3), 2.0, device=head.device))
        self.register_buffer("in_shift", torch.full((1, 3), -1.0, device=head.device))

    def forward(self, images: Tensor) -> Tensor:
        """Stylize images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), H and W at least 1.

        Returns:
            RGB in [0, 1], the same shape, float32.
        """
        network = self.source[0]
        height, width = images.shape[-2:]
        images = network.pad(images)  # (N, 3, H', W'), H' and W' multiples of 4
        size = (images.shape[-2], images.shape[-1])
        x = transform(
            images,
            cast(Tensor, self.in_scale),
            cast(Tensor, self.in_shift),
            size,
            out_layout=SQUARES,
            margin=self.margin,
            dtype=self.dtype,
        )  # (N, 12, H'/2 + 4, W'/2 + 4), padded
        x = self.stem_norm(self.stem(pad_channels(x)), size, SQUARES)  # (N, width, H'+2, W'+2)
        # Each normalization also pads for the next convolution: before an upsampling convolution by
        # repeating the border, else by reflection.
        for index, (convolution, norm) in enumerate(zip(self.down, self.down_norms, strict=True)):
            size = (size[0] // 2, size[1] // 2)
            last = not self.blocks and index == len(self.down) - 1
            x = norm(convolution(x), size, padding="replicate" if last else "reflect")
        for index, block in enumerate(self.blocks):
            last = index == len(self.blocks) - 1
            x = block(x, "replicate" if last else "reflect")
        for index, (convolution, norm) in enumerate(zip(self.up, self.up_norms, strict=True)):
            size = (2 * size[0], 2 * size[1])
            last = index == len(self.up) - 1
            x = norm(
                convolution(x),
                size,
                PHASES,
                SQUARES if last else PLAIN,
                self.margin if last else 1,
                "reflect" if last else "replicate",
            )
        return transform(
            self.head(x),
            cast(Tensor, self.out_scale),
            cast(Tensor, self.out_shift),
            (height, width),
            layout=SQUARES,
            activation=self.activation,
            dtype=torch.float32,
        )


class FusedCompact(nn.Module):
    """:class:`stylenet.networks.CompactNetwork`, fused.

    Attributes:
        channels_per_pixel: Values per image pixel in the largest feature map.
    """

    def __init__(self, network: CompactNetwork, dtype: torch.dtype) -> None:
        """Copy the weights.

        Args:
            network: Network with instance normalization.
            dtype: Data type of convolutions and feature maps.
        """
        super().__init__()
        self.source, self.dtype = [network], dtype  # a list, so that it is not a submodule
        self.channels_per_pixel = max(3, -(-network.channels // network.stride**2))
        self.stem, self.stem_norm = _Convolution(_weight(network.stem), dtype), _norm(network.stem)
        self.down = _Convolution(_weight(network.down), dtype, stride=2)
        self.down_norm = _norm(network.down)
        self.deep, self.fine = (
            nn.ModuleList(_Block(cast(ResidualBlock, b), dtype) for b in blocks)
            for blocks in (network.deep, network.fine)
        )
        lift, head = network.lift, network.head
        self.lift = _Convolution(lift.weight, dtype, lift.bias)
        weight, bias = head.weight, head.bias
        if isinstance(head, ResizeConvolution):
            weight, bias = head.folded_kernels()
        self.head = _Convolution(weight, dtype, bias)
        device = head.weight.device
        for name, channels in (("pixels", 3), ("cells", network.width)):
            self.register_buffer(f"{name}_scale", torch.ones(1, channels, device=device))
            self.register_buffer(f"{name}_shift", torch.zeros(1, channels, device=device))

    def forward(self, images: Tensor) -> Tensor:
        """Stylize images.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), H and W at least 1.

        Returns:
            RGB in [0, 1], the same shape, float32.
        """
        network = self.source[0]
        height, width = images.shape[-2:]
        images = network.preprocess(images)  # (N, 3, H', W'), H' and W' multiples of 8
        side = network.stride // 2
        squares = Layout(side)
        scale, shift = cast(Tensor, self.pixels_scale), cast(Tensor, self.pixels_shift)
        size = (images.shape[-2], images.shape[-1])
        x = transform(
            images,
            scale,
            shift,
            size,
            out_layout=squares,
            margin=1,
            pad_cells=True,
            dtype=self.dtype,
        )  # (N, 48, H'/4 + 2, W'/4 + 2), padded
        size = (size[0] // side, size[1] // side)
        fine = self.stem_norm(self.stem(x), size)  # (N, width, H'/4 + 2, W'/4 + 2)
        half = (size[0] // 2, size[1] // 2)
        x = self.down_norm(self.down(fine), half)  # (N, deep_width, H'/8 + 2, W'/8 + 2)
        for block in self.deep:
            x = block(x)
        x = transform(
            self.lift(x[..., 1:-1, 1:-1]),
            cast(Tensor, self.cells_scale),
            cast(Tensor, self.cells_shift),
            size,
            layout=DOUBLED,
            margin=1,
            residual=fine[..., 1:-1, 1:-1],
        )  # (N, width, H'/4 + 2, W'/4 + 2)
        for block in self.fine:
            x = block(x)
        return transform(
            self.head(x),
            scale,
            shift,
            (height, width),
            layout=squares,
            activation=SIGMOID,
            dtype=torch.float32,
        )


def _weight(part: ConvNorm) -> Tensor:
    return cast(nn.Conv2d, part[0]).weight


def _norm(part: ConvNorm) -> _Norm:
    return _Norm(cast(InstanceNorm, part[1]))
