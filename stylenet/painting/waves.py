"""Sea of the woodblock print: swells and breaking waves with claws of foam."""

from itertools import pairwise

import numpy as np

from stylenet.painting.block import INK, Block
from stylenet.painting.fields import Array

# Indigo, prussian blue, its tint, shaded foam; these and all proportions were chosen by eye.
_INDIGO, _BLUE, _TINT, _SHADE = "1b3566", "2b5c94", "6f9fbc", "dfe6d6"
_FOAM = "f4eedb"
# Color of the grooves cut into each of these colors, along the water.
_GROOVES = {_INDIGO: "5584b0", _BLUE: "8db3cc", _TINT: "2f5f94", _SHADE: "7fa6bf"}
_SWELL = (_BLUE, _TINT, _INDIGO, _BLUE, _SHADE, _BLUE, _TINT)
_STRIPES = (_TINT, _INDIGO, _SHADE, _BLUE)


def _bezier(*points: tuple[float, float]) -> Array:
    """Return a cubic Bézier curve given by four points, shape (50, 2)."""
    a, b, c, d = (np.array(point) for point in points)
    t = np.linspace(0, 1, 50)[:, None]
    return (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d


# Outline of a wave of width and height 1: back and face, from the feet (height 0) to the tip.
_BACK = np.concatenate([
    _bezier((-1.35, 0), (-0.60, 0.08), (-0.50, 0.98), (0.16, 1.0)),
    _bezier((0.16, 1.0), (0.55, 1.02), (0.86, 0.86), (0.84, 0.58)),
])  # fmt: skip
_FACE = np.concatenate([
    _bezier((1.30, 0), (0.30, 0.0), (-0.12, 0.28), (0.06, 0.56)),
    _bezier((0.06, 0.56), (0.20, 0.80), (0.66, 0.86), (0.84, 0.58)),
])  # fmt: skip


def cut_swell(block: Block, base: float, rows: int) -> None:
    """Cut a striped swell in front of everything drawn so far.

    Args:
        block: Block to cut.
        base: Position of the top of the swell, a fraction of the height from the top.
        rows: Number of stripes, at most seven.
    """
    random = block.random
    x = np.linspace(-0.02, 1.02, 160)
    phase = random.uniform(0, 6)
    for row, color in enumerate(_SWELL[:rows]):
        y = base + 0.022 * row + (0.014 + 0.002 * row) * np.sin(9 * x + phase + 0.9 * row)
        y += 0.006 * np.sin(23 * x + 2 * phase)
        sheet = np.concatenate([np.stack([x, y], -1), [[1.02, 1.1], [-0.02, 1.1]]])
        block.fill_shape(sheet, color, 2.0)
        for _ in range(20):
            start, long = random.integers(0, 140), random.integers(8, 30)
            cut = np.stack([x, y + random.uniform(0.004, 0.020)], -1)[start : start + long]
            block.draw_line(cut, 1.5, INK if random.random() < 0.25 else _GROOVES[color])


def cut_wave(block: Block, foot: float, width: float, height: float, base: float) -> None:
    """Cut a breaking wave: stripes from foot to tip, then foam with claws along its lip.

    Args:
        block: Block to cut.
        foot: Center of the wave, a fraction of the width.
        width: Half the width of the wave; negative for a wave that breaks to the left.
        height: Height of the crest above the feet.
        base: Position of the feet, a fraction of the height from the top.
    """
    origin, scale = np.array([foot, base + 0.06]), np.array([width, -height])
    back, face = origin + _BACK * scale, origin + _FACE * scale
    block.fill_shape(np.concatenate([back, face[::-1]]), _INDIGO, 3.2)
    edges = np.linspace(0.10, 0.94, 9 if height < 0.3 else 13)
    for i, (low, high) in enumerate(pairwise(edges)):
        color = _STRIPES[i % 4]
        first = back + (face - back) * low
        second = back + (face - back) * high
        stripe = np.concatenate([first, second[::-1]])
        block.fill_shape(stripe, color, 1.8)
        for depth in block.random.uniform(0.15, 0.85, 7):
            start, end = np.sort(block.random.integers(4, 92, 2))
            groove = (first + (second - first) * depth)[start : end + 3]
            block.draw_line(groove, 1.5, _GROOVES[color])
    _foam(block, back, face, abs(width), height)


def cut_spray(block: Block) -> None:
    """Cut the drops that fly off the largest wave."""
    for _ in range(130):
        x, y = block.random.normal((0.62, 0.36), (0.12, 0.13))
        radius = block.random.uniform(0.0018, 0.0050)
        turn = np.linspace(0, 2 * np.pi, 12)
        drop = np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], -1)
        block.fill_shape(drop, _FOAM, 1.2)


def _foam(block: Block, back: Array, face: Array, width: float, height: float) -> None:
    """Cut foam along the crest of a wave, and claws along its lip."""
    random = block.random
    side = np.sign(face[0, 0] - back[0, 0])
    size = 0.165 * min(height, 1.4 * width)
    crest = back[62:]
    inner = crest + (face[62:] - crest) * np.linspace(0.12, 0.75, len(crest))[:, None]
    band = np.concatenate([crest, inner[::-1]])
    block.fill_shape(band, _SHADE, 2.4)
    for spot in inner[::5]:
        _scallop(block, spot, size * random.uniform(0.16, 0.30))
    lip = np.concatenate([crest[6::4], face[:-52:-5]])
    for spot in lip:
        reach = size * random.uniform(0.75, 1.25)
        _claw(block, spot, reach, random.uniform(0.25, 1.35), side, 2)
        for _ in range(3):
            middle = spot + random.normal(0, 0.12 * size, 2)
            _scallop(block, middle, size * random.uniform(0.13, 0.28))


def _scallop(block: Block, middle: Array, radius: float) -> None:
    """Cut a round of foam with a line of shade."""
    turn = np.linspace(0, 2 * np.pi, 40)
    lobes = radius * (1 + 0.05 * np.cos(3 * turn + block.random.uniform(0, 6)))
    ring = middle + lobes[:, None] * np.stack([np.cos(turn), np.sin(turn)], -1)
    block.fill_shape(ring, _FOAM, 1.8)
    block.draw_line(middle + (ring[3:17] - middle) * 0.6, 1.2, "5d86a8")


def _claw(block: Block, root: Array, reach: float, angle: float, side: float, depth: int) -> None:
    """Cut a claw of foam that bends down, with a blue shadow and smaller claws on it."""
    along = np.linspace(0, 1, 12)
    bend = angle + 1.5 * along**1.5
    steps = np.stack([side * np.cos(bend), np.sin(bend)], -1) * reach / 11
    spine = root + np.cumsum(steps, axis=0)
    profile = (0.25 + along) ** 0.5 * (1 - along**1.8)
    across = np.stack([-steps[:, 1], steps[:, 0]], -1) * 11 * 0.34 * profile[:, None]
    hook = np.concatenate([spine + across, (spine - across)[::-1]])
    block.fill_shape(hook, _FOAM, 0)
    block.draw_line(hook, 2.0)
    block.draw_line((spine - 0.45 * across * side)[2:9], 1.3, _TINT)
    if depth:
        for index in (3, 6):
            lean = angle + block.random.uniform(-0.9, 0.9)
            _claw(block, spine[index], reach * 0.58, lean, side, depth - 1)
