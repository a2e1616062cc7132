"""Style transfer without a network: the pixels of one picture are what is optimised."""

from stylenet.optimisation.optimise import Criterion, Optimisation, Step, optimise_image
from stylenet.optimisation.saved import load_state, save_state
from stylenet.optimisation.scales import SMALLEST_SIDE, plan_scales, resize
from stylenet.optimisation.settings import OptimisationSettings

__all__ = [
    "SMALLEST_SIDE",
    "Criterion",
    "Optimisation",
    "OptimisationSettings",
    "Step",
    "load_state",
    "optimise_image",
    "plan_scales",
    "resize",
    "save_state",
]
