"""Woodblock for prints: outlined shapes of flat color, and color gradients."""

import numpy as np
from PIL import Image, ImageDraw

from stylenet.painting.fields import Array, palette

# Drawn at twice the size and scaled down, which smooths the lines.
_SUPERSAMPLING = 2
INK = "14213f"


class Block:
    """Square image of flat shapes and lines. Positions are fractions of its side.

    Args:
        size: Side in pixels.
        paper: Background color, ``rrggbb``.
        random: Random generator.
    """

    def __init__(self, size: int, paper: str, random: np.random.Generator) -> None:
        self.size = size
        self.random = random
        self._scale = size * _SUPERSAMPLING
        self._image = Image.new("RGB", (self._scale, self._scale), f"#{paper}")
        self._draw = ImageDraw.Draw(self._image)

    def draw_line(self, points: Array, width: float, color: str = INK) -> None:
        """Draw a line.

        Args:
            points: Points (x, y) as fractions of the side, shape (N, 2).
            width: Width in pixels of a 1024 x 1024 image.
            color: ``rrggbb``.
        """
        thickness = max(1, round(width * self._scale / 1024))
        flat = (points * self._scale).ravel().tolist()
        self._draw.line(flat, f"#{color}", thickness, joint="curve")

    def fill_shape(self, points: Array, color: str, outline: float) -> None:
        """Fill a polygon and draw its outline.

        Args:
            points: Corners (x, y) as fractions of the side, shape (N, 2).
            color: ``rrggbb``.
            outline: Width of the outline in pixels of a 1024 x 1024 image; 0 for none.
        """
        self._draw.polygon((points * self._scale).ravel().tolist(), fill=f"#{color}")
        if outline:
            self.draw_line(np.concatenate([points, points[:1]]), outline)

    def fill_gradient(self, top: str, bottom: str, start: float, end: float) -> None:
        """Fill everything below ``start`` with a vertical gradient (bokashi).

        Args:
            top: Color at ``start``, ``rrggbb``.
            bottom: Color from ``end`` downwards, ``rrggbb``.
            start: Upper end of the gradient, a fraction of the height from the top.
            end: Lower end of the gradient, a fraction of the height from the top.
        """
        y = (np.arange(self._scale) + 0.5) / self._scale
        column = palette((y - start) / (end - start), top, bottom)[y >= start]
        fade = Image.fromarray(column[:, None].round().astype(np.uint8))
        self._image.paste(fade.resize((self._scale, len(column))), (0, self._scale - len(column)))

    def pixels(self) -> Array:
        """Return the image drawn so far: RGB in [0, 255], shape (size, size, 3)."""
        small = self._image.resize((self.size, self.size), Image.Resampling.BOX)
        return np.asarray(small, dtype=float)
