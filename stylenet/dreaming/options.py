"""How a dream goes: steps, octaves, jitter and smoothing."""

from dataclasses import dataclass

from stylenet.errors import check_number

# Shortest side of an image, and of an octave, in pixels: twice the stride of VGG's deepest layers.
SMALLEST = 32

# Of jitter, in pixels; the longest side that most formats of images can have.
_FARTHEST = 65_535


@dataclass(frozen=True)
class DreamOptions:
    """How a dream goes.

    Steps, octaves and jitter are those of the authors' notebook, where a step was 1.5 of 255. The
    rest was chosen by looking at dreams of five photos and three encoders.

    Attributes:
        steps: Gradient steps on each octave.
        step_size: Mean change of a value by a step, of [0, 1]. At twice as much colors saturate.
        octaves: Sizes at which is dreamt, the last the image's own; fewer where a side would
            fall below 32 pixels.
        octave_scale: By how much each is larger than the one before.
        jitter: By how many pixels at most the image is shifted for a step, either way.
        bands: Frequency bands, each an octave wide, in which the gradient is balanced, see
            :func:`stylenet.dreaming.ascent.smoothed`; 0 leaves it as it is.
        smoothing: By how much each band counts more than the finer one before it.
        tile: Side of the largest piece that goes through the encoder at once, in pixels.
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
        """Checks every value.

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
