"""Night sky: swirls, glowing stars and a moon over hills, a village and a dark tree."""

import numpy as np
from PIL import Image

from stylenet.painting.brush import Brush, Canvas, arcs, to_image
from stylenet.painting.fields import Array, flow_along, grid, mix, noise, palette, turn
from stylenet.painting.village import paint_village

_NIGHT = ("0a1034", "14235e", "1d3f8f", "2c62b4", "4f8fca", "9cc4d8", "dfe6c8")
# Swirls: center, radius, strength. All positions below are fractions of the canvas, chosen by eye.
_SWIRLS = [(0.46, 0.36, 0.15, 2.1), (0.72, 0.45, 0.09, -2.2), (0.30, 0.56, 0.05, 1.6)]
# Stars: center, radius of the glow.
_STARS = [
    (0.09, 0.10, 0.060), (0.27, 0.20, 0.075), (0.42, 0.08, 0.055), (0.60, 0.15, 0.070),
    (0.73, 0.28, 0.050), (0.93, 0.42, 0.055), (0.30, 0.40, 0.045), (0.55, 0.58, 0.050),
    (0.84, 0.58, 0.042), (0.72, 0.05, 0.030), (0.04, 0.36, 0.036), (0.64, 0.29, 0.028),
    (0.40, 0.60, 0.030), (0.15, 0.02, 0.030),
]  # fmt: skip
_MOON = (0.87, 0.16, 0.12)
# Radians of phase from the top of the sky to the bottom: about 15 bands of color.
_BANDS = 95
_GLOW = ("3f77b5", "86b7b4", "cfd489", "f4cf4a", "fbe27a", "fff8d6")
# Hills from far to near: level, height, number and phase of the waves of the ridge, colors, contour
# color.
_HILLS = [
    (0.735, 0.030, 5.0, 0.4, ("16295f", "22478c", "3b71ad", "7fb0c4"), "0c1437"),
    (0.800, 0.028, 6.5, 2.2, ("0f2549", "1c4a6b", "2f7484", "79a78c"), "0a1230"),
    (0.875, 0.022, 8.0, 4.0, ("0c1f2c", "1d4538", "3f6f3c", "9aa34f"), "081018"),
]
# The tree's tongues from back to front: x of the root, height of the tip, half the width.
_TONGUES = [
    (0.155, 0.45, 0.090), (0.255, 0.58, 0.052), (0.055, 0.55, 0.055), (0.205, 0.34, 0.058),
    (0.105, 0.30, 0.060), (0.155, 0.10, 0.070),
]  # fmt: skip


def paint_starry(size: int, seed: int) -> Image.Image:
    """Paint the image.

    Args:
        size: Side of the square image in pixels.
        seed: Seed of every stroke.

    Returns:
        Mode RGB, ``size`` by ``size``.
    """
    random = np.random.default_rng(seed)
    canvas = Canvas(size, "10194a", random)
    x, y = grid(size)
    _paint_sky(canvas, x, y)
    _paint_land(canvas, x, y)
    paint_village(canvas)
    _paint_tree(canvas, x, y)
    return to_image(canvas.pixels())


def _paint_sky(canvas: Canvas, x: Array, y: Array) -> None:
    """Paint ribbons along currents and whirlpools, then the stars and the moon."""
    random, size = canvas.random, canvas.size
    # The bands of color and the strokes follow this phase: waves from left to right, whirlpools.
    # Adding the angle around a whirlpool turns its bands from rings into spirals.
    phase = y + 0.035 * np.sin(7 * x + 1) * np.sin(5 * y) + 0.010 * noise(random, size, 4)
    light = 0.34 * np.exp(-(((y - 0.70) / 0.08) ** 2)) - 0.14 * (1 - y)
    for cx, cy, radius, strength in _SWIRLS:
        bump = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / radius**2)
        phase += strength * radius * bump
        light += 0.20 * bump
    phase *= _BANDS
    for cx, cy, _, strength in _SWIRLS:
        phase += np.sign(strength) * np.arctan2(y - cy, x - cx)
    angles = flow_along(phase) + 0.10 * noise(random, size, 5)
    tone = 0.42 + light + 0.26 * np.sin(phase + 0.7 * noise(random, size, 6))
    colors = palette(tone + 0.10 * noise(random, size, 4), *_NIGHT)
    for cx, cy, radius in [*_STARS, _MOON]:
        distance = np.hypot(x - cx, y - cy) / radius
        rings = 1.22 - distance * 0.98 + 0.08 * np.cos(distance * 9)
        colors = mix(colors, palette(rings, *_GLOW), np.exp(-(distance**2) * 1.6) * 1.5)
        around = np.arctan2(y - cy, x - cx) + np.pi / 2
        angles = turn(angles, around, np.clip(2.6 - 1.5 * distance, 0, 1))
    # A layer of random strokes first: the layers above leave gaps where currents diverge.
    canvas.fill(colors, 3 * noise(random, size, 9), Brush(34, 50, 12, cover=3.5))
    canvas.fill(colors, angles, Brush(30, 120, 12, jitter=8, cover=2.5))
    canvas.fill(colors, angles, Brush(15, 75, 8, jitter=13, grain=12, cover=2.2))
    accents = palette(random.random(x.shape), "0a1030", "24489a", "5f9dcb", "8fc0b4", "e3d98a")
    canvas.fill(mix(colors, accents, 0.55), angles, Brush(9, 58, 6, jitter=16, cover=0.5))
    canvas.fill(colors, angles, Brush(7, 44, 5, jitter=20, grain=14, cover=0.9))
    for cx, cy, radius in _STARS:
        _paint_star(canvas, cx, cy, radius)
    _paint_moon(canvas, x, y)


def _paint_star(canvas: Canvas, cx: float, cy: float, radius: float) -> None:
    """Paint a star: short strokes in circles, brighter inwards, with a core of thick paint."""
    random, size = canvas.random, canvas.size
    center = (cx * size, cy * size)
    count = round(20 + 900 * radius)
    distances = np.sort(random.uniform(0.25, 1.3, count))[::-1]
    # On separate rings, so that the night shows between them.
    rings = random.uniform(3.5, 5.5)
    distances = np.round(distances * rings) / rings + random.normal(0, 0.02, count)
    lines = arcs(canvas, center, distances * radius * size, 28)
    tone = random.uniform(1.0, 1.15) - distances * 0.95 + random.normal(0, 0.12, count)
    colors = palette(tone, "2b5ca8", "6fa9c6", "c9d690", "f3c63a", "fbe68a", "fffbe6")
    canvas.draw_strokes(lines, colors, Brush(8.5, 26, 5, jitter=10, grain=13))
    core = arcs(canvas, center, random.uniform(0.02, 0.24, 14) * radius * size, 14)
    white = np.tile([255.0, 246, 205], (14, 1))
    canvas.draw_strokes(core, white, Brush(11, 20, 6, jitter=8, grain=10))


def _paint_moon(canvas: Canvas, x: Array, y: Array) -> None:
    """Paint a crescent of thick ochre strokes around a paler disc."""
    cx, cy, radius = _MOON
    dx, dy = (x - cx) / radius, (y - cy) / radius
    outer, inner = np.hypot(dx, dy), np.hypot(dx + 0.30, dy + 0.12)
    around = np.arctan2(dy, dx) + np.pi / 2
    disc = palette(0.5 + 0.5 * np.cos(inner * 22), "a9bf8c", "dcd78c", "f6eeb4")
    canvas.fill(disc, around, Brush(9, 34, 6, jitter=10, cover=4), (outer < 0.62) * 1.0)
    crescent = (outer < 0.64) & (inner > 0.56)
    ochre = palette(0.3 + inner - 0.56 + 0.4 * np.sin(outer * 60), "d9801a", "f2a922", "fbd34a")
    canvas.fill(ochre, around, Brush(10, 26, 6, jitter=10, grain=12, cover=14), crescent * 1.0)


def _paint_land(canvas: Canvas, x: Array, y: Array) -> None:
    """Paint three ranges of hills, each with strokes along its ridge and a dark contour."""
    random, size = canvas.random, canvas.size
    for level, height, waves, phase, colors, contour in _HILLS:
        ridge = level + height * (np.sin(waves * x + phase) + 0.6 * np.sin(2.3 * waves * x))
        depth = y - ridge
        rolling = depth + 0.018 * noise(random, size, 8) * np.clip(depth * 40, 0, 1)
        angles = flow_along(rolling)
        tone = 0.42 + 0.3 * np.sin(rolling * 150) + 0.16 * noise(random, size, 10)
        paint = palette(tone, *colors)
        inside = (depth > 0.004) * 1.0
        canvas.fill(paint, angles, Brush(20, 80, 9, jitter=8, cover=3.5), inside)
        canvas.fill(paint, angles, Brush(9, 46, 6, jitter=16, grain=13, cover=2.2), inside)
        middles = random.uniform(0, 1, round(90 * canvas.brush_scale) + 8)
        points = np.stack([middles, np.interp(middles, x[0], ridge[0])], -1) * size
        lines = canvas.trace(points, angles, 70)
        dark = palette(np.zeros(len(lines)), contour, contour)
        canvas.draw_strokes(lines, dark, Brush(7, 70, 5, jitter=8, grain=8))


def _paint_tree(canvas: Canvas, x: Array, y: Array) -> None:
    """Paint a dark tree like a flame: tongues of long, leaning strokes."""
    random, size = canvas.random, canvas.size
    for root, top, wide in _TONGUES:
        rise = np.clip((1.02 - y) / (1.02 - top), 0, 1)  # 0 at the foot, 1 at the tip
        middle = root + 0.018 * np.sin(10 * y + 40 * root) * rise + (0.155 - root) * 0.5 * rise
        half = wide * (1 - rise) ** 0.75 * (0.9 + 0.18 * np.sin(24 * y + 60 * root))
        inside = ((np.abs(x - middle) < half) & (y > top)) * 1.0
        lean = np.pi / 2 + 0.30 * np.sin(26 * y + 9 * x + 50 * root) + (x - middle) * 2.2
        ribs = np.sin((x - middle) * 210 + 6 * np.sin(15 * y))
        tone = 0.33 + 0.33 * ribs + 0.15 * noise(random, size, 12)
        colors = palette(tone, "060a12", "10201c", "1f3d2a", "47602c", "86743a", "6b3d22")
        canvas.fill(colors, lean, Brush(17, 110, 9, jitter=6, cover=4), inside)
        canvas.fill(colors, lean, Brush(8, 85, 6, jitter=13, grain=11, cover=3), inside)
