"""Steady video without optical flow: smoothed statistics, a short-term blend, scene cuts."""

import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.networks import moments

# Two frames are of different scenes if thumbnails of them differ by more than this on average: so
# do 99 of 100 pairs of unrelated photos (2,000 pairs, of COCO and others), while of photos
# moved by 5 % of their width, a fast pan, 99 of 100 differ by less than 0.15.
_CUT = 0.16
_THUMBNAIL = (18, 32)  # small enough that moving contours count little

# Where the neighborhood of a pixel changes by no more than this, the video stands still; from
# twice as much on, it moves. Noise of 4 of 255 steps leaves 0.8 after averaging over 7x7 pixels.
_SAME = 2 / 255
_NeighborHOOD = 7


class SteadyStatistics:
    """Means and variances of features, smoothed over the frames of a video.

    Instance normalization takes both from the frame at hand, so that a change in one corner, or
    mere noise, changes the colors and strokes everywhere. Here they follow slowly: each frame
    is normalized by the exponential moving average of the frames up to it, which begins as their
    plain mean: a scene that fades in from black would else be measured by its black for seconds.

    To be given to :func:`stylenet.networks.statistics.with_statistics` as its ``take``.
    """

    def __init__(self, smoothing: float) -> None:
        """Begins without statistics.

        Args:
            smoothing: In [0, 1): the share that the frames before have in the average. 0 is the
                network as it is.
        """
        self.smoothing = smoothing
        # Mean, variance, and from how many frames.
        self._kept: dict[str, tuple[Tensor, Tensor, int]] = {}

    def take(self, name: str, features: Tensor) -> tuple[Tensor, Tensor]:
        """Takes in the statistics of a frame, and says by which to normalize it.

        Args:
            name: Of the layer.
            features: Its input, shape (1, C, H, W).

        Returns:
            Mean and biased variance, each float32 of shape (C,).
        """
        mean, variance = moments(features)
        count = 0
        if name in self._kept:
            old_mean, old_variance, count = self._kept[name]
            share = min(self.smoothing, count / (count + 1))
            mean = torch.lerp(mean, old_mean, share)
            variance = torch.lerp(variance, old_variance, share)
        self._kept[name] = (mean, variance, count + 1)
        return mean, variance

    def forget(self) -> None:
        """Begins anew, as for another scene."""
        self._kept.clear()


class ShortTermBlend:
    """Mixes each result with the one before, where the video stands still.

    Where something moves, mixing would leave ghosts of it; there the result stays as it is.
    """

    def __init__(self, share: float) -> None:
        """Begins without a result.

        Args:
            share: In [0, 1): of the result before, where nothing moves.
        """
        self.share = share
        self._before: tuple[Tensor, Tensor] | None = None

    def __call__(self, photo: Tensor, painted: Tensor, cut: Tensor | None = None) -> Tensor:
        """Blend a frame.

        Args:
            photo: The frame as it was, RGB in [0, 1], shape (1, 3, H, W).
            painted: The result for it, same shape.
            cut: Whether another scene begins here, a scalar on the same device; ``None`` if not.

        Returns:
            The result to show, same shape.
        """
        if self._before is not None and self._before[0].shape == photo.shape:
            photo_before, painted_before = self._before
            change = _smooth(photo - photo_before).abs().amax(1, keepdim=True)  # (1, 1, H, W)
            still = (2 - change / _SAME).clamp(0, 1)
            # Averaged again: a mask with hard edges would show as a contour.
            share = self.share * _smooth(still)
            if cut is not None:
                share = share * ~cut
            painted = torch.lerp(painted, painted_before, share)
        self._before = (photo, painted)
        return painted


class CutFinder:
    """Notices where a new scene begins, by the difference of thumbnails."""

    def __init__(self) -> None:
        """Begins without a frame."""
        self._before: Tensor | None = None

    def __call__(self, photo: Tensor) -> Tensor:
        """Look at the next frame.

        Args:
            photo: RGB in [0, 1], shape (1, 3, H, W).

        Returns:
            Whether it is of another scene than the frame before; not so for the first one. A
            scalar on the same device, for reading it waits for a GPU.
        """
        thumbnail = F.adaptive_avg_pool2d(photo, _THUMBNAIL)
        before = thumbnail if self._before is None else self._before
        self._before = thumbnail
        return (thumbnail - before).abs().mean() > _CUT


def _smooth(images: Tensor) -> Tensor:
    """The mean over each pixel's neighborhood, in the same shape."""
    side, margin = _NeighborHOOD, _NeighborHOOD // 2
    # Rows first, then columns, channel by channel: 18 against 69 ms (3 x 720 x 1280, two cores).
    rows = F.avg_pool2d(
        images.contiguous(), (1, side), stride=1, padding=(0, margin), count_include_pad=False
    )
    return F.avg_pool2d(rows, (side, 1), stride=1, padding=(margin, 0), count_include_pad=False)
