"""Videos whose frames are the masks of another video's frames."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from PIL import Image

from stylenet.inference.region_map import RegionMap
from stylenet.video.frames import RgbFrame
from stylenet.video.reader import VideoReader


class MaskVideos:
    """Masks for each frame of a video, from videos of the same length or from still images."""

    def __init__(
        self,
        sources: Sequence[Image.Image | Path],
        combine: Callable[[Sequence[Image.Image]], RegionMap],
    ) -> None:
        """Name the masks; nothing is opened yet.

        Args:
            sources: A video, or an image that serves all frames, for each mask.
            combine: Makes regions of the masks of a frame, mode RGB for a video.
        """
        self._sources, self._combine = list(sources), combine

    @staticmethod
    @contextmanager
    def reading(videos: "MaskVideos | None") -> Iterator[Iterator[RegionMap] | None]:
        """Open videos and yield the regions of each frame; ``None`` yields ``None``.

        Raises:
            StyleNetError: A video is missing or damaged.
        """
        if videos is None:
            yield None
            return
        with ExitStack() as stack:
            streams = [
                stack.enter_context(VideoReader(source)) if isinstance(source, Path) else source
                for source in videos._sources
            ]
            yield map(videos._combine, zip(*map(_frames, streams), strict=False))


def _frames(source: VideoReader | Image.Image) -> Iterator[Image.Image]:
    if isinstance(source, Image.Image):
        while True:
            yield source
    for item in source:
        if isinstance(item, RgbFrame):
            yield Image.fromarray(item.pixels)
