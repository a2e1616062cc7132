"""DeepDream: images that show what an encoder sees in them."""

from stylenet.dreaming.octaves import dream, octave_sizes
from stylenet.dreaming.options import SMALLEST, DreamOptions
from stylenet.dreaming.zoom import ZoomOptions, dream_video

__all__ = [
    "SMALLEST",
    "DreamOptions",
    "ZoomOptions",
    "dream",
    "dream_video",
    "octave_sizes",
]
