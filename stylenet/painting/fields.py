"""Fields over a canvas: noise, distances, ramps of color. What the brushes follow."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]


def grid(size: int) -> tuple[Array, Array]:
    """Gives every pixel its place.

    Args:
        size: Side of the square canvas in pixels.

    Returns:
        x and y in [0, 1], y downwards, each of shape (size, size).
    """
    axis = (np.arange(size) + 0.5) / size
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return x, y


def noise(random: np.random.Generator, size: int, cells: int, octaves: int = 3) -> Array:
    """Smooth random hills and valleys, after Perlin's sum of ever finer noises (1985).

    Args:
        random: Where chance comes from.
        size: Side of the canvas in pixels.
        cells: How many hills side by side the coarsest noise has.
        octaves: How many noises are summed, each twice as fine and half as strong.

    Returns:
        About normal with mean 0 and deviation 1, shape (size, size).
    """
    total = np.zeros((size, size))
    for octave in range(octaves):
        coarse = random.standard_normal((cells * 2**octave + 3,) * 2).astype(np.float32)
        fine = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
        total += np.asarray(fine) / 2**octave
    return (total - total.mean()) / total.std()


def palette(value: Array, *colors: str) -> Array:
    """Looks colors up between the given ones.

    Args:
        value: From 0, the first color, to 1, the last; clipped.
        *colors: Two or more, written ``rrggbb``.

    Returns:
        RGB in [0, 255], shape (..., 3).
    """
    table = np.array([list(bytes.fromhex(color)) for color in colors], dtype=float)
    places = np.clip(value, 0, 1) * (len(table) - 1)
    steps = np.arange(len(table))
    return np.stack([np.interp(places, steps, table[:, channel]) for channel in range(3)], -1)


def mix(first: Array, second: Array, share: Array | float) -> Array:
    """Goes from one image over to another.

    Args:
        first: RGB, shape (H, W, 3).
        second: RGB, of a shape that fits the first.
        share: Of the second, in [0, 1]; shape (H, W) or one number.

    Returns:
        RGB, shape (H, W, 3).
    """
    share = np.clip(np.asarray(share, dtype=float), 0, 1)[..., None]
    return first * (1 - share) + second * share


def flow_along(phase: Array) -> Array:
    """The directions along which a field does not change: strokes then follow its contours.

    Args:
        phase: Any smooth field, shape (H, W); jumps by whole turns (2π) do not count.

    Returns:
        Angles in radians, shape (H, W).
    """
    sine, cosine = np.sin(phase), np.cos(phase)
    down, right = (
        cosine * s - sine * c for s, c in zip(np.gradient(sine), np.gradient(cosine), strict=True)
    )
    return np.arctan2(right, -down)


def turn(angles: Array, other: Array, share: Array) -> Array:
    """Turns directions towards others; a direction and its opposite mean the same.

    Args:
        angles: In radians, shape (H, W).
        other: Where to, likewise.
        share: Of the other direction, in [0, 1], likewise.

    Returns:
        Angles in radians, shape (H, W).
    """
    sine = (1 - share) * np.sin(2 * angles) + share * np.sin(2 * other)
    cosine = (1 - share) * np.cos(2 * angles) + share * np.cos(2 * other)
    return np.arctan2(sine, cosine) / 2
