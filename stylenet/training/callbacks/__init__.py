"""Callbacks of a training run."""

from stylenet.training.callbacks.checkpoints import Checkpoints, SafeCheckpointIO
from stylenet.training.callbacks.guard import Guard
from stylenet.training.callbacks.previews import Previews
from stylenet.training.callbacks.progress import Progress, Throughput
from stylenet.training.callbacks.stop import StopOnSignal

__all__ = [
    "Checkpoints",
    "Guard",
    "Previews",
    "Progress",
    "SafeCheckpointIO",
    "StopOnSignal",
    "Throughput",
]
