"""Options of image optimization."""

from dataclasses import dataclass

from stylenet.errors import LARGEST_SEED, check_choice, check_number

METHODS = ("lbfgs", "adam")
STARTS = ("content", "noise")

# Default learning rates. For L-BFGS 1 is a full quasi-Newton step; for Adam it is the change of a
# value in the first steps, in levels of 255. Losses on a photo of 192 pixels after 100 steps:
# L-BFGS 0.354 with 1, 0.358 with 0.5; Adam 0.67 with 2, 0.45 with 5, 0.40 with 10, and 0.40 with
# 20, which the descent then cuts down.
_LR = {"lbfgs": 1.0, "adam": 10.0}


@dataclass(frozen=True)
class OptimizationOptions:
    """Options of the descent.

    Attributes:
        method: ``lbfgs`` (Gatys et al. 2016) or ``adam``.
        start: ``content``, the photo, or ``noise``.
        steps: Steps at each scale; a step computes one gradient.
        lr: Fraction of a full step for L-BFGS (default 1), levels of 255 for Adam (default 10).
        history: Steps that L-BFGS remembers, each with two images in float32. 20 and 100 ended at
            the same loss (0.354 after 100 steps).
        seed: Seed of the noise.
    """

    method: str = "lbfgs"
    start: str = "content"
    steps: int = 200
    lr: float | None = None
    history: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value.

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
        """The learning rate: ``lr``, or the method's default."""
        return _LR[self.method] if self.lr is None else float(self.lr)
