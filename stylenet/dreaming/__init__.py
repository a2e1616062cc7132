"""DeepDream: pictures that show what an encoder sees in them."""

from stylenet.dreaming.octaves import dream, octave_sizes
from stylenet.dreaming.settings import SMALLEST, DreamSettings
from stylenet.dreaming.zoom import ZoomSettings, dream_film

__all__ = [
    "SMALLEST",
    "DreamSettings",
    "ZoomSettings",
    "dream",
    "dream_film",
    "octave_sizes",
]
