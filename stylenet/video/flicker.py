"""Measure the flicker of a video by its warping error along the optical flow."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Short side of the measured frames: both flows of a pair take 1.2 s at this size on one core, and
# their cost grows with the number of pixels. Strokes are wider than the pixels averaged.
_SHORT_SIDE = 256
# A pixel counts as occluded in the previous frame if the forward and backward flows disagree: the
# squared distance exceeds 0.01 times the squared lengths plus 0.5 (Sundaram, Brox, Keutzer 2010;
# also in Ruder, Dosovitskiy, Brox 2016 and Lai et al. 2018).
_RELATIVE, _ABSOLUTE = 0.01, 0.5


@dataclass(frozen=True)
class FlickerReport:
    """Warping errors of a video: root mean squares of pixels in [0, 1], 0 if perfectly steady.

    Attributes:
        pairs: Number of pairs of frames that were measured.
        source: Error of the video before stylizing: noise and inaccuracies of the flow.
        plain: Error if each frame is stylized independently.
        stylized: Error of the video as written.
    """

    pairs: int
    source: float
    plain: float
    stylized: float

    def __str__(self) -> str:
        """Format the errors in one line."""
        gain = f", {1 - self.stylized / self.plain:.0%} less" if self.stylized < self.plain else ""
        return (
            f"warping error over {self.pairs} pairs of frames: {self.stylized:.4f} "
            f"(frame by frame {self.plain:.4f}{gain}; the source {self.source:.4f})"
        )


class FlickerMeter:
    """Accumulator of warping errors over pairs of frames (Lai et al. 2018, arXiv:1808.00449).

    The stylized first frame of a pair is warped along the optical flow of the *source* to the
    second. The difference to the stylized second frame, except at occluded pixels, is flicker.
    """

    def __init__(self) -> None:
        """Start with no pairs."""
        self.pairs = 0
        self._visible = 0.0
        self._squares = {"source": 0.0, "plain": 0.0, "stylized": 0.0}

    def add(
        self,
        source: tuple[Tensor, Tensor],
        plain: tuple[Tensor, Tensor],
        stylized: tuple[Tensor, Tensor],
    ) -> None:
        """Measure a pair of neighboring frames.

        Args:
            source: The two frames of the video, RGB in [0, 1], each of shape (1, 3, H, W).
            plain: The two frames stylized independently.
            stylized: The two frames as written.
        """
        before, after = (_reduce(image) for image in source)
        flow, visible = find_flow(before, after)
        self.pairs += 1
        self._visible += float(visible.sum())
        for name, (first, second) in (("source", source), ("plain", plain), ("stylized", stylized)):
            difference = warp(_reduce(first), flow) - _reduce(second)
            self._squares[name] += float((difference.square().mean(1) * visible).sum())

    def report(self) -> FlickerReport | None:
        """Return the errors over all pairs; ``None`` if no pair was measured."""
        if not self._visible:
            return None
        errors = {name: math.sqrt(s / self._visible) for name, s in self._squares.items()}
        return FlickerReport(self.pairs, **errors)


def find_flow(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Estimate the optical flow from a frame back to the previous one.

    Args:
        before: RGB in [0, 1], shape (1, 3, H, W), on the CPU.
        after: The next frame.

    Returns:
        The flow in pixels, shape (1, 2, H, W): the offset, down and to the right, from each pixel
        of ``after`` to its position in ``before``; and 1 for each visible pixel, 0 for each
        occluded one, shape (1, H, W).
    """
    first, second = (image[0].mean(0).double().numpy() for image in (before, after))
    flow, back = _flow(second, first), _flow(first, second)
    returned = warp(back, flow)  # the backward flow at the target of the forward flow
    distances = (flow + returned).square().sum(1)  # (1, H, W)
    lengths = flow.square().sum(1) + returned.square().sum(1)
    height, width = after.shape[-2:]
    rows = torch.arange(height).view(-1, 1) + flow[:, 0]
    columns = torch.arange(width).view(1, -1) + flow[:, 1]
    inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
    return flow, (inside & (distances <= _RELATIVE * lengths + _ABSOLUTE)).float()


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Warp an image along an optical flow.

    Args:
        image: Shape (1, C, H, W).
        flow: Shape (1, 2, H, W); see :func:`find_flow`.

    Returns:
        The image sampled bilinearly at the targets of the flow, shape (1, C, H, W).
    """
    height, width = image.shape[-2:]
    rows = torch.arange(height).view(-1, 1) + flow[:, 0]
    columns = torch.arange(width).view(1, -1) + flow[:, 1]
    # In grid_sample's coordinates, -1 and 1 are the centers of the outermost pixels.
    grid = torch.stack([2 * columns / max(1, width - 1) - 1, 2 * rows / max(1, height - 1) - 1], -1)
    return F.grid_sample(image, grid.to(image.dtype), padding_mode="border", align_corners=True)


def _flow(reference: np.ndarray, moving: np.ndarray) -> Tensor:
    """Run the iterative Lucas-Kanade of Le Besnerais and Champagnat (2005), from scikit-image."""
    from skimage.registration import optical_flow_ilk

    return torch.from_numpy(optical_flow_ilk(reference, moving)).float().unsqueeze(0)


def _reduce(image: Tensor) -> Tensor:
    """Move a frame to the CPU and scale it to the size of measurement."""
    image = image.detach().float().cpu()
    scale = _SHORT_SIDE / min(image.shape[-2:])
    if scale >= 1:
        return image
    size = [round(side * scale) for side in image.shape[-2:]]
    return F.interpolate(image, size, mode="bilinear", antialias=True)
