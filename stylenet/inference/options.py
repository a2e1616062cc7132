"""Options of stylization that need no new training."""

from dataclasses import dataclass

from stylenet.errors import StyleNetError, check_choice, check_number

COLOR_MODES = ("none", "luminance", "histogram", "statistics")
# The receptive field reaches 8 pixels beyond a tile on each side; smaller tiles would mostly
# read their neighbors.
SMALLEST_TILE = 256


@dataclass(frozen=True)
class StylizeOptions:
    """Options of stylization, checked when constructed.

    Attributes:
        size: Short side, in pixels, at which the network runs; the result is scaled back to the
            image's size. A smaller size gives larger strokes. ``None`` keeps the image's own size.
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

    def __post_init__(self) -> None:
        if self.size is not None:
            check_number("size", self.size, minimum=1, integer=True)
        check_number("strength", self.strength, minimum=0)
        if self.strength > 1:
            raise StyleNetError(f"strength={self.strength} is not a number from 0 to 1")
        if not isinstance(self.preserve_color, bool):
            check_choice("preserve_color", self.preserve_color, ("true", "false", *COLOR_MODES))
        if isinstance(self.tile, str):
            check_choice("tile", self.tile, ("auto", "none", f"a number from {SMALLEST_TILE}"))
        elif self.tile is not None and (self.tile != 0 or isinstance(self.tile, bool)):
            check_number("tile", self.tile, minimum=SMALLEST_TILE, integer=True)

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
