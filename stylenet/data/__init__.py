"""Training data: photo datasets, their data modules, and style images."""

from stylenet.data.coco import CocoData
from stylenet.data.loading import Clips, Pairs, photos_of, split_clips
from stylenet.data.module import PhotoData
from stylenet.data.photos import PhotoDataset
from stylenet.data.samples import SamplePhotos
from stylenet.data.scan import scan_photos
from stylenet.data.shards import ShardData
from stylenet.data.style import StyleOptions, load_style_images
from stylenet.data.videos import VideoData, VideoDataset

__all__ = [
    "Clips",
    "CocoData",
    "Pairs",
    "PhotoData",
    "PhotoDataset",
    "SamplePhotos",
    "ShardData",
    "StyleOptions",
    "VideoData",
    "VideoDataset",
    "load_style_images",
    "photos_of",
    "scan_photos",
    "split_clips",
]
