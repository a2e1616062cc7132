"""Canvas and brushes: curved strokes of many bristles along a field of directions.

After Haeberli 1990 ("Paint by Numbers": strokes with colors from an image and directions from a
field) and Hertzmann 1998 ("Painterly Rendering with Curved Brush Strokes of Multiple Sizes": from a
broad underpainting to fine strokes).
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from stylenet.painting.fields import Array

# Bristles are drawn at twice the size and scaled down, which smooths their edges.
_SUPERSAMPLING = 2
# Direction of the light on the relief of the paint: from the upper left, as in most studios.
_LIGHT = np.array([-0.6, -0.8])
# Side in pixels of the canvas that widths and lengths of brushes refer to.
_REFERENCE_SIZE = 1024


@dataclass(frozen=True)
class Brush:
    """Appearance of a stroke. Lengths are in pixels of a 1024 x 1024 canvas.

    Attributes:
        width: Width of the stroke.
        length: Length of the stroke.
        bristles: Number of lines that a stroke consists of.
        jitter: Standard deviation of the color between strokes, in 1/255.
        grain: Standard deviation of the brightness between bristles of a stroke, in 1/255.
        relief: Brightness of the edge towards the light relative to the middle, in 1/255.
        dry: Fraction of the bristles without paint.
        cover: Mean number of strokes over each point.
        thickness: Width of a bristle. By default bristles just overlap; thinner ones look like the
            hatching of a pen.
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
    """Square canvas that is painted on, layer by layer.

    Args:
        size: Side in pixels. Brushes scale with the square root of the size, so small images
            consist of fewer strokes.
        ground: Background color, ``rrggbb``.
        random: Random generator.
    """

    def __init__(self, size: int, ground: str, random: np.random.Generator) -> None:
        self.size = size
        self.random = random
        self.brush_scale = (size / _REFERENCE_SIZE) ** 0.5
        self._image = Image.new("RGB", (size * _SUPERSAMPLING,) * 2, f"#{ground}")
        self._draw = ImageDraw.Draw(self._image)

    def fill(
        self, colors: Array, angles: Array, brush: Brush, density: Array | None = None
    ) -> None:
        """Cover a region with strokes.

        Args:
            colors: Image to paint, RGB in [0, 255], shape (H, W, 3).
            angles: Directions of the strokes in radians, shape (H, W).
            brush: Appearance of the strokes.
            density: Probability of a stroke at each pixel, shape (H, W); ``None`` for 1 everywhere.
        """
        area = (brush.width * brush.length) * self.brush_scale**2
        count = max(1, round(brush.cover * self.size**2 / area))
        points = self.random.uniform(0, self.size, (count, 2))
        if density is not None:
            points = points[self.random.random(count) < _at(density, points)]
        self.draw_strokes(self.trace(points, angles, brush.length), _at(colors, points), brush)

    def trace(self, points: Array, angles: Array, length: float) -> Array:
        """Trace lines through a field of directions, both ways from each point.

        Args:
            points: Midpoints of the lines, (x, y) in pixels, shape (N, 2).
            angles: Directions in radians, shape (H, W); opposite directions are equivalent.
            length: Length of the lines, in pixels of a 1024 x 1024 canvas.

        Returns:
            Points along each line, shape (N, K, 2).
        """
        length = length * self.brush_scale
        steps = max(2, round(length / 10))
        step = length / 2 / steps
        halves = []
        for sign in (1.0, -1.0):
            heading = sign * _direction(_at(angles, points))
            position, line = points, [points]
            for _ in range(steps):
                next_heading = _direction(_at(angles, position))
                # Of the two opposite directions take the one that turns less.
                opposed = (next_heading * heading).sum(1, keepdims=True) < 0
                next_heading *= np.where(opposed, -1, 1)
                heading = next_heading
                position = position + heading * step
                line.append(position)
            halves.append(line)
        return np.stack(halves[1][:0:-1] + halves[0], axis=1)

    def draw_strokes(self, lines: Array, colors: Array, brush: Brush) -> None:
        """Draw strokes along given lines, one after another.

        Args:
            lines: Points (x, y) in pixels, shape (N, K, 2).
            colors: RGB in [0, 255], shape (N, 3).
            brush: Appearance of the strokes; its length is not used.
        """
        random, count, points = self.random, len(lines), lines.shape[1]
        if count == 0:
            return
        along = np.gradient(lines, axis=1)
        along /= np.linalg.norm(along, axis=2, keepdims=True) + 1e-9
        across = np.stack([-along[..., 1], along[..., 0]], -1)  # (N, K, 2)
        positions = np.linspace(-0.5, 0.5, brush.bristles)  # across the stroke
        width = brush.width * self.brush_scale
        # The stroke narrows towards its ends.
        taper = 1 - 0.45 * np.abs(np.linspace(-1, 1, points)) ** 3
        offsets = positions[:, None] * taper * width * random.uniform(0.75, 1.2, (count, 1, 1))
        bristles = lines[:, None] + offsets[..., None] * across[:, None]  # (N, B, K, 2)
        lit = (across.mean(1) @ _LIGHT)[:, None] * positions * 2
        tints = (
            colors[:, None]
            + random.normal(0, brush.jitter, (count, 1, 1))
            + random.normal(0, brush.jitter / 2, (count, 1, 3))
            + random.normal(0, brush.grain, (count, brush.bristles, 1))
            + brush.relief * lit[..., None]
        )
        tints = np.clip(tints, 0, 255).astype(int)
        # Outer bristles touch the canvas later and leave it earlier than inner ones.
        late = np.abs(positions) * 0.8 * points * random.random((count, brush.bristles))
        early = np.abs(positions) * 0.8 * points * random.random((count, brush.bristles))
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

    def paste(self, pixels: Array) -> None:
        """Replace the canvas by an image, resized to the canvas.

        Args:
            pixels: RGB in [0, 255], shape (H, W, 3).
        """
        self._image.paste(to_image(pixels).resize(self._image.size, Image.Resampling.BICUBIC))

    def fill_polygon(self, points: Array, color: str) -> None:
        """Fill a polygon with one color.

        Args:
            points: Corners (x, y) in pixels, shape (K, 2).
            color: ``rrggbb``.
        """
        self._draw.polygon((points * _SUPERSAMPLING).ravel().tolist(), fill=f"#{color}")

    def pixels(self) -> Array:
        """Return the image painted so far: RGB in [0, 255], shape (size, size, 3)."""
        small = self._image.resize((self.size, self.size), Image.Resampling.BOX)
        return np.asarray(small, dtype=float)


def arcs(canvas: Canvas, center: tuple[float, float], radii: Array, length: float) -> Array:
    """Return arcs of circles around a center, each starting at a random angle.

    Args:
        canvas: Canvas whose random generator and scale are used.
        center: (x, y) in pixels.
        radii: Radius of each arc in pixels, shape (N,).
        length: Length of each arc, in pixels of a 1024 x 1024 canvas.

    Returns:
        Points along each arc, shape (N, 9, 2).
    """
    starts = canvas.random.uniform(0, 2 * np.pi, len(radii))[:, None]
    span = length * canvas.brush_scale / np.maximum(radii, 1)
    angles = starts + np.linspace(-0.5, 0.5, 9) * span[:, None]
    return np.array(center) + radii[:, None, None] * _direction(angles)


def to_image(pixels: Array) -> Image.Image:
    """Convert RGB values, shape (H, W, 3), clipped to [0, 255], to an image."""
    return Image.fromarray(np.clip(pixels, 0, 255).round().astype(np.uint8))


def _at(field: Array, points: Array) -> Array:
    """Look up a field at points (x, y), shape (N, 2), clamped to its border."""
    height, width = field.shape[:2]
    columns = np.clip(points[:, 0], 0, width - 1).astype(int)
    rows = np.clip(points[:, 1], 0, height - 1).astype(int)
    return field[rows, columns]


def _direction(angles: Array) -> Array:
    """Return the unit vectors of angles, shape (..., 2)."""
    return np.stack([np.cos(angles), np.sin(angles)], -1)
