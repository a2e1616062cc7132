"""Training: the Lightning module, its callbacks, and what a run folder holds."""

from stylenet.training.module import OptimizerSettings, StyleTransferModule
from stylenet.training.run_folder import RunFolder

__all__ = ["OptimizerSettings", "RunFolder", "StyleTransferModule"]
