"""The temporal loss of clips: neighboring frames must look the same stylized, along their motion.

It follows ReCoNet (Gao et al. 2018, arXiv:1807.01197): the stylized frames are compared where both
show the same, with an allowance for changes of luminance, and so are the network's features. The
motion is estimated by the data module.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylenet.data import Clips, PhotoData, VideoData, photos_of
from stylenet.image.color import luminance
from stylenet.networks import StyleNetwork
from stylenet.perceptual.losses import wide
from stylenet.training.temporal import TemporalLoss, warp

# Weight of the relative difference of features beside the squared difference of pixels. On frames
# of four clips the two terms are 0.0010 and 0.0040 for `starry`, 0.0014 and 0.0075 for
# `starry_night_compact`: features, which are coarser, only support the pixels.
_FEATURE_WEIGHT = 0.005
_TINY = 1e-6  # keeps the relative difference finite for features that are zero


def make_temporal_loss(weight: float, seed: int, data: PhotoData) -> TemporalLoss | None:
    """Return the temporal loss that suits the data.

    Args:
        weight: ``loss.temporal_weight``.
        seed: Seed of the views.
        data: The data module; if it gives clips, they are compared along their motion.

    Returns:
        The loss; ``None`` if the weight is 0, and then training does no more work.
    """
    loss = ClipTemporalLoss if isinstance(data, VideoData) else TemporalLoss
    return loss(weight, seed) if weight else None


class NextFrames(NamedTuple):
    """The later frames of N clips.

    Attributes:
        photos: RGB in [0, 1], shape (N, 3, H, W).
        positions: See :class:`stylenet.training.temporal.View`; shape (N, H, W, 2).
        visible: 1 for each pixel that the earlier frame shows, too, 0 for others; (N, 1, H, W).
        brightening: Luminance minus that of the earlier frame at the same place of the scene, shape
            (N, 1, H, W).
    """

    photos: Tensor
    positions: Tensor
    visible: Tensor
    brightening: Tensor


class ClipTemporalLoss(TemporalLoss):
    """Difference of the stylized later frame and the stylized earlier one, moved.

    Where something gets brighter or darker in the clip, it may do so stylized: the change of
    luminance is subtracted, as in ReCoNet.
    """

    view_type: Any = NextFrames

    def next_frames(self, clips: Clips) -> NextFrames:
        """Prepare the later frames of a batch.

        Args:
            clips: A batch of the data module.

        Returns:
            The later frames and what is known about them.
        """
        first = photos_of(clips)
        height, width = first.shape[-2:]
        with torch.autocast(first.device.type, enabled=False):
            down, right, visible = clips.motion.split(1, 1)  # (N, 1, H, W)
            rows = down[:, 0] + torch.arange(height, device=down.device).view(-1, 1)
            columns = right[:, 0] + torch.arange(width, device=down.device)
            # In grid_sample's coordinates, -1 and 1 are the centers of the outermost pixels.
            x, y = 2 * columns / max(1, width - 1) - 1, 2 * rows / max(1, height - 1) - 1
            positions = torch.stack([x, y], -1)
            moved = warp(first, positions)
            brightening = luminance(clips.following) - luminance(moved)
        photos = clips.following.contiguous(memory_format=torch.channels_last)
        return NextFrames(photos, positions, visible, brightening)

    def __call__(self, first: Tensor, second: Tensor, view: NextFrames) -> Tensor:  # type: ignore[override]
        """Compare stylized frames.

        Args:
            first: Stylized earlier frames, RGB in [0, 1], shape (N, 3, H, W).
            second: Stylized later frames, the same shape.
            view: From :meth:`next_frames`.

        Returns:
            The mean square over the visible pixels, a scalar, in float32 at least.
        """
        with torch.autocast(first.device.type, enabled=False):
            difference = wide(second) - warp(wide(first), wide(view.positions))
            squares = (difference - wide(view.brightening)).square().mean(1, keepdim=True)
            return (squares * view.visible).sum() / view.visible.sum().clamp_min(1)

    def compare_features(self, first: Tensor, second: Tensor, view: NextFrames) -> Tensor:
        """Compare the network's features of both frames.

        Args:
            first: Features of the earlier frames, shape (N, C, h, w).
            second: Features of the later frames, the same shape.
            view: From :meth:`next_frames`.

        Returns:
            The weighted difference relative to the size of the features, a scalar.
        """
        with torch.autocast(first.device.type, enabled=False):
            first, second = wide(first), wide(second)
            rows, columns = _in_cells(view, first)
            # In grid_sample's other coordinates, -1 and 1 are the outer edges.
            height, width = first.shape[-2:]
            grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1)
            moved = F.grid_sample(first, grid, padding_mode="border", align_corners=False)
            # A cell of which a part is hidden, or lies in the padding, does not count.
            visible = (_pool(wide(view.visible), first) > 0.99).to(first.dtype)
            squares = ((second - moved).square() * visible).sum()
            scale = (second.square().detach() * visible).sum() + _TINY
            return _FEATURE_WEIGHT * squares / scale


def _in_cells(view: NextFrames, features: Tensor) -> tuple[Tensor, Tensor]:
    """Return row and column that each cell of the features has in the earlier frame's features.

    Args:
        view: The later frames.
        features: Of one of the frames, shape (N, C, h, w).

    Returns:
        Two tensors of shape (N, h, w), 0 for the center of the first cell.
    """
    height, width = view.photos.shape[-2:]
    corners = wide(view.positions).permute(0, 3, 1, 2)  # (N, 2, H, W), x and y from -1 to 1
    x, y = _pool(corners, features).unbind(1)
    side = -(-height // features.shape[-2])
    rows, columns = ((p + 1) / 2 * (n - 1) for p, n in ((y, height), (x, width)))
    return (rows + 0.5) / side - 0.5, (columns + 0.5) / side - 0.5


def _pool(maps: Tensor, features: Tensor) -> Tensor:
    """Average maps over the cells of features, which may reach beyond the image.

    Args:
        maps: Shape (N, K, H, W).
        features: Shape (N, C, h, w).

    Returns:
        Shape (N, K, h, w).
    """
    (height, width), (h, w) = maps.shape[-2:], features.shape[-2:]
    side = -(-height // h)
    padded = F.pad(maps, (0, side * w - width, 0, side * h - height))
    return F.avg_pool2d(padded, side)


class FeatureTap:
    """Collector of the features in the middle of a network, one tensor for each pass.

    Attributes:
        features: Features of the passes since the last :meth:`take`.
    """

    def __init__(self, network: StyleNetwork) -> None:
        """Attach to a network.

        Args:
            network: Its :attr:`bottleneck` names the module whose output is collected.
        """
        self.features: list[Tensor] = []
        module = network.bottleneck
        assert module is not None
        self._handle = module.register_forward_hook(self._collect)

    def take(self) -> list[Tensor]:
        """Return the features collected so far, and forget them."""
        features, self.features = self.features, []
        return features

    def remove(self) -> None:
        """Detach from the network."""
        self._handle.remove()

    def _collect(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self.features.append(output)
