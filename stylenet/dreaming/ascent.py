"""Gradient ascent steps: jittered, tiled, smoothed and normalized."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor

from stylenet.dreaming.objective import DreamObjective
from stylenet.dreaming.options import DreamOptions

# Smallest height or width of the coarsest band, in pixels.
_SMALLEST_BAND = 4
_TINY = 1e-12


def ascend(
    image: Tensor,
    loss: DreamObjective,
    strengths: dict[str, Tensor],
    options: DreamOptions,
    generator: torch.Generator,
) -> Tensor:
    """Take one gradient step on an image.

    Args:
        image: RGB in [0, 1], shape (1, 3, H, W).
        loss: Objective to lower.
        strengths: From :func:`measure_strengths`.
        generator: Random generator of the jitter, on the CPU.

    Returns:
        The same shape and range.
    """
    reach = options.jitter
    if max(image.shape[2:]) > options.tile:
        # Seams between tiles must fall at every place equally often.
        reach = max(reach, options.tile // 2)
    down, right = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
    moved = image.roll((down, right), dims=(2, 3))
    gradient = dream_gradient(moved, loss, strengths, options.tile)
    gradient = gradient.roll((-down, -right), dims=(2, 3))
    gradient = smoothed(gradient, options.bands, options.smoothing)
    size = gradient.abs().mean().clamp_min(_TINY)
    return (image + options.step_size * gradient / size).clamp(0, 1)


def measure_strengths(image: Tensor, loss: DreamObjective, tile: int) -> dict[str, Tensor]:
    """Measure the features of an image tile by tile.

    Args:
        image: RGB in [0, 1], shape (1, 3, H, W).
        tile: See :func:`dream_gradient`.

    Returns:
        Root mean square of the features by layer, shape (1,).
    """
    squares = dict.fromkeys(loss.layers, image.new_zeros(1))
    for rows, columns in _pieces(image, tile):
        piece = image[:, :, rows, columns]
        fraction = piece.numel() / image.numel()
        for layer, strength in loss.strengths(piece).items():
            squares[layer] = squares[layer] + fraction * strength.square()
    return {layer: square.sqrt() for layer, square in squares.items()}


def dream_gradient(
    image: Tensor, loss: DreamObjective, strengths: dict[str, Tensor], tile: int
) -> Tensor:
    """Return the descent direction of the energy, computed tile by tile.

    Args:
        image: RGB in [0, 1], shape (1, 3, H, W).
        strengths: From :func:`measure_strengths`.
        tile: Largest height and width of a tile that the encoder sees at once, in pixels. Each tile
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
    """Balance the frequency bands of a gradient.

    A gradient is mostly fine noise. A Gaussian pyramid splits it into bands, each band is scaled to
    the same root mean square, and their sum gives coarse structures a chance: the Laplacian
    normalization of the TensorFlow tutorial on DeepDream by one of the authors. Frequencies below
    the last band are left out: they shift colors and contrast until they saturate, and the smaller
    octaves take care of large structures.

    Args:
        gradient: Shape (1, 3, H, W).
        bands: Number of bands, each an octave wide; fewer if height or width would fall below 4. 0
            returns the gradient unchanged.
        smoothing: Factor of each band relative to the next finer one; 1 for equal bands.

    Returns:
        The same shape, of any magnitude.
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
    """Cut an image into tiles of about the same size, as slices of rows and columns."""
    cuts = []
    for length in image.shape[2:]:
        count = -(-length // tile)
        edges = [length * index // count for index in range(count + 1)]
        cuts.append([slice(*pair) for pair in itertools.pairwise(edges)])
    return list(itertools.product(*cuts))


def _halved(image: Tensor) -> Tensor:
    """Halve an image with a blur of (1, 3, 3, 1) / 8, aligned with :func:`_enlarged`."""
    size = [-(-side // 2) for side in image.shape[2:]]
    return F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)


def _enlarged(image: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(image, like.shape[2:], mode="bilinear", align_corners=False)
