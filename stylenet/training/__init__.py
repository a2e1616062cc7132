"""Training: Lightning modules, callbacks, optimizers and the run directory."""

from stylenet.training.clip_temporal import make_temporal_loss
from stylenet.training.droplets import DropletLoss
from stylenet.training.loss_weight import check_loss_weight
from stylenet.training.module import StyleTransferModule
from stylenet.training.optimizer import OptimizerFactory
from stylenet.training.resumable import ResumableModule
from stylenet.training.run_folder import RunFolder
from stylenet.training.schedule import ConstantSchedule, CosineSchedule
from stylenet.training.step import check_compile_mode

__all__ = [
    "ConstantSchedule",
    "CosineSchedule",
    "DropletLoss",
    "OptimizerFactory",
    "ResumableModule",
    "RunFolder",
    "StyleTransferModule",
    "check_compile_mode",
    "check_loss_weight",
    "make_temporal_loss",
]
