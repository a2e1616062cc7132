"""Steps up a gradient: jittered, in tiles, smoothed and normalized."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.dreaming.options import DreamOptions
from stylenet.perceptual import DreamLoss

# Below this a side is not halved once more for a coarser band.
_SMALLEST_BAND = 4
_TINY = 1e-12


def ascend(
    image: Tensor,
    loss: DreamLoss,
    strengths: dict[str, Tensor],
    settings: DreamOptions,
    generator: torch.Generator,
) -> Tensor:
    """Takes one step towards what the encoder sees.

    Args:
        image: RGB in [0, 1], shape (1, 3, H, W).
        loss: What is to fall.
        strengths: Its yardsticks, see :func:`measure_strengths`.
        settings: How far, and how smooth.
        generator: Draws the jitter; on the CPU.

    Returns:
        The same shape and range.
    """
    reach = settings.jitter
    if max(image.shape[2:]) > settings.tile:
        # The seams between tiles are to fall everywhere alike.
        reach = max(reach, settings.tile // 2)
    down, right = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
    moved = image.roll((down, right), dims=(2, 3))
    gradient = dream_gradient(moved, loss, strengths, settings.tile)
    gradient = gradient.roll((-down, -right), dims=(2, 3))
    gradient = smoothed(gradient, settings.bands, settings.smoothing)
    size = gradient.abs().mean().clamp_min(_TINY)
    return (image + settings.step_size * gradient / size).clamp(0, 1)


def measure_strengths(image: Tensor, loss: DreamLoss, tile: int) -> dict[str, Tensor]:
    """Measures the yardsticks of an image, in little memory.

    Args:
        image: RGB in [0, 1], shape (1, 3, H, W).
        loss: Whose yardsticks.
        tile: See :func:`dream_gradient`.

    Returns:
        For each layer the root mean square of its features, shape (1,).
    """
    squares = dict.fromkeys(loss.layers, image.new_zeros(1))
    for rows, columns in _pieces(image, tile):
        piece = image[:, :, rows, columns]
        share = piece.numel() / image.numel()
        for layer, strength in loss.strengths(piece).items():
            squares[layer] = squares[layer] + share * strength.square()
    return {layer: square.sqrt() for layer, square in squares.items()}


def dream_gradient(
    image: Tensor, loss: DreamLoss, strengths: dict[str, Tensor], tile: int
) -> Tensor:
    """Says where each pixel has to go for the energy to fall, in little memory.

    Args:
        image: RGB in [0, 1], shape (1, 3, H, W).
        loss: What is to fall.
        strengths: Its yardsticks.
        tile: Side of the largest piece that goes through the encoder at once, in pixels. Each
            counts by its area.

    Returns:
        The negative gradient, in the shape of ``image``.
    """
    gradient = torch.empty_like(image)
    for rows, columns in _pieces(image, tile):
        piece = image[:, :, rows, columns].detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(loss.energy(piece, strengths), piece)
        gradient[:, :, rows, columns] = -slope * (piece.numel() / image.numel())
    return gradient


def smoothed(gradient: Tensor, bands: int, smoothing: float) -> Tensor:
    """Brings the frequencies of a gradient into balance.

    A gradient is mostly fine noise. Split into bands by a Gaussian pyramid, each band brought to
    the same size and put together again, coarse structures get their turn: the Laplacian
    normalization of the TensorFlow tutorial on DeepDream by one of the authors. What is coarser
    than the last band is left out here: it shifts colors and contrast until they saturate, and
    the smaller octaves see to large structures.

    Args:
        gradient: Shape (1, 3, H, W).
        bands: How many, each an octave wide; fewer where a side would fall below 4. 0 leaves the
            gradient as it is.
        smoothing: By how much each band counts more than the finer one before it; 1 for alike.

    Returns:
        The same shape, of any size.
    """
    pyramid: list[Tensor] = []
    rest = gradient
    while len(pyramid) < bands and min(rest.shape[2:]) >= 2 * _SMALLEST_BAND:
        coarse = _halved(rest)
        pyramid.append(rest - _enlarged(coarse, rest))
        rest = coarse
    if not pyramid:
        return gradient
    result = torch.zeros_like(rest)
    for index in reversed(range(len(pyramid))):
        band = pyramid[index]
        size = band.square().mean().sqrt().clamp_min(_TINY)
        result = _enlarged(result, band) + band * (smoothing**index / size)
    return result


def _pieces(image: Tensor, tile: int) -> list[tuple[slice, slice]]:
    """Cuts an image into pieces of about the same size, rows and columns of each."""
    cuts = []
    for length in image.shape[2:]:
        count = -(-length // tile)
        edges = [length * index // count for index in range(count + 1)]
        cuts.append([slice(*pair) for pair in itertools.pairwise(edges)])
    return list(itertools.product(*cuts))


def _halved(image: Tensor) -> Tensor:
    """Half the size, blurred by (1, 3, 3, 1) / 8: :func:`_enlarged` puts it back in its place."""
    size = [-(-side // 2) for side in image.shape[2:]]
    return F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)


def _enlarged(image: Tensor, like: Tensor) -> Tensor:
    """The size of another."""
    return F.interpolate(image, like.shape[2:], mode="bilinear", align_corners=False)
