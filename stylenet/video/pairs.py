"""Read two neighboring frames from the middle of a video."""

from contextlib import suppress
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import torch

from stylenet.errors import StyleNetError
from stylenet.video.clip import Clip
from stylenet.video.frames import RgbFrame
from stylenet.video.reader import VideoReader
from stylenet.video.source import OpenVideo
from stylenet.video.steady import CutFinder

# Frames read to find two of one scene. Of two neighboring pairs, only one has a cut in it, unless
# scenes are single frames.
_FRAMES = 4


def read_pair(path: Path, moment: float) -> tuple[np.ndarray, np.ndarray]:
    """Read two neighboring frames of one scene.

    Args:
        path: Any video that FFmpeg reads.
        moment: Where in the video, from 0 for its start to 1 for its end. The same moment always
            gives the same frames.

    Returns:
        The two frames, upright, RGB, uint8, shape (H, W, 3).

    Raises:
        StyleNetError: The video is unreadable, or has no two neighboring frames of one scene there.
    """
    start = _start(path, moment)
    frames: list[np.ndarray] = []
    if start:
        # The duration in a header may be wrong; the beginning then serves, which tells the cause
        # if it is unreadable, too.
        with suppress(StyleNetError):
            frames = _read(path, start)
    if len(frames) < 2:
        frames = _read(path, Fraction(0))
    if len(frames) < 2:
        raise StyleNetError(f"{path} has a single frame; expected two at least")
    for before, after in pairwise(frames):
        is_cut = CutFinder()
        is_cut(_thumbnail_source(before))
        if not is_cut(_thumbnail_source(after)):
            return before, after
    raise StyleNetError(f"{path} has no two neighboring frames of one scene where it was read")


def _start(path: Path, moment: float) -> Fraction:
    """Return the time of a moment in seconds, two frames before the end of the video at most."""
    source = OpenVideo(path)
    try:
        if source.video.duration:
            duration = source.video.duration * source.unit
        else:
            duration = Fraction(source.container.duration or 0, 1_000_000)
        return max(Fraction(0), Fraction(moment) * (duration - 2 / source.rate))
    finally:
        source.container.close()


def _read(path: Path, start: Fraction) -> list[np.ndarray]:
    """Return some neighboring frames from a time on; fewer at the end of the video."""
    with VideoReader(path, clip=Clip(start)) as reader:
        frames = (item.pixels for item in reader if isinstance(item, RgbFrame))
        return list(islice(frames, _FRAMES))


def _thumbnail_source(pixels: np.ndarray) -> torch.Tensor:
    """Return a frame as RGB in [0, 1], shape (1, 3, H, W)."""
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
