"""How an image is to be stylized: every dial that needs no new training."""

from dataclasses import dataclass

from stylenet.errors import StyleNetError, check_choice, check_number

ColorS = ("none", "luminance", "histogram", "statistics")
# The reach of a network beyond a tile is 8 pixels a side; below this, more would be read twice.
SMALLEST_TILE = 256


@dataclass(frozen=True)
class StylizeOptions:
    """The dials of stylizing, checked when made.

    Attributes:
        size: The shorter side, in pixels, at which the network works; the result is brought back
            to the image's size. Smaller means larger strokes. ``None`` works at the image's
            own size.
        strength: How much of the result is mixed into the image, from 0 (the image) to 1.
        preserve_color: ``none`` or ``False``: the style's colors. ``luminance`` or ``True``: the
            image's colors, only the brightness is the result's. ``histogram``: each channel of
            the result takes the image's histogram. ``statistics``: the result takes the mean and
            the covariance of the image's colors. What is transparent counts for neither.
        tile: The side, in pixels, of the pieces in which a large image is stylized; ``auto``
            tiles what would not fit into memory, ``none`` or 0 never does.

    Raises:
        StyleNetError: A value is impossible.
    """

    size: int | None = None
    strength: float = 1.0
    preserve_color: bool | str = False
    tile: int | str | None = "auto"

    def __post_init__(self) -> None:
        if self.size is not None:
            check_number("size", self.size, minimum=1, integer=True)
        check_number("strength", self.strength, minimum=0)
        if self.strength > 1:
            raise StyleNetError(f"strength={self.strength} is not a number from 0 to 1")
        if not isinstance(self.preserve_color, bool):
            check_choice("preserve_color", self.preserve_color, ("true", "false", *ColorS))
        if isinstance(self.tile, str):
            check_choice("tile", self.tile, ("auto", "none", f"a number from {SMALLEST_TILE}"))
        elif self.tile is not None and (self.tile != 0 or isinstance(self.tile, bool)):
            check_number("tile", self.tile, minimum=SMALLEST_TILE, integer=True)

    @property
    def color(self) -> str:
        """One of ``ColorS``, whichever way ``preserve_color`` says it."""
        word = str(self.preserve_color).lower()
        return {"false": "none", "true": "luminance"}.get(word, word)

    @property
    def tile_side(self) -> int | None:
        """The side of the tiles, 0 for never, ``None`` where memory decides."""
        if self.tile == "auto":
            return None
        return 0 if self.tile in (None, "none") else int(self.tile)
