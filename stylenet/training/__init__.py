"""Training: the Lightning modules, their callbacks, and what a run folder holds."""

from stylenet.training.distillation import DistillationModule, DistillationOptions
from stylenet.training.fidelity import mean_errors
from stylenet.training.module import StyleTransferModule
from stylenet.training.resumable import ResumableModule
from stylenet.training.run_folder import RunFolder
from stylenet.training.schedule import OptimizerOptions
from stylenet.training.step import check_compile_mode
from stylenet.training.teacher import Teacher

__all__ = [
    "DistillationModule",
    "DistillationOptions",
    "OptimizerOptions",
    "ResumableModule",
    "RunFolder",
    "StyleTransferModule",
    "Teacher",
    "check_compile_mode",
    "mean_errors",
]
