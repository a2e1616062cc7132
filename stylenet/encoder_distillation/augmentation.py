"""Augmentation of photos towards the images that encoders get while a style is trained."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# Chosen by eye: at the far end of each range a photo is barely recognizable. The first outputs of a
# style network are flat or noisy, later ones have strong colors and hatching.
_CONTRAST = (0.3, 2.5)
_MIXING = 0.6  # standard deviation of the random 3x3 matrix that is added to the identity
_NOISE = 0.25  # largest standard deviation of the noise, for values in [0, 1]
_HATCHING = 0.35  # largest amplitude of the hatching, for values in [0, 1]
_PERIODS = (2.5, 24.0)  # periods of the hatching in pixels; waves need at least two
_LEVELS = (3, 9)  # levels per channel of a posterized image


def disfigure(photos: Tensor) -> Tensor:
    """Make each photo look unlike a photo, by changes that are sampled for each.

    Colors are mixed and their contrast is changed. Half of the images are posterized into flat
    areas, half are hatched and half are covered with noise, independently.

    Args:
        photos: RGB in [0, 1], shape (N, 3, H, W).

    Returns:
        Images of the same shape and range. PyTorch's global random state is used.
    """
    images = _recolor(photos)
    for change in (_posterize, _hatch, _add_noise):
        images = torch.where(_sample(photos) < 0.5, change(images), images)
    return images.clamp(0, 1)


def _sample(photos: Tensor, low: float = 0.0, high: float = 1.0, channels: int = 1) -> Tensor:
    """Sample uniform numbers, shape (N, channels, 1, 1)."""
    # On the CPU, because every resume checkpoint holds its random state.
    return (low + (high - low) * torch.rand(len(photos), channels, 1, 1)).to(photos.device)


def _recolor(photos: Tensor) -> Tensor:
    """Mix the channels and change contrast and brightness."""
    mixing = torch.eye(3) + _MIXING * torch.randn(len(photos), 3, 3)
    mean = photos.mean(dim=(2, 3), keepdim=True)
    centered = torch.einsum("nij,njhw->nihw", mixing.to(photos.device), photos - mean)
    return _sample(photos, channels=3) + _sample(photos, *_CONTRAST) * centered


def _posterize(images: Tensor) -> Tensor:
    """Round colors to a few levels: flat areas with hard edges."""
    levels = _sample(images, *_LEVELS).floor() - 1
    return (images * levels).round() / levels


def _hatch(images: Tensor) -> Tensor:
    """Add waves of one color, direction and period where coarse noise is high."""
    height, width = images.shape[-2:]
    angle = _sample(images, high=math.pi)
    period = _PERIODS[0] * (_PERIODS[1] / _PERIODS[0]) ** _sample(images)
    y = torch.arange(height, device=images.device).view(1, 1, -1, 1)
    x = torch.arange(width, device=images.device).view(1, 1, 1, -1)
    bend = 2 * _cloud(images, 32)  # phase in radians, so that strokes are not straight
    wave = torch.sin(2 * math.pi * (x * angle.cos() + y * angle.sin()) / period + bend)
    color = _sample(images, -_HATCHING, _HATCHING, channels=3)
    return images + color * wave * (_cloud(images, 24) + 0.5).clamp(0, 1)


def _add_noise(images: Tensor) -> Tensor:
    """Add gray or colored noise with a grain of one to eight pixels."""
    grain = int(2 ** torch.randint(4, ()))
    gray = _cloud(images, grain).expand_as(images)
    colored = torch.cat([_cloud(images, grain) for _ in range(3)], dim=1)
    noise = torch.where(_sample(images) < 0.5, gray, colored)
    return images + _sample(images, high=_NOISE) * noise


def _cloud(images: Tensor, grain: int) -> Tensor:
    """Sample smooth noise with a standard deviation of about 1, shape (N, 1, H, W)."""
    count, _, height, width = images.shape
    coarse = torch.randn(count, 1, math.ceil(height / grain) + 1, math.ceil(width / grain) + 1)
    return F.interpolate(coarse.to(images.device), (height, width), mode="bilinear")
