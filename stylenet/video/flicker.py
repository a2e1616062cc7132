"""How much a video flickers: the warping error, by a classical optical flow."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Frames are measured at this shorter side: both flows of a pair take 1.2 s there on one core, and
# their cost grows with the pixels. Strokes are broader than the pixels that are averaged.
_SIDE = 256
# A pixel is taken for hidden in the frame before if the flows there and back disagree: the squared
# distance exceeds 0.01 times the squared lengths plus 0.5 (Sundaram, Brox, Keutzer 2010; so also
# Ruder, Dosovitskiy, Brox 2016 and Lai et al. 2018).
_RELATIVE, _ABSOLUTE = 0.01, 0.5


@dataclass(frozen=True)
class FlickerReport:
    """Warping errors of a video: root mean squares on [0, 1] pixels, 0 for perfectly steady.

    Attributes:
        pairs: How many pairs of frames were measured.
        source: Of the video before stylizing: what noise and an imperfect flow leave.
        plain: Of the network's results frame by frame.
        painted: Of the video as it was written.
    """

    pairs: int
    source: float
    plain: float
    painted: float

    def __str__(self) -> str:
        """Says it in a line."""
        gain = f", {1 - self.painted / self.plain:.0%} less" if self.painted < self.plain else ""
        return (
            f"warping error over {self.pairs} pairs of frames: {self.painted:.4f} "
            f"(frame by frame {self.plain:.4f}{gain}; the source {self.source:.4f})"
        )


class FlickerMeter:
    """Collects warping errors over pairs of frames (Lai et al. 2018, arXiv:1808.00449).

    For each pair the result of the first frame is moved along the optical flow of the *source* to
    where its contents are in the second; what differs there, apart from what was hidden before, is
    flicker.
    """

    def __init__(self) -> None:
        """Begins without a pair."""
        self.pairs = 0
        self._visible = 0.0
        self._squares = {"source": 0.0, "plain": 0.0, "painted": 0.0}

    def add(
        self,
        source: tuple[Tensor, Tensor],
        plain: tuple[Tensor, Tensor],
        painted: tuple[Tensor, Tensor],
    ) -> None:
        """Measures a pair of neighboring frames.

        Args:
            source: The video's two frames, RGB in [0, 1], each of shape (1, 3, H, W).
            plain: The network's results for them.
            painted: The results as they are shown.
        """
        before, after = (_reduce(image) for image in source)
        flow, visible = find_flow(before, after)
        self.pairs += 1
        self._visible += float(visible.sum())
        for name, (first, second) in (("source", source), ("plain", plain), ("painted", painted)):
            difference = warp(_reduce(first), flow) - _reduce(second)
            self._squares[name] += float((difference.square().mean(1) * visible).sum())

    def report(self) -> FlickerReport | None:
        """Sums up.

        Returns:
            The errors; ``None`` if no pair was measured.
        """
        if not self._visible:
            return None
        errors = {name: math.sqrt(s / self._visible) for name, s in self._squares.items()}
        return FlickerReport(self.pairs, **errors)


def find_flow(before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Finds where the contents of a frame were in the one before.

    Args:
        before: RGB in [0, 1], shape (1, 3, H, W), on the CPU.
        after: The next frame.

    Returns:
        The flow, shape (1, 2, H, W): for each pixel of ``after`` how many pixels to go down and to
        the right to find it in ``before``; and which pixels can be found there at all: 1 or 0,
        shape (1, H, W).
    """
    first, second = (image[0].mean(0).double().numpy() for image in (before, after))
    flow, back = _flow(second, first), _flow(first, second)
    returned = warp(back, flow)  # the flow back, at where the flow leads to
    apart = (flow + returned).square().sum(1)
    lengths = flow.square().sum(1) + returned.square().sum(1)
    height, width = after.shape[-2:]
    rows = torch.arange(height).view(-1, 1) + flow[:, 0]
    columns = torch.arange(width).view(1, -1) + flow[:, 1]
    inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
    return flow, (inside & (apart <= _RELATIVE * lengths + _ABSOLUTE)).float()


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Moves an image along a flow.

    Args:
        image: Shape (1, C, H, W).
        flow: Shape (1, 2, H, W), see :func:`find_flow`.

    Returns:
        For each pixel what the image holds where the flow leads, bilinear, shape (1, C, H, W).
    """
    height, width = image.shape[-2:]
    rows = torch.arange(height).view(-1, 1) + flow[:, 0]
    columns = torch.arange(width).view(1, -1) + flow[:, 1]
    # In grid_sample's units -1 and 1 are the middles of the outermost pixels.
    grid = torch.stack([2 * columns / max(1, width - 1) - 1, 2 * rows / max(1, height - 1) - 1], -1)
    return F.grid_sample(image, grid.to(image.dtype), padding_mode="border", align_corners=True)


def _flow(reference: np.ndarray, moving: np.ndarray) -> Tensor:
    """Le Besnerais and Champagnat's iterative Lucas-Kanade (2005), as in scikit-image."""
    from skimage.registration import optical_flow_ilk

    return torch.from_numpy(optical_flow_ilk(reference, moving)).float().unsqueeze(0)


def _reduce(image: Tensor) -> Tensor:
    """Brings a frame to the CPU and to the size that is measured at."""
    image = image.detach().float().cpu()
    scale = _SIDE / min(image.shape[-2:])
    if scale >= 1:
        return image
    size = [round(side * scale) for side in image.shape[-2:]]
    return F.interpolate(image, size, mode="bilinear", antialias=True)
