"""Stained glass: a sun over hills and a river, in cells of colored glass held by lead."""

from itertools import pairwise

import numpy as np
from PIL import Image, ImageFilter

from stylenet.painting.brush import Brush, Canvas, to_image
from stylenet.painting.fields import Array, grid, mix, noise, palette

# The design's places, sizes and colors were chosen by eye; lengths are shares of the canvas.
_SUN = (0.60, 0.36)
_RINGS = (0.045, 0.095, 0.145, 0.195, 0.250)
_RING_COLORS = ("fff3c0", "ffd24a", "f7941e", "d9301f", "8e1230")
_SKY = ("0f2f8f", "1c5fc4", "2f9bd6", "6fcbe0")
_RAYS = ("fbe08a", "f7c22e", "f08a24", "d8433a", "8a2a7c")
_HILLS = (("0f6b3a", "2fa052", "9ccb3b"), ("0b4d44", "137a5a", "4fb06a"))
_RIVER = ("123a9c", "1f86cf", "5fd0e6", "d3f2f2")
_FLOWERS = ("c3163c", "e8447c", "7a2a9c", "f0a01e")
_LEAD = "14151b"


def paint_mosaic(size: int, seed: int) -> Image.Image:
    """Paints the image.

    Args:
        size: Its side in pixels.
        seed: Chooses the cells and every streak in the glass.

    Returns:
        Mode RGB, ``size`` by ``size``.
    """
    random = np.random.default_rng(seed)
    x, y = grid(size)
    # Bent a little: nobody cuts glass along a ruler.
    x, y = x + 0.006 * noise(random, size, 6), y + 0.006 * noise(random, size, 6)
    seeds = _seeds(random)
    nearest, depth = _cells(x, y, seeds)
    colors, parts = _design(random, seeds)

    glass = colors[nearest] + 18 * noise(random, size, 5)[..., None]
    # Thicker, darker glass and grime towards the lead.
    glass = glass * (0.55 + 0.45 * np.clip(depth / 0.016, 0, 1) ** 0.7)[..., None]
    canvas = Canvas(size, _LEAD, random)
    streaks = random.uniform(0, np.pi, len(seeds))[nearest] + 0.25 * noise(random, size, 8)
    canvas.fill(glass, streaks, Brush(15, 34, 8, jitter=9, grain=12, cover=4))
    canvas.fill(glass * 1.06, streaks, Brush(7, 26, 5, jitter=13, grain=14, cover=3))
    # The sun itself gives light, and the sheets of glass are uneven.
    glow = np.exp(-((x - _SUN[0]) ** 2 + (y - _SUN[1]) ** 2) / 0.30)
    down, right = np.gradient(noise(random, size, 60, 2))
    ripple = np.clip((down + right) / (down + right).std(), -2, 2)
    pixels = canvas.pixels() * (0.80 + 0.42 * glow)[..., None] + 9 * ripple[..., None]
    return to_image(_lay_lead(random, pixels, depth, nearest, parts))


def _seeds(random: np.random.Generator) -> Array:
    """Middles of the cells: on rings around the sun, further out more and more at random."""
    points = [np.array([_SUN])]
    edges = [0.0, *_RINGS, 0.31, 0.38, 0.46, 0.55, 0.65, 0.77]
    for ring, (inner, outer) in enumerate(pairwise(edges[1:])):
        middle = (inner + outer) / 2
        count = 8 * (1 + min(ring, 8))
        angles = np.arange(count) * 2 * np.pi / count + 0.2 * ring
        angles += random.normal(0, 0.02 + 0.012 * ring, count)
        radii = middle + random.normal(0, 0.004 + 0.001 * ring, count)
        ringed = np.stack([np.cos(angles), np.sin(angles)], -1) * radii[:, None] + _SUN
        points.append(ringed[ringed[:, 1] < _ground(ringed[:, 0]) - 0.012])
    # Below, cells are put one by one where there is room, as in Mitchell's best candidates (1991).
    land: list[Array] = []
    for _ in range(185):
        places = random.uniform([-0.02, 0.5], [1.02, 1.02], (24, 2))
        places = places[places[:, 1] > _ground(places[:, 0]) + 0.008]
        if land and len(places):
            room = np.linalg.norm(places[:, None] - np.array(land)[None], axis=2).min(1)
            places = places[[room.argmax()]]
        land.extend(places[:1])
    return np.concatenate([*points, np.array(land)])


def _ground(x: Array) -> Array:
    """Where the hills end against the sky."""
    return 0.66 + 0.05 * np.sin(5 * x + 0.6) + 0.02 * np.sin(13 * x)


def _design(random: np.random.Generator, seeds: Array) -> tuple[Array, Array]:
    """The color of each cell, and which part of the image it belongs to."""
    x, y = seeds.T
    away = np.hypot(x - _SUN[0], y - _SUN[1])
    chance = random.random(len(seeds))
    ray = np.floor((np.arctan2(y - _SUN[1], x - _SUN[0]) / (2 * np.pi) + 1) * 16).astype(int) % 2
    deep = palette(1.15 - away / 0.75 + 0.35 * (chance - 0.5), *_SKY)
    bright = palette(away / 0.85 - 0.25 + 0.3 * (chance - 0.5), *_RAYS)
    colors = np.where((ray == 1)[:, None], bright, deep)
    parts = np.where(ray == 1, 2, 1)
    for ring in range(len(_RINGS) - 1, -1, -1):
        inside = away < _RINGS[ring]
        colors[inside] = palette(np.zeros(1), _RING_COLORS[ring], _RING_COLORS[ring])
        parts[inside] = 10 + ring
    land = y > _ground(x)
    near = y > 0.80 + 0.06 * np.sin(4 * x + 2)
    course = 0.40 + 0.16 * np.sin(7.5 * (y - 0.62)) + 0.10 * (y - 0.62)
    wet = np.abs(x - course) < 0.05 + 0.30 * np.clip(y - 0.64, 0, 1)
    flower = near & ~wet & (chance < 0.42)
    hues = random.integers(len(_FLOWERS), size=len(seeds))
    for chosen, paint, part in [
        (land & ~near, palette(chance, *_HILLS[0]), 3),
        (land & near, palette(chance, *_HILLS[1]), 4),
        (land & wet, palette(random.random(len(seeds)), *_RIVER), 5),
        (land & flower, palette(hues / (len(_FLOWERS) - 1), *_FLOWERS), 6),
    ]:
        colors[chosen], parts[chosen] = paint[chosen], part
    # Sheets of glass of the same name are never quite the same.
    return colors * random.normal(1, 0.10, (len(seeds), 1)), parts


def _cells(x: Array, y: Array, seeds: Array) -> tuple[Array, Array]:
    """For each pixel its nearest seed, and how far it is from the border of that seed's cell."""
    nearest = np.empty(x.shape, dtype=int)
    depth = np.empty(x.shape)
    sx, sy = seeds.T.astype(np.float32)
    for row in range(len(x)):  # row by row, to need little memory
        px, py = x[row, :, None].astype(np.float32), y[row, :, None].astype(np.float32)
        squares = (px - sx) ** 2 + (py - sy) ** 2  # (W, seeds)
        two = np.argpartition(squares, 1, axis=1)[:, :2]
        ordered = np.take_along_axis(squares, two, 1)
        first = ordered.argmin(1)
        own, other = two[np.arange(len(two)), first], two[np.arange(len(two)), 1 - first]
        gap = np.hypot(sx[own] - sx[other], sy[own] - sy[other])
        nearest[row] = own
        depth[row] = np.abs(ordered[:, 0] - ordered[:, 1]) / (2 * gap)
    return nearest, depth


def _lay_lead(
    random: np.random.Generator, pixels: Array, depth: Array, nearest: Array, parts: Array
) -> Array:
    """Lays strips of lead over the seams, rounded and worn; broader between parts of the design."""
    size = len(depth)
    part = parts[nearest]
    border = np.zeros((size, size), dtype=np.float32)
    border[:, 1:] += part[:, 1:] != part[:, :-1]
    border[1:] += part[1:] != part[:-1]
    # Seams of the design: all that is near a border between parts.
    reach = max(3, 2 * round(0.011 * size) + 1)
    seams = Image.fromarray((255 * (border > 0)).astype(np.uint8))
    near = seams.filter(ImageFilter.MaxFilter(reach)).filter(ImageFilter.GaussianBlur(reach / 3))
    half = (0.0032 + 0.0026 * np.asarray(near) / 255) * (1 + 0.18 * noise(random, size, 20))
    height = np.sqrt(np.clip(1 - (depth / half) ** 2, 0, 1))  # a round strip
    down, right = np.gradient(height)
    light = np.clip(-(down + right) * size / 180, -1, 1) + 0.25 * noise(random, size, 90, 1)
    lead = palette(0.35 + 0.40 * light, "07080c", "1b1d25", "454a57", "aab0ba")
    return mix(pixels, lead, np.clip((half - depth) * size * 1.2 + 0.5, 0, 1))
