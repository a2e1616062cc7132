"""Checkpoints for inference: find, write and read them, choose a style, start training."""

from stylenet.checkpoint.file import load_checkpoint, save_checkpoint
from stylenet.checkpoint.finding import find_checkpoint, find_style
from stylenet.checkpoint.metadata import FORMAT_VERSION, CheckpointInfo
from stylenet.checkpoint.starting import start_from, start_from_base
from stylenet.checkpoint.style import load_style, select_style
from stylenet.methods.arbitrary_style.selection import STYLE_SIZE

__all__ = [
    "FORMAT_VERSION",
    "STYLE_SIZE",
    "CheckpointInfo",
    "find_checkpoint",
    "find_style",
    "load_checkpoint",
    "load_style",
    "save_checkpoint",
    "select_style",
    "start_from",
    "start_from_base",
]
