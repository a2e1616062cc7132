"""Distillation of a small encoder from a large one (Hinton et al. 2015)."""

from stylenet.encoder_distillation.fidelity import mean_errors
from stylenet.encoder_distillation.module import DistillationModule, DistillationOptions

__all__ = ["DistillationModule", "DistillationOptions", "mean_errors"]
