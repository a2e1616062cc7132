"""Make videos steady without optical flow: smoothed statistics, a blend, scene cuts."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.networks import moments

# Mean difference of thumbnails above which two frames belong to different scenes: it is exceeded by
# 99 of 100 pairs of unrelated photos (2,000 pairs, from COCO and others), while 99 of 100 photos
# moved by 5 % of their width, a fast pan, differ by less than 0.15.
_CUT = 0.16
_THUMBNAIL = (18, 32)  # small enough that moving contours matter little

# Up to this change of its neighborhood a pixel stands still; from twice as much on, it moves. Noise
# of 4 of 255 levels leaves 0.8 after averaging over 7x7 pixels.
_STILL = 2 / 255
_NEIGHBORHOOD = 7
_FRAMES = ("content", "stylized")  # names of a blend's previous frame in its state


class SteadyStatistics:
    """Means and variances of features, smoothed over the frames of a video.

    Instance normalization computes both from the current frame, so that a change in one corner, or
    mere noise, changes the colors and strokes everywhere. Here they change slowly: each frame is
    normalized by the exponential moving average of the frames up to it. The average starts as a
    plain mean; otherwise a scene that fades in from black would be normalized by its black for
    seconds.

    Pass :meth:`update` to :func:`stylenet.networks.statistics.with_statistics`.
    """

    def __init__(self, smoothing: float) -> None:
        """Start without statistics.

        Args:
            smoothing: Weight of the previous frames in the average, in [0, 1). 0 uses the
                statistics of each frame alone.
        """
        self.smoothing = smoothing
        # For each layer: mean, variance, number of frames.
        self._averages: dict[str, tuple[Tensor, Tensor, int]] = {}

    def update(self, name: str, features: Tensor) -> tuple[Tensor, Tensor]:
        """Add the statistics of a frame and return those to normalize it by.

        Args:
            name: Name of the layer.
            features: Its input, shape (1, C, H, W).

        Returns:
            Mean and biased variance, each float32 of shape (C,).
        """
        mean, variance = moments(features)
        count = 0
        if name in self._averages:
            old_mean, old_variance, count = self._averages[name]
            weight = min(self.smoothing, count / (count + 1))
            mean = torch.lerp(mean, old_mean, weight)
            variance = torch.lerp(variance, old_variance, weight)
        self._averages[name] = (mean, variance, count + 1)
        return mean, variance

    def reset(self) -> None:
        """Forget all statistics, at the start of another scene."""
        self._averages.clear()

    def state(self) -> dict[str, Tensor]:
        """Return the statistics, for :meth:`load_state`."""
        return {
            f"{name}/{part}": torch.as_tensor(value)
            for name, average in self._averages.items()
            for part, value in zip(("mean", "variance", "count"), average, strict=True)
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on with the statistics of another run."""
        for name in {key.rpartition("/")[0] for key in state}:
            mean, variance = state[f"{name}/mean"], state[f"{name}/variance"]
            self._averages[name] = (mean, variance, int(state[f"{name}/count"]))


class StillBlend:
    """Blend of each stylized frame with the previous one, where the video stands still.

    For where OpenCV, and with it :class:`stylenet.video.motion.MotionBlend`, is not installed.
    Blending moving parts would leave ghosts; there the stylized frame stays unchanged.
    """

    def __init__(self, weight: float) -> None:
        """Start without a previous frame.

        Args:
            weight: Weight of the previous result, in [0, 1), where nothing moves.
        """
        self.weight = weight
        self._previous: tuple[Tensor, Tensor] | None = None

    def __call__(
        self, pixels: np.ndarray, content: Tensor, stylized: Tensor, cut: Tensor | None = None
    ) -> Tensor:
        """Blend a frame.

        Args:
            pixels: Not used; see :class:`stylenet.video.motion.MotionBlend`.
            content: The original frame, RGB in [0, 1], shape (1, 3, H, W).
            stylized: The stylized frame, same shape.
            cut: Whether a new scene starts here, a scalar on the same device; ``None`` if not.

        Returns:
            The frame to show, same shape.
        """
        if self._previous is not None and self._previous[0].shape == content.shape:
            old_content, old_stylized = self._previous
            change = (
                average(content - old_content, _NEIGHBORHOOD).abs().amax(1, keepdim=True)
            )  # (1, 1, H, W)
            stillness = (2 - change / _STILL).clamp(0, 1)
            # Averaged again: a mask with hard edges would show as a contour.
            weight = self.weight * average(stillness, _NEIGHBORHOOD)
            if cut is not None:
                weight = weight * ~cut
            stylized = torch.lerp(stylized, old_stylized, weight)
        self._previous = (content, stylized)
        return stylized

    def state(self) -> dict[str, Tensor]:
        """Return the previous frame, for :meth:`load_state`."""
        return {} if self._previous is None else dict(zip(_FRAMES, self._previous, strict=True))

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on after the previous frame of another run."""
        if state:
            self._previous = (state[_FRAMES[0]], state[_FRAMES[1]])


class CutFinder:
    """Detector of scene cuts, by the difference of thumbnails."""

    def __init__(self) -> None:
        """Start without a previous frame."""
        self._previous: Tensor | None = None

    def __call__(self, content: Tensor) -> Tensor:
        """Compare the next frame with the previous one.

        Args:
            content: RGB in [0, 1], shape (1, 3, H, W).

        Returns:
            Whether a new scene starts with this frame; ``False`` for the first frame. A scalar on
            the same device, because reading it waits for a GPU.
        """
        thumbnail = F.adaptive_avg_pool2d(content, _THUMBNAIL)
        previous = thumbnail if self._previous is None else self._previous
        self._previous = thumbnail
        return (thumbnail - previous).abs().mean() > _CUT

    def state(self) -> dict[str, Tensor]:
        """Return the previous frame's thumbnail, for :meth:`load_state`."""
        return {} if self._previous is None else {"thumbnail": self._previous}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on after the previous frame of another run."""
        self._previous = state.get("thumbnail")


def average(images: Tensor, size: int) -> Tensor:
    """Average over each pixel's neighborhood.

    Args:
        images: Shape (N, C, H, W).
        size: Side of the neighborhood in pixels, odd.

    Returns:
        The same shape.
    """
    margin = size // 2
    # Rows first, then columns, per channel: 18 instead of 69 ms (3 x 720 x 1280, two cores).
    rows = F.avg_pool2d(
        images.contiguous(), (1, size), stride=1, padding=(0, margin), count_include_pad=False
    )
    return F.avg_pool2d(rows, (size, 1), stride=1, padding=(margin, 0), count_include_pad=False)
