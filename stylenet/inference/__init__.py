"""Stylize images in memory, files and folders. Needs no encoder and no trainer."""

from stylenet.inference.files import find_images, stylize_file
from stylenet.inference.options import StylizeOptions
from stylenet.inference.stylizer import Stylizer

__all__ = ["StylizeOptions", "Stylizer", "find_images", "stylize_file"]
