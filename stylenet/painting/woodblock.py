"""Woodblock print: outlined waves with claws of foam, few flat colors, wood grain and paper."""

import numpy as np
from PIL import Image

from stylenet.painting.block import Block
from stylenet.painting.brush import to_image
from stylenet.painting.fields import Array, grid, mix, noise, palette
from stylenet.painting.waves import cut_spray, cut_swell, cut_wave

_PAPER = "efe2c3"
# Waves from far to near, chosen by eye: x of the foot, width, height, y of the foot, in fractions
# of the canvas. A negative width breaks to the left.
_WAVES = [
    (0.70, 0.16, 0.15, 0.62), (0.30, -0.15, 0.13, 0.63), (0.90, -0.17, 0.20, 0.70),
    (0.30, 0.34, 0.56, 0.80), (0.80, 0.20, 0.26, 0.84), (0.50, -0.16, 0.17, 0.90),
    (0.12, 0.22, 0.25, 0.98), (0.72, -0.26, 0.25, 1.02),
]  # fmt: skip


def paint_woodblock(size: int, seed: int) -> Image.Image:
    """Print the image.

    Args:
        size: Side of the square image in pixels.
        seed: Seed of every claw of foam, and of the grain.

    Returns:
        Mode RGB, ``size`` by ``size``.
    """
    random = np.random.default_rng(seed)
    block = Block(size, _PAPER, random)
    _cut_sky(block)
    _cut_mountain(block)
    for foot, width, height, base in _WAVES:
        cut_swell(block, base, 7)
        cut_wave(block, foot, width, height, base)
        cut_swell(block, base + 0.050, 2)
    cut_spray(block)
    return to_image(_print(random, block.pixels()))


def _print(random: np.random.Generator, pixels: Array) -> Array:
    """Add the traces of wood grain, uneven pressure and paper."""
    size = len(pixels)
    x, y = grid(size)
    # Annual rings run across the block; the pressure of the print is uneven.
    rings = np.sin(2 * np.pi * (34 * y + 0.55 * noise(random, size, 3) + 1.2 * np.sin(2 * x + 1)))
    fibers = np.repeat(noise(random, size, 110, 1)[:, ::8], 8, axis=1)[:, :size]
    darkness = 1 - pixels.mean(2) / 255
    speck = noise(random, size, 150, 2)
    uneven = 0.5 * rings + 0.45 * fibers + 0.5 * noise(random, size, 7) + 0.55 * speck
    pixels = pixels + (7 + 9 * darkness)[..., None] * uneven[..., None]
    # The paper shows through where the color did not stick.
    bare = np.clip(speck + 0.6 * fibers - 2.7, 0, 1) * 0.6
    return mix(pixels, palette(np.zeros(1), _PAPER, _PAPER), bare)


def _cut_sky(block: Block) -> None:
    """Cut an evening sky, a red sun and bands of cloud with swirling ends."""
    random = block.random
    block.fill_gradient("2a4a78", "e9d3a4", 0.0, 0.30)
    block.fill_gradient("e9d3a4", "d98a5e", 0.36, 0.66)
    turn = np.linspace(0, 2 * np.pi, 90)
    sun = np.stack([0.80 + 0.075 * np.cos(turn), 0.20 + 0.075 * np.sin(turn)], -1)
    block.fill_shape(sun, "c8432e", 2.4)
    for y in np.linspace(0.01, 0.62, 84):  # fine lines of wind
        start, end = np.sort(random.uniform(-0.2, 1.2, 2))
        x = np.linspace(start, end, 50)
        tint = "6d86a0" if y < 0.24 else "b98f62"
        block.draw_line(np.stack([x, y + 0.006 * np.sin(14 * x + 30 * y)], -1), 1.3, tint)
    for y in np.linspace(0.035, 0.60, 15):
        left, color = random.uniform(-0.3, 0.8), int(random.integers(3))
        for step in range(random.integers(1, 4)):  # stepped banks of mist
            start = left + 0.09 * step * random.uniform(0.5, 1.5)
            end = start + random.uniform(0.22, 0.5)
            _cut_mist(block, start, end, y + 0.017 * step, 0.0085, color)


def _cut_mist(block: Block, left: float, right: float, y: float, thick: float, color: int) -> None:
    """Cut a bar of mist with one round, curling end and one tapered end."""
    x = np.linspace(left, right, 60)
    sway = y + 0.006 * np.sin(14 * x + 30 * y)
    body = thick * np.sqrt(np.linspace(0, 1, 60))
    turn = np.linspace(-np.pi / 2, np.pi / 2, 14)
    cap = np.stack([right + thick * np.cos(turn), sway[-1] + thick * np.sin(turn)], -1)
    upper, lower = np.stack([x, sway - body], -1), np.stack([x, sway + body], -1)
    bar = np.concatenate([upper, cap, lower[::-1]])
    block.fill_shape(bar, ("f1e5c8", "e6c99a", "9db6bd")[color], 1.9)
    block.draw_line(np.stack([x[20:-4], sway[20:-4] + thick * 0.3], -1), 1.2, "5d7690")
    curl = np.linspace(0, 4.2, 24)
    reach = thick * 0.8 * (1 - curl / 5.5)
    spiral = [right + reach * np.sin(curl), sway[-1] - reach * np.cos(curl)]
    block.draw_line(np.stack(spiral, -1), 1.5)


def _cut_mountain(block: Block) -> None:
    """Cut a distant snow-capped cone, with grooves down its sides."""
    x = np.linspace(-1, 1, 81)
    slope = 0.63 - 0.22 * (1 - np.abs(x)) ** 1.35 - 0.010 * (np.abs(x) < 0.06)
    side = np.stack([0.62 + 0.27 * x, slope], -1)
    block.fill_shape(np.concatenate([side, [[0.89, 0.70], [0.35, 0.70]]]), "3f5f86", 2.2)
    top = side[(np.abs(x) < 0.40)]
    teeth = np.linspace(top[-1], top[0], 19)
    teeth[:, 1] += np.where(np.arange(19) % 2 == 0, 0.0, 0.034) - 0.008
    block.fill_shape(np.concatenate([top, teeth]), "f2ead2", 1.6)
    for offset in np.linspace(-0.8, 0.8, 33):
        start = np.array([0.62 + 0.27 * offset * 0.5, 0.53 + 0.02 * block.random.random()])
        end = np.array([0.62 + 0.27 * offset, 0.66])
        block.draw_line(np.linspace(start, end, 5), 1.1, "223d66")
