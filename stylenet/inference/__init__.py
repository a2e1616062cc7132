"""Repainting: pictures in memory, files and folders. Needs no encoder and no trainer."""

from stylenet.inference.files import find_pictures, repaint_file
from stylenet.inference.settings import RepaintSettings
from stylenet.inference.stylizer import Stylizer

__all__ = ["RepaintSettings", "Stylizer", "find_pictures", "repaint_file"]
