"""Options of stylization that need no new training."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from stylenet.errors import StyleNetError, check_choice, check_number

COLOR_MODES = ("none", "luminance", "histogram", "statistics")
# The receptive field reaches 8 pixels beyond a tile on each side; smaller tiles would mostly
# read their neighbors.
SMALLEST_TILE = 256
# Beyond this factor a network sees too little of the photo, or needs 16 times the memory.
_LARGEST_STROKE = 4.0
# The last of several passes, at the image's own size.
FULL = "full"


@dataclass(frozen=True)
class StylizeOptions:
    """Options of stylization, checked when constructed.

    Attributes:
        size: Short side, in pixels, at which the network runs; the result is scaled back to the
            image's size. A smaller size gives larger strokes. ``None`` keeps the image's own size.
        stroke: Size of the strokes, from 1/4 to 4 times the trained one. The network runs at
            1/stroke of the height and width (of ``size``, if given), and the result is scaled back.
        passes: Short sides at which the network runs one after the other, from coarse to fine; the
            last may be ``full``. See :mod:`stylenet.inference.passes`. ``None`` for a single pass.
        strength: Weight of the stylized image in the result, from 0 (the content image) to 1.
        preserve_color: ``none`` or ``False`` keeps the style's colors. ``luminance`` or ``True``
            keeps the content image's colors and takes only the brightness from the stylized image.
            ``histogram`` gives each channel the content image's histogram. ``statistics`` gives the
            result the mean and covariance of the content image's colors. Fully transparent pixels
            count for neither.
        tile: Tile size, in pixels, for large images. ``auto`` tiles an image that would not fit
            into memory; ``none`` or 0 never tiles.

    Raises:
        StyleNetError: A value is out of range.
    """

    size: int | None = None
    strength: float = 1.0
    preserve_color: bool | str = False
    tile: int | str | None = "auto"
    stroke: float = 1.0
    passes: Sequence[int | str] | None = None

    def __post_init__(self) -> None:
        if self.size is not None:
            check_number("size", self.size, minimum=1, integer=True)
        check_number("stroke", self.stroke, minimum=1 / _LARGEST_STROKE, maximum=_LARGEST_STROKE)
        if self.passes is not None:
            self._check_passes(self.passes)
        check_number("strength", self.strength, minimum=0)
        if self.strength > 1:
            raise StyleNetError(f"strength={self.strength} is not a number from 0 to 1")
        if not isinstance(self.preserve_color, bool):
            check_choice("preserve_color", self.preserve_color, ("true", "false", *COLOR_MODES))
        if isinstance(self.tile, str):
            check_choice("tile", self.tile, ("auto", "none", f"a number from {SMALLEST_TILE}"))
        elif self.tile is not None and (self.tile != 0 or isinstance(self.tile, bool)):
            check_number("tile", self.tile, minimum=SMALLEST_TILE, integer=True)

    def _check_passes(self, passes: Sequence[int | str]) -> None:
        """Raise if the passes are not short sides from coarse to fine."""
        if isinstance(passes, str) or not isinstance(passes, Sequence) or len(passes) < 2:
            raise StyleNetError(
                f"passes={passes} is not a list of two or more short sides. Give one such as "
                f"'[512,1024,full]'."
            )
        sizes = [side for side in passes if side != FULL]
        for side in sizes:
            check_number("passes", side, minimum=1, integer=True)
        if FULL in passes[:-1] or any(a >= b for a, b in pairwise(map(int, sizes))):
            raise StyleNetError(
                f"passes={list(passes)} does not go from coarse to fine. Give growing short sides "
                f"and, last, full, such as '[512,1024,full]'."
            )
        if self.size is not None or self.stroke != 1:
            raise StyleNetError("passes sets the size of each pass. Leave size and stroke out.")

    def working_size(self, size: tuple[int, int]) -> int | None:
        """Return the short side at which a network works on an image.

        Args:
            size: Height and width of the image.

        Returns:
            The short side in pixels; ``None`` for the image's own.
        """
        if self.stroke == 1:
            return self.size
        return max(1, round((self.size or min(size)) / self.stroke))

    @property
    def color(self) -> str:
        """Return ``preserve_color`` as one of ``COLOR_MODES``."""
        word = str(self.preserve_color).lower()
        return {"false": "none", "true": "luminance"}.get(word, word)

    @property
    def tile_size(self) -> int | None:
        """Return the tile size in pixels; 0 for never, ``None`` if memory decides."""
        if self.tile == "auto":
            return None
        return 0 if self.tile in (None, "none") else int(self.tile)


def describe_stroke(stroke: float) -> str:
    """Describe in one line what ``stroke`` does with a network that has one size of strokes."""
    text = f"stroke={stroke:g}: the network works at {1 / stroke:.2g} times the height and width"
    if stroke > 1:
        return f"{text}, so strokes are larger and detail is coarser"
    return f"{text}, so strokes are smaller; it takes {1 / stroke**2:.2g} times as long"
