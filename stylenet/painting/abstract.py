"""A bold composition: circles, arcs, triangles and lines over patches of brushy color."""

import numpy as np
from PIL import Image

from stylenet.painting.brush import Brush, Canvas, arcs, to_image
from stylenet.painting.fields import Array, flow_along, grid, mix, noise, palette, turn

# The composition was chosen by eye; positions and lengths are fractions of the canvas.
# Patches of color in the background: center, radius, color, opacity.
_PATCHES = [
    (0.18, 0.20, 0.26, "e8b23a", 0.9), (0.80, 0.18, 0.24, "4f93b8", 0.9),
    (0.86, 0.66, 0.26, "d9573a", 0.9), (0.22, 0.80, 0.28, "2d6f73", 0.9),
    (0.52, 0.50, 0.20, "f3d9b0", 0.8), (0.55, 0.92, 0.22, "c98bb0", 0.8),
    (0.46, 0.12, 0.16, "e9e0c4", 0.9), (0.05, 0.52, 0.16, "c8463c", 0.8),
]  # fmt: skip
# Discs of rings: center, radius, colors from the center outwards.
_DISCS = [
    (0.31, 0.29, 0.190, ("10131c", "c22d2a", "f0b62e", "2a5aa0", "151a30", "7fb2bd")),
    (0.70, 0.60, 0.155, ("f7e08a", "e2702c", "7a1f3a", "1f2c5c", "e9c9a0")),
    (0.80, 0.21, 0.090, ("f2f0dc", "d23a34", "141824", "f1bb3c")),
    (0.16, 0.66, 0.085, ("2b2f6e", "8fb8c9", "e8d5a0", "b5303a")),
    (0.51, 0.86, 0.070, ("efc64a", "1e5f66", "ece4cc")),
    (0.55, 0.10, 0.048, ("c22d2a", "f3e9cf", "23305e")),
    (0.91, 0.87, 0.062, ("16213a", "4fa0a8", "f0d27a")),
]  # fmt: skip
# Translucent triangles: corners and color.
_SHAPES = [
    (((0.40, 0.04), (0.98, 0.44), (0.60, 0.50)), "f0c23c"),
    (((0.05, 0.98), (0.42, 0.46), (0.46, 0.96)), "d8452e"),
    (((0.42, 0.52), (0.98, 0.98), (0.62, 0.98)), "2f6fae"),
    (((0.02, 0.36), (0.42, 0.44), (0.12, 0.56)), "214a7d"),
    (((0.58, 0.30), (0.76, 0.34), (0.68, 0.44)), "b3263a"),
    (((0.76, 0.74), (0.98, 0.70), (0.98, 0.80)), "2d7a5f"),
    (((0.02, 0.02), (0.20, 0.02), (0.02, 0.18)), "2d7a72"),
]
# Straight lines: start, end, width of the brush.
_LINES = [
    ((0.02, 0.93), (0.72, 0.02), 11), ((0.10, 0.99), (0.78, 0.06), 5),
    ((0.38, 0.99), (0.97, 0.33), 9), ((0.02, 0.46), (0.60, 0.60), 7),
    ((0.55, 0.36), (0.99, 0.56), 5), ((0.60, 0.99), (0.88, 0.42), 4),
    ((0.44, 0.03), (0.50, 0.42), 5), ((0.03, 0.60), (0.36, 0.99), 5),
    ((0.66, 0.05), (0.99, 0.10), 6),
]  # fmt: skip
# Arcs: center, radius, start and end angle, width of the brush, color.
_ARCS = [
    (0.45, 0.62, 0.30, -2.6, -0.4, 13, "14161f"), (0.45, 0.62, 0.265, -2.5, -0.6, 7, "b3263a"),
    (0.66, 0.30, 0.22, 0.3, 2.3, 10, "14161f"), (0.20, 0.86, 0.16, 3.3, 5.6, 9, "14161f"),
    (0.92, 0.46, 0.15, 1.7, 4.2, 9, "22346b"), (0.92, 0.46, 0.12, 1.8, 4.0, 6, "f0c23c"),
    (0.36, 0.05, 0.16, 0.5, 2.6, 8, "14161f"),
]  # fmt: skip
_INK = "12141c"


def paint_abstract(size: int, seed: int) -> Image.Image:
    """Paint the image.

    Args:
        size: Side of the square image in pixels.
        seed: Seed of every stroke.

    Returns:
        Mode RGB, ``size`` by ``size``.
    """
    random = np.random.default_rng(seed)
    canvas = Canvas(size, "c9b48a", random)
    colors, angles = _compose(canvas)
    canvas.fill(colors, 3 * noise(random, size, 9), Brush(34, 50, 12, jitter=8, cover=3))
    canvas.fill(colors, angles, Brush(26, 90, 11, jitter=10, grain=11, cover=2.5))
    canvas.fill(colors, angles, Brush(13, 60, 7, jitter=13, grain=12, cover=2.6))
    canvas.fill(colors, angles, Brush(7, 36, 5, jitter=15, grain=13, cover=2.2))
    for corners, _ in _SHAPES:
        for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
            _rule(canvas, np.linspace(start, end, 60), _INK, 5)
    _paint_signs(canvas)
    for start, end, width in _LINES:
        _rule(canvas, np.linspace(start, end, 60), _INK, width)
    for cx, cy, radius, first, last, width, color in _ARCS:
        angle = np.linspace(first, last, 60)
        arc = np.stack([cx + radius * np.cos(angle), cy + radius * np.sin(angle)], -1)
        _rule(canvas, arc, color, width)
    for cx, cy, radius, _ in _DISCS:
        ring = arcs(canvas, (cx * size, cy * size), np.full(round(700 * radius), radius * size), 60)
        canvas.draw_strokes(ring, _repeat(_INK, len(ring)), Brush(6, 60, 5, jitter=8))
    return to_image(canvas.pixels())


def _compose(canvas: Canvas) -> tuple[Array, Array]:
    """Return the colors and stroke directions of all areas."""
    random, size = canvas.random, canvas.size
    x, y = grid(size)
    # Distorted a little, so that edges look drawn by hand.
    x, y = x + 0.004 * noise(random, size, 8), y + 0.004 * noise(random, size, 8)
    cloud = noise(random, size, 4)
    colors = palette(0.5 + 0.25 * cloud, "b99a6b", "e3cfa2", "f0e4c6", "cfd3c0")
    angles = flow_along(2 * cloud + 3 * x)
    for cx, cy, radius, color, opacity in _PATCHES:
        distance = np.hypot(x - cx, y - cy) / radius + 0.13 * noise(random, size, 5)
        shade = palette(0.5 + 0.2 * noise(random, size, 6), *_shades(color))
        colors = mix(colors, shade, opacity * np.clip(2.6 - 2.2 * distance, 0, 1))
    for corners, color in _SHAPES:
        inside, along = _inside(x, y, np.array(corners))
        shade = palette(0.5 + 0.24 * noise(random, size, 6), *_shades(color))
        colors = mix(colors, shade, 0.86 * inside)
        angles = np.where(inside > 0, along, angles)
    for cx, cy, radius, rings in _DISCS:
        distance = np.hypot(x - cx, y - cy) / radius
        ring = np.floor(np.clip(distance * len(rings), 0, len(rings) - 0.01)) / (len(rings) - 1)
        halo = 0.55 * np.clip(1 - (distance - 1) / 0.45, 0, 1) * (distance >= 1)
        colors = mix(colors, palette(ring, *rings), np.where(distance < 1, 0.95, halo))
        around = np.arctan2(y - cy, x - cx) + np.pi / 2
        angles = turn(angles, around, np.clip(3.2 - 2 * distance, 0, 1))
    # Where a triangle overlaps a disc, the colors are inverted.
    for corners, _ in _SHAPES[:4]:
        inside, _ = _inside(x, y, np.array(corners))
        disc = np.min([np.hypot(x - cx, y - cy) / radius for cx, cy, radius, _ in _DISCS], axis=0)
        overlap = inside * (disc < 1)
        colors = mix(colors, 255 - 0.9 * colors, 0.62 * overlap)
    return colors, angles


def _paint_signs(canvas: Canvas) -> None:
    """Paint a chessboard, a ladder of bars, a fan of rays and scattered dots."""
    random, size = canvas.random, canvas.size
    for row in range(5):
        for column in range(6):
            corner = np.array(
                [0.275 + 0.032 * column + 0.012 * row, 0.70 + 0.030 * row - 0.012 * column]
            )
            color = ["14161f", "efe6cf", "c22d2a", "efe6cf", "2a5aa0"][(row + column * 3) % 5]
            lines = [
                corner + np.linspace((0, k), (0.029, k - 0.010), 6)
                for k in np.linspace(0.003, 0.026, 4)
            ]
            canvas.draw_strokes(
                np.stack(lines) * size, _repeat(color, 4), Brush(10, 0, 6, jitter=9)
            )
    for i in range(11):
        foot = (0.10 + 0.020 * i, 0.415 + 0.010 * i)
        head = (foot[0] + 0.034, foot[1] - 0.055)
        _rule(canvas, np.linspace(foot, head, 14), _INK, 6)
    for i in range(9):
        angle = -0.2 + 0.14 * i
        tip = np.array([0.74, 0.80]) + 0.19 * np.array([np.cos(angle), np.sin(angle)])
        _rule(canvas, np.linspace((0.74, 0.80), tip, 20), ["f3e9cf", "12141c"][i % 2], 4)
    for _ in range(46):
        center = random.uniform(0.03, 0.97, 2) * size
        color = str(random.choice(["c22d2a", "14161f", "f0c23c", "f3e9cf", "2a5aa0"]))
        radii = (
            np.sort(random.uniform(0.05, 1, 9))[::-1] * random.uniform(4, 12) * canvas.brush_scale
        )
        canvas.draw_strokes(
            arcs(canvas, tuple(center), radii, 18), _repeat(color, 9), Brush(6, 0, 4)
        )


def _rule(canvas: Canvas, line: Array, color: str, width: float) -> None:
    """Paint a long line in short overlapping strokes, with a slight wobble."""
    random = canvas.random
    wobble = np.cumsum(random.normal(0, 0.0005, line.shape), axis=0)
    pieces = min(12, len(line))
    starts = range(0, len(line) - pieces + 1, max(1, pieces // 2))
    lines = np.stack([(line + wobble)[start : start + pieces] for start in starts]) * canvas.size
    canvas.draw_strokes(lines, _repeat(color, len(lines)), Brush(width, 0, 6, jitter=7, grain=9))


def _inside(x: Array, y: Array, corners: Array) -> tuple[Array, float]:
    """Return a mask of the pixels in a convex shape, and the angle of its first edge."""
    signs = []
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        signs.append((bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0)
    edge = corners[1] - corners[0]
    inside = np.all(signs, axis=0) | ~np.any(signs, axis=0)
    return inside * 1.0, float(np.arctan2(edge[1], edge[0]))


def _shades(color: str) -> tuple[str, ...]:
    """Return a darker shade of a color, the color itself and a lighter shade."""
    middle = np.array(list(bytes.fromhex(color)), dtype=float)
    shades = (middle * 0.62, middle, middle * 0.65 + 255 * 0.35)
    return tuple("".join(f"{round(channel):02x}" for channel in shade) for shade in shades)


def _repeat(color: str, count: int) -> Array:
    """Repeat a color for every stroke, shape (N, 3)."""
    return palette(np.zeros(count), color, color)
