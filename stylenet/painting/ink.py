"""Pen and ink on warm paper: mountains, a lake and an old tree in hatching."""

import numpy as np
from PIL import Image

from stylenet.painting.brush import Brush, Canvas, arcs, to_image
from stylenet.painting.fields import Array, grid, mix, noise, palette

_PAPER = "ecdcb8"
_INK = ("1c1512", "3a2a1e")
# Hatching lines across the canvas: about as dense as a steel pen's at arm's length.
_LINES = 118
# Darkness above which each family of lines appears: hatching, cross-hatching, a third direction.
_HATCHING = (0.07, 0.40, 0.68)
# Mountain ranges from far to near: height of the ridge, relief, darkness; chosen by eye.
_RANGES = [(0.41, 0.13, 0.50), (0.51, 0.09, 0.68), (0.60, 0.05, 0.90)]
_SHORE = 0.655
_SUN = (0.33, 0.19, 0.07)


def paint_ink(size: int, seed: int) -> Image.Image:
    """Draw the image.

    Args:
        size: Side of the square image in pixels.
        seed: Seed of the mountains, the tree and every line.

    Returns:
        Mode RGB, ``size`` by ``size``.
    """
    random = np.random.default_rng(seed)
    canvas = Canvas(size, _PAPER, random)
    x, y = grid(2 * size)  # twice the size, for smooth lines
    tone, families = _scene(random, x, y)
    stain = noise(random, 2 * size, 5)
    wash = palette(0.66 + 0.14 * stain - 0.42 * tone, "a8824f", "d9bb86", "f2e4c2", "f7ecd2")
    canvas.paste(wash + 4 * noise(random, 2 * size, 170, 2)[..., None])
    canvas.paste(_hatch(random, canvas.pixels(), tone, families))
    rim = arcs(canvas, (_SUN[0] * size, _SUN[1] * size), np.full(60, _SUN[2] * size), 40)
    canvas.draw_strokes(rim, palette(np.zeros(60), *_INK), Brush(3.5, 0, 2, relief=0))
    _draw_reeds(canvas)
    _draw_tree(canvas)
    return to_image(canvas.pixels())


def _hatch(random: np.random.Generator, paper: Array, tone: Array, families: list[Array]) -> Array:
    """Draw families of lines over each other, broader where the tone is darker."""
    size = len(tone)
    paper = np.repeat(np.repeat(paper, 2, axis=0), 2, axis=1)
    for phase, start in zip(families, _HATCHING, strict=True):
        # Lines wobble, and their pressure varies, as if drawn by hand.
        wobble = 0.16 * noise(random, size, 14) + 0.05 * noise(random, size, 70, 1)
        pressure = 1 + 0.25 * noise(random, size, 28, 2)
        distance = (
            np.abs(np.mod(phase * _LINES + wobble, 1) - 0.5) * 2
        )  # 0 on a line, 1 between two
        width = np.clip((tone - start) * 1.05, 0, 0.56) * pressure
        width = np.where(width < 0.07, 0, np.maximum(width, 0.16))  # the pen lifts
        ink = np.clip((width - distance) * size / _LINES / 2 + 0.5 * (width > 0), 0, 1)
        shade = palette(0.5 + 0.3 * noise(random, size, 40, 2), *_INK)
        paper = mix(paper, shade, 0.94 * ink)
    return paper


def _scene(random: np.random.Generator, x: Array, y: Array) -> tuple[Array, list[Array]]:
    """Return the darkness of every pixel, and fields whose contours the hatchings follow."""
    size = len(x)
    sx, sy, radius = _SUN
    distance = np.hypot(x - sx, y - sy)
    # The sky as in engravings: lines in rings around the sun, bent by bright clouds.
    clouds = noise(random, size, 4, 3) + 0.4 * np.sin(11 * y + 3 * x)
    tone = 0.10 + 0.62 * np.clip(distance - radius, 0, 1) - 0.16 * clouds
    tone = tone + 0.06 * np.cos(distance * 110)
    tone = np.where(distance < radius, 0.0, np.clip(tone, 0.20, 0.75))
    first = distance + 0.028 * clouds
    second = 0.6 * x - 0.8 * y + 0.02 * clouds
    third = 0.9 * x + 0.4 * y
    for ridge, relief, dark in _RANGES:
        rough = noise(random, size, 4, 6)[size // 2]
        line = ridge + relief * (0.75 * np.abs(rough) - 0.7 - 0.4 * np.sin(x[0] * 6 + 25 * ridge))
        depth = y - line
        # Spurs run down from the ridge; the sun on the left lights one side of each spur.
        spurs = x * 30 + 9 * depth + 1.8 * noise(random, size, 6, 4)
        shadow = 0.5 + 0.5 * np.tanh(2.5 * np.sin(spurs))
        shade = dark * (0.36 + 0.80 * shadow) + 0.8 * np.exp(-((depth / 0.004) ** 2))
        shade *= 1 - 0.6 * np.clip((depth - 0.08) * 8, 0, 1)  # mist in the valleys
        below = depth > 0
        tone = np.where(below, shade, tone)
        lean = np.where(np.sin(spurs) > 0, 0.75, -0.55)
        first = np.where(below, 0.85 * x + lean * depth + 0.006 * np.sin(spurs), first)
        second = np.where(below, 0.5 * x - 0.8 * depth, second)
        third = np.where(below, y, third)
    water = y > _SHORE
    # The lake shows a stretched reflection of the scene above its shore, and a path of sunlight.
    rows = np.clip(_SHORE - 1.5 * (y[:, 0] - _SHORE), 0, 1) * (size - 1)
    near = np.clip((y - _SHORE) / 0.25, 0.02, 1)
    ripple = np.sin(60 * np.sqrt(near) + 3 * noise(random, size, 4) + 6 * np.sin(5 * x))
    path = 0.5 * np.exp(-(((x - sx + 0.02 * ripple) / (0.03 + 0.12 * near)) ** 2))
    lake = 0.20 + 0.62 * tone[rows.astype(int)] + 0.14 * ripple - path
    tone = np.where(water, lake + 0.5 * np.exp(-(((y - _SHORE) / 0.003) ** 2)), tone)
    first = np.where(water, y + 0.0012 * ripple, first)
    second = np.where(water, 0.96 * y + 0.25 * x, second)
    bank = y - (0.875 + 0.035 * np.sin(5 * x + 0.5) - 0.06 * x**2 + 0.006 * noise(random, size, 12))
    land = bank > 0
    knolls = noise(random, size, 6, 3)
    tone = np.where(land, 0.55 + 0.16 * knolls + 1.5 * bank, tone)
    first = np.where(land, 0.9 * bank + 0.4 * x + 0.02 * knolls, first)
    return np.clip(tone, 0, 1), [first, second, third]


def _draw_reeds(canvas: Canvas) -> None:
    """Draw grass on the near bank, blade by blade."""
    random, size = canvas.random, canvas.size
    count = round(900 * canvas.brush_scale)
    x = random.uniform(0, 1, count)
    y = np.sort(
        0.90 + 0.035 * np.sin(5 * x + 0.5) - 0.06 * x**2 + random.uniform(-0.02, 0.14, count)
    )
    tall, lean = random.uniform(0.02, 0.06, count), random.normal(0.1, 0.35, count)
    up = np.linspace(0, 1, 7)
    blades = np.stack([
        x[:, None] + (lean * tall)[:, None] * up**2, y[:, None] - tall[:, None] * up
    ], -1)  # fmt: skip
    shades = palette(random.random(count), "1c1512", "2a1e16", "8a6a3e", "d8bd86")
    canvas.draw_strokes(blades * size, shades, Brush(3.2, 0, 2, jitter=6, grain=5, relief=0))


def _draw_tree(canvas: Canvas) -> None:
    """Draw an old tree on the right: forking, hatched branches and scribbled leaves."""
    random, size = canvas.random, canvas.size
    tips: list[Array] = []
    branches = [(np.array([0.85, 0.97]), -1.66, 0.062, 0.23, 6)]
    while branches:
        root, angle, thick, length, forks = branches.pop(0)
        bends = angle + np.cumsum(random.normal(0, 0.09, 16)) * (1 if forks < 6 else 0.5)
        steps = np.stack([np.cos(bends), np.sin(bends)], -1) * length / 16
        spine = root + np.cumsum(steps, axis=0)
        widths = thick * np.linspace(1, 0.68, 16)[:, None] / 2
        across = np.stack([-steps[:, 1], steps[:, 0]], -1) * 16 / length
        sides = np.concatenate([spine + across * widths, (spine - across * widths)[::-1]])
        canvas.fill_polygon(sides * size, "cdb07c" if forks > 3 else "3a2a1e")
        _hatch_branch(canvas, spine, across, widths)
        for edge in (spine + across * widths, spine - across * widths):
            pen = Brush(2.5 + 30 * thick, 0, 2, jitter=4, grain=4, relief=0)
            canvas.draw_strokes(edge[None] * size, palette(np.zeros(1), *_INK), pen)
        if forks < 3:
            tips.extend(spine[7::8])
        if forks:
            for turn in (random.uniform(-0.75, -0.3), random.uniform(0.25, 0.7)):
                shrink = random.uniform(0.68, 0.84)
                branches.append(
                    (spine[-1], bends[-1] + turn, thick * 0.66, length * shrink, forks - 1)
                )
    for tip in sorted(tips, key=lambda tip: -tip[1]):
        _scribble(canvas, tip, random.uniform(0.012, 0.020))


def _hatch_branch(canvas: Canvas, spine: Array, across: Array, widths: Array) -> None:
    """Draw bark: curved lines around the shadowed side, and cracks along the branch."""
    random, size = canvas.random, canvas.size
    count = max(2, round(6500 * float(widths.mean())))
    indices = random.integers(0, len(spine), count)
    reach = np.linspace(-0.35, 1, 6)[:, None]
    bow = (1 - reach**2) * 0.006
    around = across[indices] * widths[indices] * random.uniform(0.4, 1, (count, 1))
    lines = spine[indices][:, None] + around[:, None] * reach + [0, 1] * bow
    lines += random.normal(0, 0.003, (count, 1, 2))
    canvas.draw_strokes(
        lines * size, palette(random.random(count), *_INK), Brush(2.2, 0, 2, relief=0)
    )
    for side in random.uniform(-0.9, 0.4, max(1, count // 6)):
        start = random.integers(0, len(spine) - 4)
        crack = (spine + across * widths * side)[start : start + 5]
        canvas.draw_strokes(
            crack[None] * size, palette(np.zeros(1), *_INK), Brush(2.4, 0, 2, relief=0)
        )


def _scribble(canvas: Canvas, center: Array, radius: float) -> None:
    """Draw a tuft of leaves: small loops, dark below and light above."""
    random, size = canvas.random, canvas.size
    middles = center + random.normal(0, radius * 0.7, (9, 2))
    for middle in middles:
        loop = arcs(canvas, tuple(middle * size), np.full(3, radius * size * 0.30), 12)
        light = np.clip((center[1] - middle[1]) / radius + random.normal(0.3, 0.4), 0, 1)
        colors = palette(np.full(3, light), "1c1512", "3a2a1e", "8d6c3f", "e6d2a2")
        canvas.draw_strokes(loop, colors, Brush(3.4, 0, 2, jitter=5, grain=5, relief=0))
