"""Stylize videos and cameras: read, stylize frame by frame, keep steady, write."""

from stylenet.video.frame_stylizer import FrameStylizer
from stylenet.video.frames import RgbFrame
from stylenet.video.options import VideoOptions
from stylenet.video.reader import VideoReader
from stylenet.video.stylize import VideoReport, stylize_video

__all__ = [
    "FrameStylizer",
    "RgbFrame",
    "VideoOptions",
    "VideoReader",
    "VideoReport",
    "stylize_video",
]
