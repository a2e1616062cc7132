"""A block of wood: outlined shapes of even color, and washes that fade."""

import numpy as np
from PIL import Image, ImageDraw

from stylenet.painting.fields import Array, palette

# Cut at twice the size, so that lines are smooth.
_SUPERSAMPLING = 2
INK = "14213f"


class Block:
    """A square to print.

    Args:
        size: Its side in pixels.
        paper: The color of the paper, ``rrggbb``.
        random: Where chance comes from.
    """

    def __init__(self, size: int, paper: str, random: np.random.Generator) -> None:
        self.size = size
        self.random = random
        self._scale = size * _SUPERSAMPLING
        self._image = Image.new("RGB", (self._scale, self._scale), f"#{paper}")
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Array, width: float = 2.6, color: str = INK) -> None:
        """Draws a line.

        Args:
            points: Shares of the side, shape (N, 2).
            width: In pixels of an image of 1024.
            color: ``rrggbb``.
        """
        thick = max(1, round(width * self._scale / 1024))
        flat = (points * self._scale).ravel().tolist()
        self._draw.line(flat, f"#{color}", thick, joint="curve")

    def shape(self, points: Array, color: str, outline: float = 2.6) -> None:
        """Fills a shape.

        Args:
            points: Its corners as shares of the side, shape (N, 2).
            color: ``rrggbb``.
            outline: Width of the line around it, in pixels of an image of 1024; 0 for none.
        """
        self._draw.polygon((points * self._scale).ravel().tolist(), fill=f"#{color}")
        if outline:
            self.line(np.concatenate([points, points[:1]]), outline)

    def wash(self, top: str, bottom: str, start: float, end: float) -> None:
        """Bokashi: everything below a height in a color that fades into another.

        Args:
            top: The color at ``start``, ``rrggbb``.
            bottom: The color from ``end`` downwards.
            start: A share of the height; what is above stays.
            end: Likewise.
        """
        y = (np.arange(self._scale) + 0.5) / self._scale
        column = palette((y - start) / (end - start), top, bottom)[y >= start]
        fade = Image.fromarray(column[:, None].round().astype(np.uint8))
        self._image.paste(fade.resize((self._scale, len(column))), (0, self._scale - len(column)))

    def pixels(self) -> Array:
        """The print so far.

        Returns:
            RGB in [0, 255], shape (size, size, 3).
        """
        small = self._image.resize((self.size, self.size), Image.Resampling.BOX)
        return np.asarray(small, dtype=float)
