"""Test charts: smooth images on which a network's grids and halos show."""

import torch
from torch import Tensor

# Side of a flat patch in pixels. Its middle half is farther from every edge than the strongest
# influence of johnson's residual blocks (five of them, four pixels a cell), so it is flat indeed.
PATCH = 128
_PATCHES = 3

# Colors of a sky, a wall, skin, foliage, cloth, in [0, 1]; three by three.
_COLORS = (
    *((0.20, 0.20, 0.20), (0.55, 0.70, 0.90), (0.80, 0.80, 0.80)),
    *((0.80, 0.65, 0.55), (0.50, 0.50, 0.50), (0.30, 0.45, 0.25)),
    *((0.90, 0.90, 0.85), (0.35, 0.30, 0.50), (0.65, 0.40, 0.30)),
)

# Width in pixels that is cut off the stylized graded chart: image borders are another matter.
_MARGIN = 32


def flat_chart() -> Tensor:
    """Draw nine flat patches.

    A single color over the whole image would not do: instance normalization divides by a standard
    deviation of zero and shows the rounding errors of the machine, which photos never do.

    Returns:
        RGB in [0, 1], shape (1, 3, 384, 384).
    """
    colors = torch.tensor(_COLORS).view(_PATCHES, _PATCHES, 3).permute(2, 0, 1)  # (3, 3, 3)
    return colors.repeat_interleave(PATCH, 1).repeat_interleave(PATCH, 2)[None]


def graded_chart() -> Tensor:
    """Draw gentle gradients, each channel in a direction of its own, 0.5 levels of 255 a pixel.

    Returns:
        RGB in [0, 1], shape (1, 3, 384, 384).
    """
    ramp = torch.linspace(0.1, 0.9, _PATCHES * PATCH)
    across, down = ramp[None, :], ramp[:, None]
    channels = [(across + down) / 2, (across.flip(1) + down) / 2, down.expand(-1, len(ramp))]
    return torch.stack(channels)[None]


def patches(chart: Tensor) -> Tensor:
    """Cut the stylized flat chart into its patches.

    Args:
        chart: Shape (1, 3, 384, 384).

    Returns:
        Shape (9, 3, 128, 128).
    """
    rows = chart[0].unflatten(2, (_PATCHES, PATCH)).unflatten(1, (_PATCHES, PATCH))
    return rows.permute(1, 3, 0, 2, 4).flatten(0, 1)


def flat_areas(chart: Tensor) -> Tensor:
    """Cut out of the stylized flat chart what is far from edges.

    Args:
        chart: Shape (1, 3, 384, 384).

    Returns:
        Shape (9, 3, 64, 64), beginning at multiples of 8 pixels.
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
