"""A canvas and brushes: curved strokes of many bristles along a field of directions.

The ideas are those of Haeberli 1990 ("Paint by Numbers": strokes that take their color from a
image and their direction from a field) and Hertzmann 1998 ("Painterly Rendering with Curved Brush
Strokes of Multiple Sizes": from a broad underpainting to fine strokes).
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from stylenet.painting.fields import Array

# Bristles are drawn at twice the size and scaled down, which smooths their edges.
_SUPERSAMPLING = 2
# The light that paint in relief catches comes from the upper left, as in most studios.
_LIGHT = np.array([-0.6, -0.8])
# The canvas that widths and lengths of brushes are meant for.
_SIZE = 1024


@dataclass(frozen=True)
class Brush:
    """How a stroke looks. Lengths are in pixels of a canvas of 1024.

    Attributes:
        width: Across the stroke.
        length: Along the stroke.
        bristles: Lines that a stroke is made of.
        jitter: How much strokes differ in color, as a deviation in [0, 255].
        grain: How much the bristles of a stroke differ in brightness, likewise.
        relief: How much the edge towards the light is brighter than the middle, likewise.
        dry: Share of the bristles that carry no paint.
        cover: How many strokes lie on each other in the mean.
        thickness: Of a bristle; by default they just overlap. Less is a pen's hatching.
    """

    width: float
    length: float
    bristles: int = 7
    jitter: float = 9.0
    grain: float = 9.0
    relief: float = 14.0
    dry: float = 0.0
    cover: float = 2.0
    thickness: float | None = None


class Canvas:
    """A square that is painted on, layer by layer.

    Args:
        size: Its side in pixels. On a smaller canvas brushes are smaller, but less so than the
            canvas, as among painters; small images are therefore of few strokes.
        ground: The color that it is primed with, ``rrggbb``.
        random: Where chance comes from.
    """

    def __init__(self, size: int, ground: str, random: np.random.Generator) -> None:
        self.size = size
        self.random = random
        self.brush_scale = (size / _SIZE) ** 0.5
        self._image = Image.new("RGB", (size * _SUPERSAMPLING,) * 2, f"#{ground}")
        self._draw = ImageDraw.Draw(self._image)

    def fill(self, colors: Array, angles: Array, brush: Brush, where: Array | None = None) -> None:
        """Covers a region with strokes.

        Args:
            colors: What to paint, RGB in [0, 255], shape (H, W, 3).
            angles: Directions of the strokes in radians, shape (H, W).
            brush: What to paint with.
            where: Density of the strokes in [0, 1], shape (H, W); everywhere if ``None``.
        """
        area = (brush.width * brush.length) * self.brush_scale**2
        count = max(1, round(brush.cover * self.size**2 / area))
        points = self.random.uniform(0, self.size, (count, 2))
        if where is not None:
            points = points[self.random.random(count) < _at(where, points)]
        self.strokes(self.trace(points, angles, brush.length), _at(colors, points), brush)

    def trace(self, points: Array, angles: Array, length: float) -> Array:
        """Follows a field of directions both ways from each point.

        Args:
            points: Middles of the strokes, (x, y) in pixels, shape (N, 2).
            angles: In radians, shape (H, W); a direction and its opposite mean the same.
            length: Of the strokes, in pixels of a canvas of 1024.

        Returns:
            Lines, shape (N, K, 2).
        """
        length = length * self.brush_scale
        steps = max(2, round(length / 10))
        step = length / 2 / steps
        halves = []
        for way in (1.0, -1.0):
            heading = way * _direction(_at(angles, points))
            place, line = points, [points]
            for _ in range(steps):
                ahead = _direction(_at(angles, place))
                # A direction has no sign: go on the way that turns less.
                ahead *= np.where((ahead * heading).sum(1, keepdims=True) < 0, -1, 1)
                heading = ahead
                place = place + heading * step
                line.append(place)
            halves.append(line)
        return np.stack(halves[1][:0:-1] + halves[0], axis=1)

    def strokes(self, lines: Array, colors: Array, brush: Brush) -> None:
        """Paints strokes along given lines, in their order.

        Args:
            lines: Points in pixels, shape (N, K, 2).
            colors: RGB in [0, 255], shape (N, 3).
            brush: What to paint with; its length is not used.
        """
        random, count, points = self.random, len(lines), lines.shape[1]
        if count == 0:
            return
        along = np.gradient(lines, axis=1)
        along /= np.linalg.norm(along, axis=2, keepdims=True) + 1e-9
        across = np.stack([-along[..., 1], along[..., 0]], -1)  # (N, K, 2)
        places = np.linspace(-0.5, 0.5, brush.bristles)
        width = brush.width * self.brush_scale
        # The touch of the hand: the stroke narrows towards its ends.
        taper = 1 - 0.45 * np.abs(np.linspace(-1, 1, points)) ** 3
        offsets = places[:, None] * taper * width * random.uniform(0.75, 1.2, (count, 1, 1))
        # (N, B, K, 2)
        bristles = lines[:, None] + offsets[..., None] * across[:, None]
        lit = (across.mean(1) @ _LIGHT)[:, None] * places * 2
        tints = (
            colors[:, None]
            + random.normal(0, brush.jitter, (count, 1, 1))
            + random.normal(0, brush.jitter / 2, (count, 1, 3))
            + random.normal(0, brush.grain, (count, brush.bristles, 1))
            + brush.relief * lit[..., None]
        )
        tints = np.clip(tints, 0, 255).astype(int)
        # Outer bristles touch the canvas later and leave it earlier.
        late = np.abs(places) * 0.8 * points * random.random((count, brush.bristles))
        early = np.abs(places) * 0.8 * points * random.random((count, brush.bristles))
        starts = np.minimum(late.astype(int), points // 2 - 1).tolist()
        ends = (points - np.minimum(early.astype(int), points // 2 - 1)).tolist()
        inked = (random.random((count, brush.bristles)) >= brush.dry).tolist()
        thickness = brush.thickness or 1.35 * brush.width / brush.bristles
        pixels = max(1, round(thickness * self.brush_scale * _SUPERSAMPLING))
        flat = (bristles * _SUPERSAMPLING).reshape(count, brush.bristles, -1).tolist()
        order = np.argsort(random.random((count, brush.bristles)), axis=1).tolist()
        for i, shades in enumerate(tints.tolist()):
            for b in order[i]:
                if inked[i][b]:
                    line = flat[i][b][2 * starts[i][b] : 2 * ends[i][b]]
                    self._draw.line(line, fill=tuple(shades[b]), width=pixels)

    def lay(self, pixels: Array) -> None:
        """Covers the whole canvas with an image, to paint on.

        Args:
            pixels: RGB in [0, 255], shape (H, W, 3), of any size.
        """
        self._image.paste(to_image(pixels).resize(self._image.size, Image.Resampling.BICUBIC))

    def polygon(self, points: Array, color: str) -> None:
        """Fills a shape evenly.

        Args:
            points: Its corners in pixels, shape (K, 2).
            color: ``rrggbb``.
        """
        self._draw.polygon((points * _SUPERSAMPLING).ravel().tolist(), fill=f"#{color}")

    def pixels(self) -> Array:
        """The image so far.

        Returns:
            RGB in [0, 255], shape (size, size, 3).
        """
        small = self._image.resize((self.size, self.size), Image.Resampling.BOX)
        return np.asarray(small, dtype=float)


def arcs(canvas: Canvas, center: tuple[float, float], radii: Array, length: float) -> Array:
    """Pieces of circles around a center, one for each radius, anywhere on it.

    Args:
        canvas: Whose chance chooses the places.
        center: (x, y) in pixels.
        radii: In pixels, shape (N,).
        length: Of each piece, in pixels of a canvas of 1024.

    Returns:
        Lines, shape (N, 9, 2).
    """
    starts = canvas.random.uniform(0, 2 * np.pi, len(radii))[:, None]
    span = length * canvas.brush_scale / np.maximum(radii, 1)
    angles = starts + np.linspace(-0.5, 0.5, 9) * span[:, None]
    return np.array(center) + radii[:, None, None] * _direction(angles)


def to_image(pixels: Array) -> Image.Image:
    """Turns numbers into an image.

    Args:
        pixels: RGB, shape (H, W, 3); clipped to [0, 255].

    Returns:
        Mode RGB.
    """
    return Image.fromarray(np.clip(pixels, 0, 255).round().astype(np.uint8))


def _at(field: Array, points: Array) -> Array:
    """The values of a field at points, those outside taken from the border."""
    height, width = field.shape[:2]
    columns = np.clip(points[:, 0], 0, width - 1).astype(int)
    rows = np.clip(points[:, 1], 0, height - 1).astype(int)
    return field[rows, columns]


def _direction(angles: Array) -> Array:
    """Unit vectors of angles, shape (..., 2)."""
    return np.stack([np.cos(angles), np.sin(angles)], -1)
