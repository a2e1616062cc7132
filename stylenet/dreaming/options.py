"""Options of DeepDream."""

from dataclasses import dataclass

from stylenet.errors import check_number

# Smallest height and width of an image or octave, in pixels: twice the stride of VGG's deepest
# layers.
SMALLEST = 32

# Largest jitter in pixels: the largest image size of most formats.
_FARTHEST = 65_535


@dataclass(frozen=True)
class DreamOptions:
    """Options of a dream.

    Steps, octaves and jitter are those of the authors' notebook, where a step was 1.5 of 255. The
    other defaults were chosen by comparing dreams of five photos with three encoders.

    Attributes:
        steps: Gradient steps on each octave.
        step_size: Mean change of a value in a step, in [0, 1]. Twice the default saturates colors.
        octaves: Number of image sizes, of which the last is the image's own; fewer if height or
            width would fall below 32 pixels.
        octave_scale: Size of each octave relative to the one before.
        jitter: Largest shift of the image in a step, in pixels, in either direction.
        bands: Frequency bands, each an octave wide, in which the gradient is balanced, see
            :func:`stylenet.dreaming.ascent.smoothed`; 0 for none.
        smoothing: Factor of each band relative to the next finer one.
        tile: Largest height and width of a tile that the encoder sees at once, in pixels.
    """

    steps: int = 10
    step_size: float = 0.006
    octaves: int = 4
    octave_scale: float = 1.4
    jitter: int = 32
    bands: int = 4
    smoothing: float = 0.7
    tile: int = 768

    def __post_init__(self) -> None:
        """Check every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        for name, minimum in (("steps", 1), ("octaves", 1), ("bands", 0)):
            check_number(name, getattr(self, name), minimum=minimum, integer=True)
        check_number("jitter", self.jitter, minimum=0, maximum=_FARTHEST, integer=True)
        for name, maximum in (("step_size", 1), ("smoothing", 1000)):
            check_number(name, getattr(self, name), above=0, maximum=maximum)
        check_number("octave_scale", self.octave_scale, above=1)
        check_number("tile", self.tile, minimum=2 * SMALLEST, integer=True)
