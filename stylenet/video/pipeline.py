"""Read, stylize and write a video at the same time."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from stylenet.video.frames import RgbFrame
from stylenet.video.journal import SEGMENT
from stylenet.video.queues import WriteBehind, read_ahead
from stylenet.video.reader import VideoReader
from stylenet.video.transfer import Download, pin
from stylenet.video.writer import VideoWriter

if TYPE_CHECKING:
    import av

# Maximum number of frames that wait before and after the network: enough for an uneven pace, and
# at 25 MB for a frame in 4K not too much memory.
_AHEAD = 8


def stylize_frames(
    reader: VideoReader,
    writer: VideoWriter,
    start_frame: Callable[[np.ndarray], Download],
    device: torch.device,
    on_frame: Callable[[], object],
    state: Callable[[], dict[str, Tensor]] | None = None,
    before_frame: Callable[[float], object] | None = None,
) -> int:
    """Read, stylize and write a video, each in a thread of its own.

    Args:
        reader: Yields frames, and packets that are passed on.
        writer: Receives both; is not closed.
        start_frame: Starts to stylize a frame, RGB, uint8, shape (H, W, 3).
        device: The network's device; for a GPU the frames are read into pinned memory.
        on_frame: Called once for each frame started.
        state: Returns the state of the smoothing, to go on from if the run is interrupted; ``None``
            for a run that cannot go on.
        before_frame: Called before each frame with its time in seconds.

    Returns:
        The number of frames.

    Raises:
        StyleNetError: The video is damaged or cannot be written, or memory is short.
    """

    def read() -> "Iterator[tuple[RgbFrame | av.Packet, np.ndarray | None]]":
        source: np.ndarray | None = None
        pinned: np.ndarray | None = None
        for item in reader:
            if not isinstance(item, RgbFrame):
                yield item, None
                continue
            if item.pixels is not source:
                source, pinned = item.pixels, pin(item.pixels, device)
            yield item, pinned

    def write(job: "tuple[RgbFrame | av.Packet, Download | None] | dict[str, Tensor]") -> None:
        if isinstance(job, dict):
            writer.end_segment(job)
            return
        item, stylized = job
        if isinstance(item, RgbFrame) and stylized is not None:
            pixels = stylized.result().astype(item.pixels.dtype, copy=False)
            item = dataclasses.replace(item, pixels=pixels)
        writer.write(item)

    frames = 0
    last: tuple[np.ndarray, Download] | None = None
    with WriteBehind(write, _AHEAD) as behind, closing(read_ahead(read(), _AHEAD)) as items:
        for item, pixels in items:
            if pixels is None:
                behind.put((item, None))
                continue
            if before_frame is not None and isinstance(item, RgbFrame):
                before_frame(float(item.pts * reader.time_base))
            if last is None or last[0] is not pixels:  # a frame may be repeated
                last = (pixels, start_frame(pixels))
            behind.put((item, last[1]))
            frames += 1
            on_frame()
            if state is not None and writer.journal is not None and frames % SEGMENT == 0:
                behind.put(state())
    return frames
