"""The project's own style images, painted stroke by stroke."""

from collections.abc import Callable

from PIL import Image

from stylenet.painting.abstract import paint_abstract
from stylenet.painting.ink import paint_ink
from stylenet.painting.mosaic import paint_mosaic
from stylenet.painting.starry import paint_starry
from stylenet.painting.woodblock import paint_woodblock

# Painting functions by style name: (side of the square image in pixels, seed) -> image.
PAINTINGS: dict[str, Callable[[int, int], Image.Image]] = {
    "starry": paint_starry,
    "mosaic": paint_mosaic,
    "woodblock": paint_woodblock,
    "ink": paint_ink,
    "abstract": paint_abstract,
}
