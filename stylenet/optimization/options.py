"""How an image is optimized: every dial of the descent."""

from dataclasses import dataclass

from stylenet.errors import LARGEST_SEED, check_choice, check_number

METHODS = ("lbfgs", "adam")
STARTS = ("content", "noise")

# Of L-BFGS 1 is a whole quasi-Newton step; of Adam so many levels of 255 that a value moves in the
# first steps. Measured on a photo of 192 pixels, 100 steps: 0.354 with 1, 0.358 with 0.5; Adam 0.67
# with 2, 0.45 with 5, 0.40 with 10 and, cut down by itself from there, with 20.
_LR = {"lbfgs": 1.0, "adam": 10.0}


@dataclass(frozen=True)
class OptimizationOptions:
    """The dials of the descent, checked when made.

    Attributes:
        method: ``lbfgs`` (Gatys et al. 2016) or ``adam``.
        start: ``content``, the photo, or ``noise``.
        steps: Steps at each scale; a step is one gradient.
        lr: Of L-BFGS, the share of its own step that is taken; of Adam, levels of 255. ``None``
            for 1 and 10.
        history: Steps that L-BFGS remembers, each with two images in float32. 20 and 100 ended at
            the same loss (0.354 after 100 steps).
        seed: Chooses the noise.
    """

    method: str = "lbfgs"
    start: str = "content"
    steps: int = 200
    lr: float | None = None
    history: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_choice("method", self.method, METHODS)
        check_choice("start", self.start, STARTS)
        check_number("steps", self.steps, minimum=1, integer=True)
        check_number("history", self.history, minimum=1, integer=True)
        check_number("seed", self.seed, minimum=0, maximum=LARGEST_SEED, integer=True)
        if self.lr is not None:
            check_number("lr", self.lr, above=0)

    @property
    def rate(self) -> float:
        """The learning rate, chosen or the method's own."""
        return _LR[self.method] if self.lr is None else float(self.lr)
