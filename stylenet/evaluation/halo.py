"""Halos: changes of color beside the edges of flat areas."""

from torch import Tensor

from stylenet.evaluation.charts import PATCH, patches

# Pixels from the edge: strokes and outlines that follow it are nearer, johnson's halos lie here.
_NEAR, _FAR = 8, 24
# Pixels left out at both ends of an edge, where another edge is near.
_CORNER = 24
# Pixels between the undisturbed middle of a patch and its edges.
_MIDDLE = 40


def halo_level(stylized: Tensor) -> float:
    """Measure halos on the stylized flat chart.

    A strip along each edge of each patch is compared with the middle of the patch by mean color, so
    strokes and textures do not count.

    Args:
        stylized: The stylized :func:`stylenet.evaluation.charts.flat_chart`, RGB in [0, 1], shape
            (1, 3, 384, 384).

    Returns:
        Root of the mean squared difference, in levels of 255.
    """
    squares = patches(stylized.detach().double() * 255)  # (9, 3, 128, 128)
    middle = squares[..., _MIDDLE:-_MIDDLE, _MIDDLE:-_MIDDLE].mean((2, 3))  # (9, 3)
    along = slice(_CORNER, PATCH - _CORNER)
    near, far = slice(_NEAR, _FAR), slice(PATCH - _FAR, PATCH - _NEAR)
    differences = [
        squares[..., rows, columns].mean((2, 3)) - middle
        for rows, columns in ((near, along), (far, along), (along, near), (along, far))
    ]
    total = sum(float(difference.square().mean()) for difference in differences)
    return (total / len(differences)) ** 0.5
