"""Stylize images in memory, files and folders. Needs no encoder and no trainer."""

from stylenet.inference.files import find_images, stylize_file
from stylenet.inference.options import StylizeOptions
from stylenet.inference.region_map import RegionMap
from stylenet.inference.region_stylizer import RegionStylizer
from stylenet.inference.stylizer import Stylizer

__all__ = [
    "RegionMap",
    "RegionStylizer",
    "StylizeOptions",
    "Stylizer",
    "find_images",
    "stylize_file",
]
