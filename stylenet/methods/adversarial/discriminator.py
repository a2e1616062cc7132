"""Discriminator that classifies patches of an image as style image or stylized photo."""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as with_spectral_norm

from stylenet.moments import wide

# Isola et al. 2017, section 6.1: all convolutions 4x4, LeakyReLU with slope 0.2, weights from
# N(0, 0.02); at most eight times the first layer's channels.
_KERNEL = 4
_SLOPE = 0.2
_SPREAD = 0.02
_WIDEST = 8


class PatchDiscriminator(nn.Module):
    """The PatchGAN of Isola et al. 2017 (arXiv:1611.07004), with an output for each patch.

    It differs from theirs in two points. There is no padding, so that each patch lies within the
    image and no output depends on zeros beyond the border. There is no batch or instance
    normalization, which would hide palette and contrast, parts of a style, and make each output
    depend on more than its patch. Spectral normalization (Miyato et al. 2018, arXiv:1802.05957)
    bounds the slope; its power iteration takes a step in each forward pass in training mode.

    Attributes:
        patch_size: Height and width of the receptive field of each output, in pixels.
        stride: Distance between neighboring patches, in pixels.
    """

    def __init__(self, width: int = 64, layers: int = 2, spectral_norm: bool = True) -> None:
        """Initialize the weights at random.

        Args:
            width: Channels of the first layer; they double with each layer, to at most eight times
                as many.
            layers: Number of layers of stride 2; 1, 2, 3 give patches of 16, 34, 70 pixels.
            spectral_norm: Whether to divide each layer's weight matrix by its largest singular
                value.
        """
        super().__init__()
        channels = [3, *(width * min(2**i, _WIDEST) for i in range(layers + 1)), 1]
        strides = [*(2 for _ in range(layers)), 1, 1]
        parts: list[nn.Module] = []
        for index, stride in enumerate(strides):
            convolution = _Convolution(channels[index], channels[index + 1], _KERNEL, stride)
            nn.init.normal_(convolution.weight, 0.0, _SPREAD)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            parts.append(with_spectral_norm(convolution) if spectral_norm else convolution)
            parts.append(nn.LeakyReLU(_SLOPE))
        self.layers = nn.Sequential(*parts[:-1])
        self.patch_size = patch_size(layers)
        self.stride = 2**layers

    def forward(self, images: Tensor) -> Tensor:
        """Classify every patch.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), with H and W of at least ``patch_size``.

        Returns:
            Shape (N, 1, (H - patch_size) // stride + 1, likewise), high for style images;
            float32 at least, also under autocast.
        """
        return wide(self.layers(images * 2 - 1))


def patch_size(layers: int) -> int:
    """Return the patch size of a discriminator.

    Args:
        layers: See :class:`PatchDiscriminator`.

    Returns:
        Height and width of the receptive field of each output, in pixels.
    """
    size = 1
    for stride in (1, 1, *(2 for _ in range(layers))):
        size = (size - 1) * stride + _KERNEL
    return size


class _Convolution(nn.Conv2d):
    """Convolution whose weight is computed in its own dtype, also under autocast.

    Spectral normalization's power iteration would otherwise keep its vectors in bfloat16.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return the convolution of (N, C, H, W)."""
        with torch.autocast(images.device.type, enabled=False):
            weight = self.weight
        return self._conv_forward(images, weight, self.bias)
