"""DeepDream: change an image so that features of an encoder grow."""

from stylenet.dreaming.objective import DreamObjective
from stylenet.dreaming.octaves import dream, octave_sizes
from stylenet.dreaming.options import SMALLEST, DreamOptions
from stylenet.dreaming.zoom import ZoomOptions, dream_video

__all__ = [
    "SMALLEST",
    "DreamObjective",
    "DreamOptions",
    "ZoomOptions",
    "dream",
    "dream_video",
    "octave_sizes",
]
