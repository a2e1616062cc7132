"""The temporal loss: photos that are moved and disturbed a little must look the same stylized.

A network that is trained on single photos may answer a shift of one pixel, or some noise, with
other strokes, which flicker in videos. Training needs no videos against that: a second view of each
photo stands for the next frame, and its motion is known exactly (Wang et al. 2020, AAAI, compound
regularization). In training on videos the same difference is taken along an estimated optical flow,
where nothing is occluded (Gupta et al. 2017, arXiv:1705.02092; Ruder et al. 2018, arXiv:1708.04538;
ReCoNet, Gao et al. 2018, arXiv:1807.01197).
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.perceptual.losses import wide
from stylenet.training.loss_weight import check_loss_weight

# Size of the second view as a fraction of the photo. This allows shifts of up to 1/16 of the photo
# in each direction: a pan that crosses the picture within half a second, at 30 frames/s.
_WINDOW = 7 / 8
# More than a hand-held camera turns or approaches from frame to frame: 45 degrees or 80 % in 30
# frames.
_MAX_ROTATION = math.radians(1.5)
_MAX_ZOOM = 0.02
# Largest standard deviation of the noise, twice the 4 of 255 levels that video/motion.py and
# video/flow.py are designed for.
_MAX_NOISE = 8 / 255
# Largest relative change of the brightness: a step of automatic exposure, 1/14 of a stop.
_MAX_GAIN = 0.05
# Separates this generator from those of the data, which are seeded with (seed, n) and
# (seed, epoch, 1).
_STREAM = 2


class View(NamedTuple):
    """A second view of N photos: what the next frame of a video would show.

    Attributes:
        photos: RGB in [0, 1], shape (N, 3, h, w).
        positions: Position in the first view of each pixel: x and y in the coordinates of
            ``grid_sample``, in which -1 and 1 are the centers of the outermost pixels; shape
            (N, h, w, 2).
    """

    photos: Tensor
    positions: Tensor


class TemporalLoss:
    """Mean squared difference of the stylized second view and the stylized first one, moved.

    Attributes:
        view_type: Class of the views, a tuple of tensors.
        weight: Factor of the loss in the total.
        seed: Seed of the views.
    """

    view_type: Any = View

    def __init__(self, weight: float, seed: int = 0) -> None:
        """Store the weight.

        Args:
            weight: ``loss.temporal_weight``, 0 or more.
            seed: Seed of the views.

        Raises:
            StyleNetError: The weight is impossible.
        """
        self.weight = check_loss_weight("loss.temporal_weight", weight)
        self.seed = seed

    def view(self, photos: Tensor, numbers: Sequence[int]) -> View:
        """Make a second view of each photo: shifted, turned, zoomed, brighter or darker, and noisy.

        The view lies within the photo, so that none of its pixels is made up, and each is compared.
        A border that is not compared fills with strokes, which are missing elsewhere.

        Args:
            photos: RGB in [0, 1], shape (N, 3, H, W).
            numbers: Number of each photo in the run. The view of sample n depends only on the seed
                and n, as the sample itself does: a resumed run and one on several devices see the
                same views.

        Returns:
            The views, on the device of the photos and in their dtype.
        """
        height, width = photos.shape[-2:]
        h, w = int(height * _WINDOW), int(width * _WINDOW)
        scales = np.divide.outer([w - 1, h - 1], [width - 1, height - 1]).T  # (2, 2)
        draws = [
            _Draw.sample(np.random.default_rng((self.seed, n, _STREAM)), scales) for n in numbers
        ]
        # In bfloat16, positions would be off by half a pixel.
        with torch.autocast(photos.device.type, enabled=False):
            transforms = photos.new_tensor(np.stack([draw.transform for draw in draws]))
            positions = F.affine_grid(transforms, [len(photos), 3, h, w], align_corners=True)
            gains = photos.new_tensor([draw.gain for draw in draws]).view(-1, 1, 1, 1)
            noise = torch.stack([draw.noise(photos, (3, h, w)) for draw in draws])
            views = (warp(photos, positions) * gains + noise).clamp(0, 1)  # (N, 3, h, w)
        return View(views.contiguous(memory_format=torch.channels_last), positions)

    def __call__(self, first: Tensor, second: Tensor, view: View) -> Tensor:
        """Compare stylized views.

        Args:
            first: Stylized photos, RGB in [0, 1], shape (N, 3, H, W).
            second: Stylized second views, shape (N, 3, h, w).
            view: The second views.

        Returns:
            The mean over the pixels of the second views, a scalar, in float32 at least.
        """
        with torch.autocast(first.device.type, enabled=False):
            difference = warp(wide(first), wide(view.positions)) - wide(second)
            return difference.square().mean()


def warp(images: Tensor, positions: Tensor) -> Tensor:
    """Sample images at positions.

    Bicubic: a bilinear warp blurs, and a network that is compared with it learns to blur, too.

    Args:
        images: Shape (N, C, H, W).
        positions: See :class:`View`.

    Returns:
        Shape (N, C, h, w).
    """
    return F.grid_sample(
        images, positions, mode="bicubic", padding_mode="border", align_corners=True
    )


class _Draw(NamedTuple):
    """Motion and disturbance of one photo.

    Attributes:
        transform: Affine map from positions in the view to positions in the photo, (2, 3), both
            from -1 to 1.
        gain: Factor of the brightness.
        deviation: Standard deviation of the noise.
        seed: Seed of the noise.
    """

    transform: np.ndarray
    gain: float
    deviation: float
    seed: int

    @classmethod
    def sample(cls, random: np.random.Generator, scales: np.ndarray) -> "_Draw":
        """Draw a motion that keeps the view within the photo, and a disturbance.

        Args:
            random: The generator.
            scales: Width and height of the view (columns), each divided by width and height of the
                photo (rows), shape (2, 2).
        """
        angle = random.uniform(-_MAX_ROTATION, _MAX_ROTATION)
        zoom = math.exp(random.uniform(-_MAX_ZOOM, _MAX_ZOOM))
        cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
        linear = np.array([[cos, -sin], [sin, cos]]) * scales
        slack = 1 - np.abs(linear).sum(1)
        shift = random.uniform(-slack, slack)
        return cls(
            np.column_stack([linear, shift]),
            random.uniform(1 - _MAX_GAIN, 1 + _MAX_GAIN),
            random.uniform(0, _MAX_NOISE),
            int(random.integers(2**63)),
        )

    def noise(self, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return the noise, on the device and in the dtype of a tensor."""
        generator = torch.Generator(like.device).manual_seed(self.seed)
        return self.deviation * torch.randn(
            shape, generator=generator, device=like.device, dtype=like.dtype
        )
