"""Stylizing videos: the same size, times and sound, and steady if so wished."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, refuse_input
from stylenet.inference.finish import check_mask
from stylenet.inference.options import StylizeOptions
from stylenet.inference.stylizer import Stylizer
from stylenet.video.flicker import FlickerReport
from stylenet.video.frame_stylizer import FrameStylizer
from stylenet.video.frames import RgbFrame
from stylenet.video.options import VideoOptions
from stylenet.video.queues import WriteBehind, read_ahead
from stylenet.video.reader import VideoReader
from stylenet.video.transfer import Download, pin
from stylenet.video.writer import VideoWriter

if TYPE_CHECKING:
    import av

__all__ = ["FrameStylizer", "VideoOptions", "VideoReport", "stylize_frames", "stylize_video"]

# Frames that wait between reading and the network, and between it and writing: enough for an
# uneven pace, and at 25 MB for a frame in 4K not too much memory.
_AHEAD = 8
# Pairs of frames for the warping error, spread over the video: two flows and two more passes of the
# network each.
_FLICKER_PAIRS = 24


@dataclass(frozen=True)
class VideoReport:
    """What became of a video.

    Attributes:
        frames: How many were stylized.
        seconds: How long that took.
        codec: The encoder that was used.
        left_out: What the result lacks, in words: subtitles that its format cannot hold, cover
            images, timecodes, the sound of what becomes a GIF, transparency, damaged packets.
        changes: What was done to the frames before the network, in words.
        flicker: The warping errors, if asked for and if there were two frames of one scene.
    """

    frames: int
    seconds: float
    codec: str
    left_out: tuple[str, ...]
    changes: tuple[str, ...]
    flicker: FlickerReport | None

    @property
    def fps(self) -> float:
        """Frames per second of the run."""
        return self.frames / max(self.seconds, 1e-9)


def stylize_video(
    stylizer: Stylizer,
    source: str | Path,
    target: str | Path,
    settings: StylizeOptions | None = None,
    video: VideoOptions | None = None,
    progress: bool = True,
    mask: Image.Image | None = None,
) -> VideoReport:
    """Stylize a video; the result appears whole or not at all.

    It has the size of the source, each frame's own time, and the sound as it was, not encoded
    again. A video that its player turns, as phones record them, is written upright. HDR and wide
    colors become BT.709.

    What was done before an error (a source that is cut off, say) is kept beside the target, as
    ``NAME.partial.SUFFIX``.

    Args:
        stylizer: What stylizes.
        source: Any file with moving images that FFmpeg reads.
        target: Where the result goes; its suffix chooses the format.
        settings: How each frame is stylized; ``None`` for the defaults.
        video: How the video is; ``None`` for the defaults.
        progress: Whether to show a bar with frames per second and the time left, on stderr.
        mask: Of the upright frames; see :meth:`stylenet.inference.Stylizer.stylize`.

    Returns:
        What was done.

    Raises:
        StyleNetError: The video is unreadable, damaged or cut off, the target unwritable or unable
            to hold the sound, both are the same file, the mask does not fit, or memory is short.
    """
    source, target = Path(source), Path(target)
    video = video or VideoOptions()
    refuse_input(target, source)
    if target.is_dir():
        raise StyleNetError(f"output={target} is a folder, expected a file")
    with VideoReader(source, video.deinterlace) as reader, atomic_path(target) as temporary:
        if mask is not None:
            check_mask(mask, reader.frames.width, reader.frames.height)
        every = max(1, (reader.expected or 0) // _FLICKER_PAIRS)
        painter = FrameStylizer(stylizer, settings, video, every, mask)
        writer = VideoWriter(temporary, target, reader, video.codec, video.quality)
        bar = tqdm(total=reader.expected, unit="frame", dynamic_ncols=True, disable=not progress)
        began = time.perf_counter()
        try:
            with bar:
                frames = stylize_frames(reader, writer, painter.start, stylizer.device, bar.update)
            writer.close()
        except StyleNetError as error:
            kept = _keep(writer, temporary, target)
            raise StyleNetError(f"{error}{kept}") from error
        except BaseException:
            writer.close(complete=False)
            raise
    seconds = time.perf_counter() - began
    left_out = (*writer.left_out, *reader.lost, *writer.lost)
    changes, flicker = tuple(reader.changes), painter.meter.report()
    return VideoReport(frames, seconds, writer.codec, left_out, changes, flicker)


def stylize_frames(
    reader: VideoReader,
    writer: VideoWriter,
    start: Callable[[np.ndarray], Download],
    device: torch.device,
    on_frame: Callable[[], object],
) -> int:
    """Read, stylize and write a video, the three at the same time, in threads of their own.

    Args:
        reader: Yields the frames, and packets that are passed on.
        writer: Takes both; not closed.
        start: Begins to stylize a frame, RGB, uint8, shape (H, W, 3).
        device: Where the network runs; for a GPU the frames are read into pinned memory.
        on_frame: Called once for each frame that was begun.

    Returns:
        How many frames there were.

    Raises:
        StyleNetError: The video is damaged, cannot be written, or memory is short.
    """

    def read() -> "Iterator[RgbFrame | av.Packet]":
        for item in reader:
            if isinstance(item, RgbFrame):
                item = dataclasses.replace(item, pixels=pin(item.pixels, device))
            yield item

    def write(job: "tuple[RgbFrame | av.Packet, Download | None]") -> None:
        item, stylized = job
        if isinstance(item, RgbFrame) and stylized is not None:
            item = dataclasses.replace(item, pixels=stylized.result())
        writer.write(item)

    frames = 0
    with WriteBehind(write, _AHEAD) as behind, closing(read_ahead(read(), _AHEAD)) as items:
        for item in items:
            if not isinstance(item, RgbFrame):
                behind.put((item, None))
                continue
            behind.put((item, start(item.pixels)))
            frames += 1
            on_frame()
    return frames


def _keep(writer: VideoWriter, temporary: Path, target: Path) -> str:
    """Close what is there of a video as a playable file beside its target; say where it is."""
    try:
        writer.close()
        if not writer.frames:
            return ""
        partial = target.with_name(f"{target.stem}.partial{target.suffix}")
        with atomic_path(partial) as path:
            temporary.replace(path)
    except StyleNetError:  # nothing can be written, as on a full disk
        return ""
    return f"; the {writer.frames} frames until then, {writer.end:.1f} s, are kept in {partial}"
