"""Measure the flicker of a video by its warping error along the optical flow."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.video.flow import find_flow, warp

# Short side of the measured frames. Strokes are wider than the pixels averaged, and without OpenCV
# both flows of a pair take 1.2 s at this size on one core.
_SHORT_SIDE = 256


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
        before, after = (_gray(_reduce(image)) for image in source)
        flow, visible = find_flow(before, after)
        self.pairs += 1
        self._visible += float(visible.sum())
        for name, (first, second) in (("source", source), ("plain", plain), ("stylized", stylized)):
            difference = warp(_reduce(first), flow) - _reduce(second)
            errors = difference.square().mean(1, keepdim=True)  # (1, 1, H, W)
            self._squares[name] += float((errors * visible).sum())

    def state(self) -> dict[str, Tensor]:
        """Return the sums so far, for :meth:`load_state`."""
        sums = {"pairs": self.pairs, "visible": self._visible, **self._squares}
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in sums.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on with the sums of another run."""
        self.pairs, self._visible = int(state["pairs"]), float(state["visible"])
        self._squares = {name: float(state[name]) for name in self._squares}

    def report(self) -> FlickerReport | None:
        """Return the errors over all pairs; ``None`` if no pair was measured."""
        if not self._visible:
            return None
        errors = {name: math.sqrt(s / self._visible) for name, s in self._squares.items()}
        return FlickerReport(self.pairs, **errors)


def _reduce(image: Tensor) -> Tensor:
    """Move a frame to the CPU and scale it to the size of measurement."""
    image = image.detach().float().cpu()
    scale = _SHORT_SIDE / min(image.shape[-2:])
    if scale >= 1:
        return image
    size = [round(side * scale) for side in image.shape[-2:]]
    return F.interpolate(image, size, mode="bilinear", antialias=True)


def _gray(image: Tensor) -> np.ndarray:
    """Return the gray levels of a frame, uint8, shape (H, W)."""
    return (image[0].mean(0) * 255).round().byte().numpy()
