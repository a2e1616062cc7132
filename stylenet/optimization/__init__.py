"""Style transfer without a network: optimize the pixels of one image."""

from stylenet.optimization.optimize import Criterion, Optimization, Step, optimize_image
from stylenet.optimization.options import OptimizationOptions
from stylenet.optimization.saved import load_state, save_state
from stylenet.optimization.scales import SMALLEST_SIDE, plan_scales, resize

__all__ = [
    "SMALLEST_SIDE",
    "Criterion",
    "Optimization",
    "OptimizationOptions",
    "Step",
    "load_state",
    "optimize_image",
    "plan_scales",
    "resize",
    "save_state",
]
