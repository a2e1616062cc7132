"""How far an edge changes the colors of the flat areas beside it."""

from torch import Tensor

from stylenet.evaluation.charts import PATCH, patches

# Pixels from the edge: strokes and outlines that follow it lie nearer, johnson's halos here.
_NEAR, _FAR = 8, 24
# Left out at both ends of an edge, where another edge is near.
_CORNER = 24
# Pixels from every edge: what the patch looks like undisturbed.
_MIDDLE = 40


def halo_level(stylized: Tensor) -> float:
    """Measure halos on the stylized flat chart.

    A strip along each side of each patch is compared with the patch's middle, by their mean colors,
    so strokes and textures do not count.

    Args:
        stylized: The stylized :func:`stylenet.evaluation.charts.flat_chart`, RGB in [0, 1], shape
            (1, 3, 384, 384).

    Returns:
        Root of the mean squared difference, in levels of 255.
    """
    squares = patches(stylized.detach().double() * 255)  # (9, 3, 128, 128)
    middle = squares[..., _MIDDLE:-_MIDDLE, _MIDDLE:-_MIDDLE].mean((2, 3))
    along = slice(_CORNER, PATCH - _CORNER)
    near, far = slice(_NEAR, _FAR), slice(PATCH - _FAR, PATCH - _NEAR)
    strips = [
        squares[..., rows, columns].mean((2, 3)) - middle
        for rows, columns in ((near, along), (far, along), (along, near), (along, far))
    ]
    total = sum(float(strip.square().mean()) for strip in strips)
    return (total / len(strips)) ** 0.5
