"""Village below the starry sky: houses with lit windows, a church, bushes."""

import numpy as np

from stylenet.painting.brush import Brush, Canvas, arcs
from stylenet.painting.fields import palette

# Rows of houses from back to front: height of the ground, number of houses, half the width of a
# gable; as fractions of the canvas, chosen by eye.
_ROWS = [(0.850, 8, 0.013), (0.885, 8, 0.017), (0.925, 6, 0.021)]
_CHURCH = (0.62, 0.885)


def paint_village(canvas: Canvas) -> None:
    """Paint the village on the lower right of a canvas, over the hills."""
    random = canvas.random
    for row, (ground, count, wide) in enumerate(_ROWS):
        centers = np.linspace(0.36 + 0.03 * row, 0.95, count) + random.uniform(-0.015, 0.015, count)
        for x in centers:
            bottom = ground + random.uniform(-0.012, 0.012)
            _paint_house(canvas, x, bottom, wide, wide * random.uniform(1.1, 1.7))
            _paint_bush(canvas, x + random.uniform(-2, 2) * wide, bottom + 0.008, wide)
        if row == 1:
            _paint_house(canvas, _CHURCH[0], _CHURCH[1], 0.020, 0.040)
            _paint_spire(canvas)
    for _ in range(40):
        _paint_bush(canvas, random.uniform(0.3, 1), random.uniform(0.94, 0.99), 0.022)


def _paint_house(canvas: Canvas, x: float, ground: float, wide: float, high: float) -> None:
    """Paint a house: a gable in front, a roof to the right of it, and lit windows."""
    random, size = canvas.random, canvas.size
    eaves, ridge = ground - high, ground - high - 1.3 * wide
    side = wide * random.uniform(2.0, 3.2)
    corners = [
        (x - wide, ground), (x - wide, eaves), (x, ridge), (x + side, ridge),
        (x + side + wide, eaves), (x + side + wide, ground),
    ]  # fmt: skip
    canvas.fill_polygon(np.array(corners) * size, "080f26")
    wall = (
        ["2b4f83", "5f86ad", "a9bdb4"] if random.random() < 0.6 else ["5a4a3a", "a08a54", "d9c67e"]
    )
    levels = np.linspace(ground - 0.06 * high, eaves, 5)
    front = [_stroke((x - wide * 0.8, row), (x + wide * 0.8, row)) for row in levels]
    flank = [_stroke((x + wide * 1.25, row), (x + side + wide * 0.8, row)) for row in levels]
    gable = [
        _stroke((x - wide * k, ridge + wide * (0.35 + 0.9 * k)), (x, ridge + wide * 0.3))
        for k in (-0.6, -0.3, 0, 0.3, 0.6)
    ]
    brush = Brush(max(4.0, 230 * high), 0, 4, jitter=9, relief=8)
    _lay(canvas, flank, [wall[0], wall[1]], brush)
    _lay(canvas, [*front, *gable], [wall[1], wall[2]], brush)
    tiles = (
        ["16244c", "2d4f86", "5a86ae"] if random.random() < 0.55 else ["4a2a24", "94502e", "c98a4a"]
    )
    slope = [
        _stroke((x + side * k, ridge), (x + wide + side * k, eaves))
        for k in np.linspace(0.06, 0.96, 8)
    ]
    _lay(canvas, slope, tiles, Brush(max(4.0, 190 * wide), 0, 4, jitter=9))
    for window in (x, x + wide + side * 0.35, x + wide + side * 0.7):
        if random.random() < 0.6:
            middle = ground - high * 0.5
            pane = _stroke((window, middle - high * 0.2), (window, middle + high * 0.2))
            _lay(canvas, [pane], ["f6b93b", "ffe27a"], Brush(7, 0, 4, jitter=6))


def _paint_spire(canvas: Canvas) -> None:
    """Paint the church tower, whose tip rises above the hills."""
    x, ground = _CHURCH
    wide, eaves, tip = 0.013, ground - 0.085, ground - 0.215
    shape = [(x - wide, ground), (x - wide, eaves), (x, tip), (x + wide, eaves), (x + wide, ground)]
    canvas.fill_polygon(np.array(shape) * canvas.size, "080f26")
    tower = [_stroke((x + wide * k, ground), (x + wide * k, eaves)) for k in (-0.6, -0.2, 0.2, 0.6)]
    _lay(canvas, tower, ["3a5f92", "7f9fb4", "b9c4ae"], Brush(7, 0, 4, jitter=8))
    spire = [_stroke((x + wide * k, eaves), (x, tip + 0.012)) for k in (-0.7, -0.25, 0.25, 0.7)]
    _lay(canvas, spire, ["1a2a58", "35598f", "6f93b8"], Brush(5, 0, 4, jitter=8))
    pane = _stroke((x, eaves + 0.018), (x, eaves + 0.034))
    _lay(canvas, [pane], ["f6b93b", "ffe27a"], Brush(8, 0, 4, jitter=6))


def _paint_bush(canvas: Canvas, x: float, y: float, radius: float) -> None:
    """Paint a heap of curved strokes, lit from above."""
    random, size = canvas.random, canvas.size
    reach = np.sort(random.uniform(0.2, 1.0, 18))[::-1] * random.uniform(0.7, 1.3) * radius
    lines = arcs(canvas, (x * size, y * size), reach * size, 24)
    above = (y - lines[:, :, 1].mean(1) / size) / radius
    tone = 0.4 + 0.45 * above + random.normal(0, 0.12, len(lines))
    colors = palette(tone, "071420", "10302e", "2a5a3a", "64893f", "b5b45a")
    canvas.draw_strokes(lines, colors, Brush(8, 0, 5, jitter=9))


def _stroke(start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """A straight line of a few points, shape (6, 2)."""
    return np.linspace(start, end, 6)


def _lay(canvas: Canvas, lines: list[np.ndarray], colors: list[str], brush: Brush) -> None:
    """Paint lines, each in a color of its own between the given ones."""
    tints = palette(canvas.random.random(len(lines)), *colors)
    canvas.draw_strokes(np.stack(lines) * canvas.size, tints, brush)
