"""Fields over a canvas that the brushes follow: noise, directions, color gradients."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]


def grid(size: int) -> tuple[Array, Array]:
    """Return the coordinates of every pixel of a square canvas.

    Args:
        size: Side of the canvas in pixels.

    Returns:
        x and y in [0, 1], y downwards, each of shape (size, size).
    """
    axis = (np.arange(size) + 0.5) / size
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return x, y


def noise(random: np.random.Generator, size: int, cells: int, octaves: int = 3) -> Array:
    """Return smooth random noise, a sum of octaves (Perlin 1985).

    Args:
        random: Random generator.
        size: Side of the canvas in pixels.
        cells: Number of cells along a side of the coarsest octave.
        octaves: Number of octaves, each twice as fine and half as strong as the last.

    Returns:
        About normally distributed with mean 0 and standard deviation 1, shape (size, size).
    """
    total = np.zeros((size, size))
    for octave in range(octaves):
        coarse = random.standard_normal((cells * 2**octave + 3,) * 2).astype(np.float32)
        fine = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
        total += np.asarray(fine) / 2**octave
    return (total - total.mean()) / total.std()


def palette(value: Array, *colors: str) -> Array:
    """Interpolate between colors.

    Args:
        value: Position from 0 (first color) to 1 (last color), clipped.
        *colors: Two or more colors, ``rrggbb``.

    Returns:
        RGB in [0, 255], shape (..., 3).
    """
    table = np.array([list(bytes.fromhex(color)) for color in colors], dtype=float)
    positions = np.clip(value, 0, 1) * (len(table) - 1)
    steps = np.arange(len(table))
    return np.stack([np.interp(positions, steps, table[:, channel]) for channel in range(3)], -1)


def mix(first: Array, second: Array, weight: Array | float) -> Array:
    """Blend two images.

    Args:
        first: RGB, shape (H, W, 3).
        second: RGB, broadcastable to the shape of ``first``.
        weight: Weight of ``second``, clipped to [0, 1]; a number or of shape (H, W).

    Returns:
        RGB, shape (H, W, 3).
    """
    weight = np.clip(np.asarray(weight, dtype=float), 0, 1)[..., None]
    return first * (1 - weight) + second * weight


def flow_along(phase: Array) -> Array:
    """Return the directions of a field's contour lines, for strokes to follow.

    Args:
        phase: Smooth field, shape (H, W). Jumps by 2π are ignored.

    Returns:
        Angles in radians, shape (H, W).
    """
    sine, cosine = np.sin(phase), np.cos(phase)
    down, right = (
        cosine * s - sine * c for s, c in zip(np.gradient(sine), np.gradient(cosine), strict=True)
    )
    return np.arctan2(right, -down)


def turn(angles: Array, other: Array, weight: Array) -> Array:
    """Interpolate between two fields of directions; opposite directions are equivalent.

    Args:
        angles: Directions in radians, shape (H, W).
        other: Directions to turn to, in radians, shape (H, W).
        weight: Weight of ``other`` in [0, 1], shape (H, W).

    Returns:
        Angles in radians, shape (H, W).
    """
    sine = (1 - weight) * np.sin(2 * angles) + weight * np.sin(2 * other)
    cosine = (1 - weight) * np.cos(2 * angles) + weight * np.cos(2 * other)
    return np.arctan2(sine, cosine) / 2
