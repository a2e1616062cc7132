"""Test charts: smooth images that show a network's grids and halos."""

import torch
from torch import Tensor

# Height and width of a flat patch in pixels. Its middle half is farther from every edge than
# johnson's residual blocks reach (five blocks, four pixels per cell), so it is truly flat.
PATCH = 128
_PATCHES = 3  # per row and column

# Colors of a sky, a wall, skin, foliage and cloth, in [0, 1]; three by three.
_COLORS = (
    *((0.20, 0.20, 0.20), (0.55, 0.70, 0.90), (0.80, 0.80, 0.80)),
    *((0.80, 0.65, 0.55), (0.50, 0.50, 0.50), (0.30, 0.45, 0.25)),
    *((0.90, 0.90, 0.85), (0.35, 0.30, 0.50), (0.65, 0.40, 0.30)),
)

# Pixels cut off the stylized graded chart: networks treat image borders differently.
_MARGIN = 32


def flat_chart() -> Tensor:
    """Draw nine flat patches.

    An image of a single color would not do: instance normalization divides by a standard deviation
    of zero and shows the rounding errors of the machine, which photos never do.

    Returns:
        RGB in [0, 1], shape (1, 3, 384, 384).
    """
    colors = torch.tensor(_COLORS).view(_PATCHES, _PATCHES, 3).permute(2, 0, 1)  # (3, 3, 3)
    return colors.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)[None]  # (1, 3, H, W)


def graded_chart() -> Tensor:
    """Draw gentle gradients of 0.5 levels of 255 per pixel, in another direction for each channel.

    Returns:
        RGB in [0, 1], shape (1, 3, 384, 384).
    """
    ramp = torch.linspace(0.1, 0.9, _PATCHES * PATCH)
    across, down = ramp[None, :], ramp[:, None]
    channels = [(across + down) / 2, (across.flip(1) + down) / 2, down.expand(-1, len(ramp))]
    return torch.stack(channels)[None]  # (1, 3, H, W)


def patches(chart: Tensor) -> Tensor:
    """Split the stylized flat chart into its patches.

    Args:
        chart: Shape (1, 3, 384, 384).

    Returns:
        Shape (9, 3, 128, 128).
    """
    rows = chart[0].unflatten(2, (_PATCHES, PATCH)).unflatten(1, (_PATCHES, PATCH))
    return rows.permute(1, 3, 0, 2, 4).flatten(0, 1)  # (9, 3, 128, 128)


def flat_areas(chart: Tensor) -> Tensor:
    """Crop the middle of each patch of the stylized flat chart.

    Args:
        chart: Shape (1, 3, 384, 384).

    Returns:
        Shape (9, 3, 64, 64). Each crop starts at a multiple of 8 pixels.
    """
    quarter = PATCH // 4
    return patches(chart)[..., quarter:-quarter, quarter:-quarter]


def graded_area(chart: Tensor) -> Tensor:
    """Cut the borders off the stylized graded chart.

    Args:
        chart: Shape (1, 3, 384, 384).

    Returns:
        Shape (1, 3, 320, 320).
    """
    return chart[..., _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
