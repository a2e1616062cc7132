"""A discriminator that judges patches of an image: painted by the painter, or stylized?"""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as with_spectral_norm

from stylenet.perceptual.losses import wide

# Isola et al. 2017, section 6.1: all convolutions 4x4, LeakyReLU with slope 0.2, weights drawn
# from N(0, 0.02); at most eight times the first layer's channels.
_KERNEL = 4
_SLOPE = 0.2
_SPREAD = 0.02
_WIDEST = 8


class PatchDiscriminator(nn.Module):
    """The PatchGAN of Isola et al. 2017 (arXiv:1611.07004): an output for each patch of an image.

    It differs in two points. There is no padding, so that every output judges a patch that lies
    wholly in the image, and none can be told by the zeros at the border. There is no batch or
    instance normalization: it would take palette and contrast, which belong to a style, from the
    discriminator's sight, and would let each output depend on more than its patch. What keeps it
    in bounds is spectral normalization (Miyato et al. 2018, arXiv:1802.05957), whose power
    iteration takes a step at each pass in training mode.

    Attributes:
        patch_size: Side of the square that each output sees, in pixels.
        stride: Pixels from each output's patch to the next.
    """

    def __init__(self, width: int = 64, layers: int = 2, spectral_norm: bool = True) -> None:
        """Draws fresh weights.

        Args:
            width: Channels of the first layer; each further one has twice as many, up to eight
                times.
            layers: Layers that halve the image: with 1, 2, 3 patches have 16, 34, 70 pixels.
            spectral_norm: Whether to divide each layer's weight matrix by its largest singular
                value.
        """
        super().__init__()
        channels = [3, *(width * min(2**i, _WIDEST) for i in range(layers + 1)), 1]
        strides = [*(2 for _ in range(layers)), 1, 1]
        parts: list[nn.Module] = []
        for place, stride in enumerate(strides):
            convolution = _Convolution(channels[place], channels[place + 1], _KERNEL, stride)
            nn.init.normal_(convolution.weight, 0.0, _SPREAD)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            parts.append(with_spectral_norm(convolution) if spectral_norm else convolution)
            parts.append(nn.LeakyReLU(_SLOPE))
        self.layers = nn.Sequential(*parts[:-1])
        self.patch_size = patch_size(layers)
        self.stride = 2**layers

    def forward(self, images: Tensor) -> Tensor:
        """Judges every patch.

        Args:
            images: RGB in [0, 1], shape (N, 3, H, W), with H and W of at least ``patch_size``.

        Returns:
            Shape (N, 1, (H - patch_size) // stride + 1, likewise), high for paintings; float32 at
            least, also under autocast.
        """
        return wide(self.layers(images * 2 - 1))


def patch_size(layers: int) -> int:
    """Says how large the patches of a discriminator are.

    Args:
        layers: See :class:`PatchDiscriminator`.

    Returns:
        The side of the square that each output sees, in pixels.
    """
    size = 1
    for stride in (1, 1, *(2 for _ in range(layers))):
        size = (size - 1) * stride + _KERNEL
    return size


class _Convolution(nn.Conv2d):
    """A convolution whose weight is made in its own type, also under autocast.

    The power iteration would leave in bfloat16 what it is to remember in float32.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Convolves, (N, C, H, W)."""
        with torch.autocast(images.device.type, enabled=False):
            weight = self.weight
        return self._conv_forward(images, weight, self.bias)
