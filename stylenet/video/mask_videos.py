"""Videos whose frames are the masks of another video's frames."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from PIL import Image

from stylenet.inference.region_map import RegionMap
from stylenet.inference.region_plan import RegionPlan
from stylenet.video.clip import Clip
from stylenet.video.frames import RgbFrame
from stylenet.video.reader import VideoReader


class MaskVideos:
    """Masks for each frame of a video, from videos of the same length or from still images."""

    def __init__(self, plan: RegionPlan, are_videos: Sequence[bool]) -> None:
        """Name the masks; no video is opened yet.

        Args:
            plan: Names the files and what their regions get.
            are_videos: Whether each file is a video. An image serves all frames.

        Raises:
            StyleNetError: An image is unreadable.
        """
        self._plan = plan
        self._sources = [
            path if is_video else plan.read_image(path)
            for path, is_video in zip(plan.paths, are_videos, strict=True)
        ]

    def describe(self) -> str:
        """Return text that is equal as long as the files and what they mean stay the same."""
        stats = [path.stat() for path in self._plan.paths if path.exists()]
        return repr((self._plan, [(stat.st_size, stat.st_mtime_ns) for stat in stats]))

    @contextmanager
    def reading(self, clip: Clip, skip: int = 0) -> Iterator[Iterator[RegionMap]]:
        """Open the videos and yield the regions of each frame.

        Args:
            clip: The part of the video that is stylized, which is the part of the masks, too.
            skip: Number of first frames to leave out.

        Raises:
            StyleNetError: A video is missing, damaged, or ends before the part.
        """
        with ExitStack() as stack:
            streams = [
                _frames(stack.enter_context(VideoReader(source, clip=clip)))
                if isinstance(source, Path)
                else itertools.repeat(source)
                for source in self._sources
            ]
            masks = itertools.islice(zip(*streams, strict=False), skip, None)
            yield map(self._plan.combine, masks)


def _frames(reader: VideoReader) -> Iterator[Image.Image]:
    for item in reader:
        if isinstance(item, RgbFrame):
            yield Image.fromarray(item.pixels)
