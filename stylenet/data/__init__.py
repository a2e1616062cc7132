"""Training data: photo datasets, their data modules, and style images."""

from stylenet.data.coco import CocoData
from stylenet.data.loading import Pairs, photos_of
from stylenet.data.module import PhotoData
from stylenet.data.photos import PhotoDataset
from stylenet.data.samples import SamplePhotos
from stylenet.data.scan import scan_photos
from stylenet.data.shards import ShardData
from stylenet.data.style import StyleOptions, load_style_images

__all__ = [
    "CocoData",
    "Pairs",
    "PhotoData",
    "PhotoDataset",
    "SamplePhotos",
    "ShardData",
    "StyleOptions",
    "load_style_images",
    "photos_of",
    "scan_photos",
]
