"""Stylize videos, keeping size, times and sound."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, refuse_input
from stylenet.inference.options import StylizeOptions
from stylenet.inference.region_map import Mask, RegionMap, check_mask
from stylenet.inference.stylizer import Stylizer
from stylenet.video.flicker import FlickerReport
from stylenet.video.frame_stylizer import FrameStylizer
from stylenet.video.frames import RgbFrame
from stylenet.video.mask_videos import MaskVideos
from stylenet.video.options import VideoOptions
from stylenet.video.queues import WriteBehind, read_ahead
from stylenet.video.reader import VideoReader
from stylenet.video.transfer import Download, pin
from stylenet.video.writer import VideoWriter

if TYPE_CHECKING:
    import av

# Maximum number of frames that wait before and after the network: enough for an uneven pace, and
# at 25 MB for a frame in 4K not too much memory.
_AHEAD = 8
# Pairs of frames for the warping error, spread over the video: each costs two flows and two more
# passes of the network.
_FLICKER_PAIRS = 24


@dataclass(frozen=True)
class VideoReport:
    """Outcome of stylizing a video.

    Attributes:
        frames: Number of frames stylized.
        seconds: Duration of the run.
        codec: The encoder that was used.
        left_out: Descriptions of what the result lacks: subtitles that its format cannot hold,
            cover images, timecodes, the sound of a GIF, transparency, damaged packets.
        changes: Descriptions of what was done to the frames before the network.
        flicker: The warping errors, if requested and if two frames belong to one scene.
    """

    frames: int
    seconds: float
    codec: str
    left_out: tuple[str, ...]
    changes: tuple[str, ...]
    flicker: FlickerReport | None

    @property
    def fps(self) -> float:
        """Return the frames stylized per second."""
        return self.frames / max(self.seconds, 1e-9)


def stylize_video(
    stylizer: Stylizer,
    source: str | Path,
    target: str | Path,
    options: StylizeOptions | None = None,
    video: VideoOptions | None = None,
    progress: bool = True,
    mask: Mask | MaskVideos | None = None,
) -> VideoReport:
    """Stylize a video; the result appears complete or not at all.

    The result keeps the size, each frame's time, and the sound without encoding it again. Videos
    with a display rotation, as phones record them, are written upright. HDR and wide colors become
    BT.709.

    If an error occurs midway (because the source is cut off, say), the frames stylized so far are
    kept beside the target as ``NAME.partial.SUFFIX``.

    Args:
        stylizer: The stylizer to use.
        source: Any video that FFmpeg reads.
        target: The output file; its suffix chooses the format.
        options: Options of each frame; ``None`` for the defaults.
        video: Options of the video; ``None`` for the defaults.
        progress: Whether to show a progress bar with frame rate and remaining time on stderr.
        mask: Of the upright frames' size; see :meth:`stylenet.inference.Stylizer.stylize`. Or
            videos with a mask for each frame.

    Raises:
        StyleNetError: The video is unreadable, damaged or cut off, the target is unwritable or
            cannot hold the sound, both are the same file, the mask does not fit, or memory is
            short.
    """
    source, target = Path(source), Path(target)
    video = video or VideoOptions()
    refuse_input(target, source)
    if target.is_dir():
        raise StyleNetError(f"output={target} is a folder, expected a file")
    with VideoReader(source, video.deinterlace) as reader, atomic_path(target) as temporary:
        moving = mask if isinstance(mask, MaskVideos) else None
        static = None if isinstance(mask, MaskVideos) else mask
        if static is not None:
            check_mask(static, reader.frames.width, reader.frames.height)
        every = max(1, (reader.expected or 0) // _FLICKER_PAIRS)
        frame_stylizer = FrameStylizer(stylizer, options, video, every, static)
        writer = VideoWriter(temporary, target, reader, video.codec, video.quality)
        bar = tqdm(total=reader.expected, unit="frame", dynamic_ncols=True, disable=not progress)
        start = time.perf_counter()
        try:
            with bar, MaskVideos.reading(moving) as masks:

                def start_frame(pixels: np.ndarray) -> Download:
                    if masks is not None:
                        frame_stylizer.use(_next_regions(masks, pixels, source))
                    return frame_stylizer.start(pixels)

                frames = stylize_frames(reader, writer, start_frame, stylizer.device, bar.update)
                if masks is not None and next(masks, None) is not None:
                    raise StyleNetError(
                        f"the mask video has more frames than {source}, which has {frames}. Give "
                        f"videos of equal length."
                    )
            writer.close()
        except StyleNetError as error:
            kept = _keep_partial(writer, temporary, target)
            raise StyleNetError(f"{error}{kept}") from error
        except BaseException:
            writer.close(complete=False)
            raise
    seconds = time.perf_counter() - start
    left_out = (*writer.left_out, *reader.lost, *writer.lost)
    return VideoReport(
        frames,
        seconds,
        writer.codec,
        left_out,
        tuple(reader.changes),
        frame_stylizer.meter.report(),
    )


def _next_regions(masks: Iterator[RegionMap], pixels: np.ndarray, source: Path) -> RegionMap:
    """Return the regions of the next frame."""
    regions = next(masks, None)
    if regions is None:
        raise StyleNetError(
            f"the mask video ends before {source}. Give videos with the same number of frames."
        )
    check_mask(regions, pixels.shape[1], pixels.shape[0])
    return regions


def stylize_frames(
    reader: VideoReader,
    writer: VideoWriter,
    start_frame: Callable[[np.ndarray], Download],
    device: torch.device,
    on_frame: Callable[[], object],
) -> int:
    """Read, stylize and write a video, each in a thread of its own.

    Args:
        reader: Yields frames, and packets that are passed on.
        writer: Receives both; is not closed.
        start_frame: Starts to stylize a frame, RGB, uint8, shape (H, W, 3).
        device: The network's device; for a GPU the frames are read into pinned memory.
        on_frame: Called once for each frame started.

    Returns:
        The number of frames.

    Raises:
        StyleNetError: The video is damaged or cannot be written, or memory is short.
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
            behind.put((item, start_frame(item.pixels)))
            frames += 1
            on_frame()
    return frames


def _keep_partial(writer: VideoWriter, temporary: Path, target: Path) -> str:
    """Save the frames written so far as a playable video beside the target; describe it."""
    try:
        writer.close()
        if not writer.frames:
            return ""
        partial = target.with_name(f"{target.stem}.partial{target.suffix}")
        with atomic_path(partial) as path:
            temporary.replace(path)
    except StyleNetError:  # nothing can be written, for example on a full disk
        return ""
    return f"; the first {writer.frames} frames ({writer.end:.1f} s) are kept in {partial}"
