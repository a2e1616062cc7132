"""Stylize videos, keeping size, times and sound."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, refuse_input
from stylenet.inference.options import StylizeOptions
from stylenet.inference.region_map import Mask, RegionMap, check_mask
from stylenet.inference.stylizer import Stylizer
from stylenet.video.flicker import FlickerReport
from stylenet.video.frame_stylizer import FrameStylizer
from stylenet.video.journal import Journal, describe_run
from stylenet.video.mask_videos import MaskVideos
from stylenet.video.options import VideoOptions
from stylenet.video.pipeline import stylize_frames
from stylenet.video.reader import VideoReader
from stylenet.video.writer import VideoWriter

# Pairs of frames for the warping error, spread over the video: each costs two flows and two more
# passes of the network.
_FLICKER_PAIRS = 24


@dataclass(frozen=True)
class VideoReport:
    """Outcome of stylizing a video.

    Attributes:
        frames: Number of frames stylized.
        seconds: Duration of this run.
        codec: The encoder that was used.
        left_out: Descriptions of what the result lacks: subtitles that its format cannot hold,
            cover images, timecodes, the sound of a GIF, transparency, damaged packets.
        changes: Descriptions of what was done to the frames before the network.
        flicker: The warping errors, if requested and if two frames belong to one scene.
        resumed: Number of these frames that an earlier, interrupted run stylized.
    """

    frames: int
    seconds: float
    codec: str
    left_out: tuple[str, ...]
    changes: tuple[str, ...]
    flicker: FlickerReport | None
    resumed: int = 0

    @property
    def fps(self) -> float:
        """Return the frames that this run stylized per second."""
        return (self.frames - self.resumed) / max(self.seconds, 1e-9)


def stylize_video(
    stylizer: Stylizer,
    source: str | Path,
    target: str | Path,
    options: StylizeOptions | None = None,
    video: VideoOptions | None = None,
    progress: bool = True,
    mask: Mask | MaskVideos | None = None,
    on_frame: Callable[[int, int | None], object] | None = None,
) -> VideoReport:
    """Stylize a video; the result appears complete or not at all.

    The result keeps the size, each frame's time, subtitles, chapters, and the sound without
    encoding it again. ``video.start``, ``end`` and ``fps`` choose a part and a frame rate. Videos
    with a display rotation, as phones record them, are written upright. HDR and wide colors become
    BT.709.

    If an error occurs midway (because the source is cut off, say) or Ctrl-C is pressed, the frames
    stylized so far are kept beside the target as ``NAME.partial.SUFFIX``. A call with the same
    arguments goes on where the last one was interrupted or killed, and the result is the same as
    without an interruption: until it is complete, the folder ``NAME.SUFFIX.unfinished`` beside the
    target holds what is needed. ``video.resume=False`` starts anew and keeps nothing.

    Args:
        stylizer: The stylizer to use.
        source: Any video that FFmpeg reads.
        target: The output file; its suffix chooses the format.
        options: Options of each frame; ``None`` for the defaults.
        video: Options of the video; ``None`` for the defaults.
        progress: Whether to show a progress bar with frame rate and remaining time on stderr.
        mask: Of the upright frames' size; see :meth:`stylenet.inference.Stylizer.stylize`. Or
            videos with a mask for each frame, of which the same part is read.
        on_frame: Called after each frame with the number of frames done and the expected total,
            ``None`` if unknown. An exception that it raises ends the work.

    Raises:
        StyleNetError: The video is unreadable, damaged or cut off, the target is unwritable or
            cannot hold the sound, both are the same file, the mask does not fit, or memory is
            short.
        KeyboardInterrupt: Ctrl-C was pressed; the message says what is kept.
    """
    source, target = Path(source), Path(target)
    video = video or VideoOptions()
    refuse_input(target, source)
    if target.is_dir():
        raise StyleNetError(f"output={target} is a folder, expected a file")
    static = None if isinstance(mask, MaskVideos) else mask
    with ExitStack() as stack:
        journal, reader = _open(stack, stylizer, source, target, options, video, mask)
        temporary = stack.enter_context(atomic_path(target))
        if static is not None:
            check_mask(static, reader.frames.width, reader.frames.height)
        done = 0 if journal is None else journal.frames
        masks = None
        if isinstance(mask, MaskVideos):
            # From the last frame that is done: the warping error compares the next one with it.
            regions = stack.enter_context(mask.reading(reader.clip, max(0, done - 1)))
            masks = _FrameMasks(regions, reader)
        every = max(1, (reader.expected or 0) // _FLICKER_PAIRS)
        frame_stylizer = FrameStylizer(stylizer, options, video, every, static)
        writer = VideoWriter(temporary, target, reader, video.codec, video.quality, journal)
        if journal is not None and done:
            if masks is not None:
                frame_stylizer.set_regions(masks.next())
            frame_stylizer.load_state(journal.state)
        bar = tqdm(
            total=reader.expected,
            initial=done,
            unit="frame",
            dynamic_ncols=True,
            disable=not progress,
        )
        counter = itertools.count(done + 1)

        def before_frame(time: float) -> None:
            frame_stylizer.turn(time)
            if masks is not None:
                frame_stylizer.set_regions(masks.next())

        def advance() -> None:
            bar.update()
            if on_frame is not None:
                on_frame(next(counter), reader.expected)

        start = time.perf_counter()
        try:
            with bar:
                frames = stylize_frames(
                    reader,
                    writer,
                    frame_stylizer.start,
                    stylizer.device,
                    advance,
                    frame_stylizer.state,
                    before_frame,
                )
            if masks is not None:
                masks.check_end(done + frames)
            writer.close()
        except StyleNetError as error:
            kept = _keep_partial(writer, temporary, target)
            if journal is not None and reader.is_damaged:  # nothing would be better next time
                journal.discard()
            raise StyleNetError(f"{error}{kept}") from error
        except KeyboardInterrupt as error:
            kept = _keep_partial(writer, temporary, target)
            if journal is not None and journal.frames:
                kept += f"; the same command goes on from frame {journal.frames}"
            raise KeyboardInterrupt(f"interrupted{kept}") from error
        except BaseException:
            writer.close(complete=False)
            raise
        if journal is not None:
            if done:
                _partial(target).unlink(missing_ok=True)
            journal.discard()
    seconds = time.perf_counter() - start
    left_out = (*writer.left_out, *reader.lost, *writer.lost)
    return VideoReport(
        done + frames,
        seconds,
        writer.codec,
        left_out,
        tuple(reader.changes),
        frame_stylizer.meter.report(),
        done,
    )


class _FrameMasks:
    """Regions of each frame of a video, which have to be as many and as large."""

    def __init__(self, masks: Iterator[RegionMap], reader: VideoReader) -> None:
        self._masks, self._reader = masks, reader

    def next(self) -> RegionMap:
        """Return the regions of the next frame."""
        regions = next(self._masks, None)
        if regions is None:
            raise StyleNetError(
                f"the mask video ends before {self._reader.path}. Give videos with the same number "
                f"of frames."
            )
        check_mask(regions, self._reader.frames.width, self._reader.frames.height)
        return regions

    def check_end(self, frames: int) -> None:
        """Raise if there are regions for more than the given number of frames."""
        if next(self._masks, None) is not None:
            raise StyleNetError(
                f"the mask video has more frames than {self._reader.path}, which has {frames}. "
                f"Give videos of equal length."
            )


def _open(
    stack: ExitStack,
    stylizer: Stylizer,
    source: Path,
    target: Path,
    options: StylizeOptions | None,
    video: VideoOptions,
    mask: Mask | MaskVideos | None,
) -> tuple[Journal | None, VideoReader]:
    """Open the source behind the frames that an interrupted run finished."""

    def read(after: int | None) -> VideoReader:
        is_deep = video.bit_depth > 8
        return VideoReader(source, video.deinterlace, video.clip, after, is_deep)

    if not video.resume or not source.is_file():
        return None, stack.enter_context(read(None))
    key = describe_run(stylizer, source, options, video, mask)
    journal = stack.enter_context(Journal(target, key))
    reader = read(journal.last_time)
    if journal.frames and reader.layout != journal.layout:  # a broadcast changed its size
        reader.container.close()
        journal.discard()
        reader = read(None)
    return journal, stack.enter_context(reader)


def _keep_partial(writer: VideoWriter, temporary: Path, target: Path) -> str:
    """Save the frames written so far as a playable video beside the target; describe it."""
    try:
        writer.close()
        if not writer.frames:
            return ""
        partial = _partial(target)
        with atomic_path(partial) as path:
            temporary.replace(path)
    except StyleNetError:  # nothing can be written, for example on a full disk
        return ""
    return f"; the first {writer.frames} frames ({writer.end:.1f} s) are kept in {partial}"


def _partial(target: Path) -> Path:
    """Return the path of the frames that are kept after an error."""
    return target.with_name(f"{target.stem}.partial{target.suffix}")
