"""Frozen encoder inside a network (AdaIN), and the decoder that mirrors it."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylenet.errors import check_choice, check_number
from stylenet.networks.convolutions import (
    OutputConvolution,
    ReflectedConvolution,
    UpsampleConvolution,
)
from stylenet.vgg import IMAGENET_MEAN, IMAGENET_STD, LITE_CONVOLUTIONS, VGG_CONVOLUTIONS

# A decoder starts no deeper than relu4_1, the layer of Huang & Belongie 2017.
_DEEPEST = "conv4_1"


def _to_deepest(convolutions: Mapping[str, int]) -> dict[str, int]:
    """Return the convolutions up to the deepest one, with their channels."""
    names = list(convolutions)
    return {name: convolutions[name] for name in names[: names.index(_DEEPEST) + 1]}


# Channels of the convolutions of each encoder; a block begins with 2x2 pooling, except the first.
ENCODERS = {
    name: _to_deepest(convolutions)
    for name, convolutions in {
        "lite": LITE_CONVOLUTIONS,
        "vgg19": VGG_CONVOLUTIONS["vgg19"],
        "vgg16": VGG_CONVOLUTIONS["vgg16"],
    }.items()
}

# Those whose weights come with StyleNet's files; the others' are downloaded once, 80 MB and more.
EMBEDDED = ("lite",)

# Side in pixels of the noise image on which the scale of features is measured.
_NOISE = 64
_TINY = 1e-12


class EncoderPart(nn.Module):
    """Frozen encoder up to one layer.

    It pads by reflection, as the rest of a network does. The encoder of the perceptual loss, which
    has the same weights, pads with zeros as it was trained.

    Attributes:
        convolutions: Convolutions by name, ``conv1_1`` and so on.
        layer: Name of the last layer.
        stride: Pixels per cell of the features, along each side.
        channels: Channels of the features.
        width: Channels at full resolution.
        reach: Receptive field of a cell: the number of cells on each side of it, at most.
        scale: Factor that the features are multiplied by. Features of one VGG can be hundreds of
            times larger than those of another, and a decoder trains best on features near 1.
    """

    _mean: Tensor
    _std: Tensor
    scale: Tensor

    def __init__(self, encoder: str, layer: str) -> None:
        """Build the encoder with random weights; :meth:`load_weights` loads trained ones.

        Args:
            encoder: One of :data:`ENCODERS`.
            layer: The last layer, such as ``relu4_1``.

        Raises:
            StyleNetError: The encoder or the layer is unknown.
        """
        super().__init__()
        names = _convolutions(encoder, layer)
        self.convolutions = nn.ModuleDict()
        inputs = 3
        for name in names:
            outputs = ENCODERS[encoder][name]
            self.convolutions[name] = _convolution(inputs, outputs)
            inputs = outputs
        self.layer, self.channels, self.stride = layer, inputs, _step(names[-1])
        self.width = ENCODERS[encoder][names[0]]
        self.reach = -(-sum(map(_step, names)) // self.stride)
        self.register_buffer(
            "_mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False
        )
        self.register_buffer("_std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.ones(()))
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Compute features.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), H and W multiples of ``stride`` and at least
                twice the stride.

        Returns:
            Shape (N, channels, H / stride, W / stride).
        """
        x = (images - self._mean) / self._std
        for name in self.convolutions:
            x = self._convolve(name, x)
        return x * self.scale

    def features(self, images: Tensor) -> list[Tensor]:
        """Compute the features of each convolution, without ``scale``.

        Args:
            images: See :meth:`forward`.

        Returns:
            Each of shape (N, C, H / s, W / s), with the channels and the stride s of the
            convolution.
        """
        x = (images - self._mean) / self._std
        features = []
        for name in self.convolutions:
            x = self._convolve(name, x)
            features.append(x)
        return features

    def _convolve(self, name: str, x: Tensor) -> Tensor:
        """Apply a convolution, after pooling where a block begins."""
        if name.endswith("_1") and _step(name) > 1:
            x = F.max_pool2d(x, 2, stride=2)  # Core ML needs the stride
        return F.relu(self.convolutions[name](x))

    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Load an encoder's weights and set ``scale`` so that features of noise have size 1.

        Noise stands in for images: the features of photos and paintings are 0.7 to 1.1 times as
        large (root mean square; measured at the lite encoder's relu4_1 and VGG-19's relu3_1).

        Args:
            weights: ``conv1_1.weight``, ``conv1_1.bias`` and so on, for every convolution.
        """
        self.convolutions.load_state_dict(weights)
        generator = torch.Generator().manual_seed(0)
        noise = torch.rand(1, 3, _NOISE, _NOISE, generator=generator).to(self._mean)
        with torch.no_grad():
            self.scale.fill_(1)
            self.scale.copy_(self(noise).square().mean().clamp_min(_TINY).rsqrt())


class _Decoder(nn.Sequential):
    """Decoder from features to pixels; ``reach`` is its receptive field in cells."""

    reach: int


def make_decoder(encoder: str, layer: str, width: int) -> _Decoder:
    """Build the decoder that mirrors an encoder (Huang & Belongie 2017, section 6).

    It has the same convolutions in reverse order, nearest-neighbor upsampling instead of pooling,
    and reflection padding. It has no normalization, which would undo AdaIN.

    Args:
        encoder: One of :data:`ENCODERS`.
        layer: The layer whose features it decodes.
        width: Channels at full resolution, doubled at each halving of the resolution. 64 mirrors a
            VGG.

    Returns:
        A module from (N, C, H, W) to (N, 3, stride H, stride W), unbounded values.

    Raises:
        StyleNetError: The width is not a whole number of at least 1.
    """
    check_number("network.width", width, minimum=1, integer=True)
    names = _convolutions(encoder, layer)
    channels = ENCODERS[encoder][names[-1]]
    modules: list[nn.Module] = []
    before = stride = _step(names[-1])
    pixels = 1  # receptive field on each side, beginning with the output convolution
    for name, following in zip(names[:0:-1], names[-2::-1], strict=True):
        outputs, step = width * _step(following), _step(name)
        modules += [_convolution(channels, outputs, doubles=step < before), nn.ReLU(inplace=True)]
        channels, before, pixels = outputs, step, pixels + step
    decoder = _Decoder(*modules, OutputConvolution(channels, 3))
    for module in modules:
        if isinstance(module, nn.Conv2d):
            # He et al. 2015. Without normalization, PyTorch's default initialization shrinks the
            # output to 0.006 of this size (lite, relu3_4): an image of a single color.
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    decoder.reach = -(-pixels // stride)
    return decoder


def _convolution(inputs: int, outputs: int, doubles: bool = False) -> nn.Module:
    if doubles:
        return UpsampleConvolution(inputs, outputs, bias=True)
    return ReflectedConvolution(inputs, outputs, 3)


def _convolutions(encoder: str, layer: str) -> list[str]:
    """List the names of the convolutions up to the given layer."""
    check_choice("network.encoder", encoder, ENCODERS)
    names = list(ENCODERS[encoder])
    layers = {name.replace("conv", "relu"): index for index, name in enumerate(names)}
    # Not relu1_*: AdaIN at full resolution changes little more than the colors of single pixels.
    check_choice("network.layer", layer, [n for n in layers if not n.startswith("relu1")])
    return names[: layers[layer] + 1]


def _step(name: str) -> int:
    """Pixels per position of a convolution's input; pooling doubles it from block to block."""
    return 2 ** (int(name[4]) - 1)
