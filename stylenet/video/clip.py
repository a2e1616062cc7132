"""The part of a video to stylize, and its frame rate."""

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from stylenet.errors import StyleNetError, check_number

if TYPE_CHECKING:
    import av
    from av.container.core import Chapter

T = TypeVar("T")

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")  # 1:02:03.5, 2:03.5
_NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+")
_RATIO = re.compile(r"(\d+)/([1-9]\d*)")
# Rates that NTSC divides by 1.001; people write 29.97 and 23.976, or even 23.98.
_NTSC = (24, 30, 48, 60, 120)
# Frame rates above this are mistakes: FFmpeg's muxers refuse the time units of most of them.
_FASTEST = 1000
# Sound may lie this far, in seconds, behind the frames of the same time: a stream that has shown
# nothing until then has ended.
_SKEW = 10


@dataclass(frozen=True)
class Clip:
    """The part of a video to stylize, and its frame rate.

    Attributes:
        start: First moment, in seconds; it becomes 0.
        end: Last moment, in seconds, exclusive; ``None`` for the end of the video.
        rate: Frame rate of the result; ``None`` to keep each frame and its time.
    """

    start: Fraction = Fraction(0)
    end: Fraction | None = None
    rate: Fraction | None = None

    @property
    def is_whole(self) -> bool:
        """Return whether all streams are kept from their start to their end."""
        return not self.start and self.end is None

    def cut_packet(self, packet: "av.Packet") -> bool:
        """Move a packet of sound or subtitles to the time in the clip.

        Args:
            packet: Its times are changed in place. Subtitles are shortened to their part in the
                clip; sound is kept or left out by whole packets, as it is not encoded again.

        Returns:
            Whether the packet belongs to the clip.
        """
        if self.is_whole:
            return True
        time = packet.dts if packet.pts is None else packet.pts
        if time is None:  # it follows the packet before
            return not self.start
        unit = packet.time_base
        first = math.ceil(self.start / unit)
        stop = None if self.end is None else math.ceil(self.end / unit)
        duration = packet.duration or 0
        if stop is not None and time >= stop:
            return False
        if packet.stream.type == "subtitle":
            if time + duration <= first and time < first:
                return False
            late = max(0, first - time)
            until = time + duration if stop is None else min(time + duration, stop)
            if duration:
                packet.duration = until - time - late
            packet.pts = packet.dts = time + late - first
            return True
        if time < first:
            return False
        packet.pts = None if packet.pts is None else packet.pts - first
        packet.dts = None if packet.dts is None else packet.dts - first
        return True

    def cut_chapters(self, chapters: "Iterable[Chapter]", offset: Fraction) -> "list[Chapter]":
        """Return the chapters of the clip, with their times in it.

        Args:
            chapters: As PyAV returns them.
            offset: Added to their times, in seconds.
        """
        kept: list[Chapter] = []
        for chapter in chapters:
            unit = Fraction(chapter["time_base"] or 1)
            first, last = chapter["start"] * unit + offset, chapter["end"] * unit + offset
            last = last if self.end is None else min(last, self.end)
            first = max(first, self.start)
            if first < last:
                start, end = (round((time - self.start) / unit) for time in (first, last))
                copy = chapter.copy()
                copy["start"], copy["end"] = start, end
                kept.append(copy)
        return kept


class ClipEnd:
    """Detector of the packet after which a file holds no more sound or subtitles for a clip."""

    def __init__(self, clip: Clip, others: Iterable[Any]) -> None:
        """Start a file.

        Args:
            clip: The clip.
            others: The streams that are read beside the frames.
        """
        self._end = clip.end
        self._pending = {s.index for s in others if s.type == "audio"}

    def __call__(self, packet: "av.Packet") -> bool:
        """Return whether the clip's sound ended before this packet, the next one of the file."""
        if self._end is None or packet.dts is None:
            return False
        time = packet.dts * packet.time_base
        if time >= self._end:
            self._pending.discard(packet.stream.index)
        return not self._pending or time >= self._end + _SKEW


class FrameSelector(Generic[T]):
    """Selection of a clip's frames, with their times and durations in it.

    Attributes:
        unit: The unit of the selected frames' times, in seconds.
        has_ended: Whether all frames of the clip were pushed.
    """

    def __init__(self, clip: Clip, unit: Fraction) -> None:
        """Start a video.

        Args:
            clip: The clip.
            unit: The unit of the pushed frames' times, in seconds.
        """
        self._clip, self._source_unit = clip, unit
        self.unit = 1 / clip.rate if clip.rate else unit
        self._end = math.inf if clip.end is None else self._tick(clip.end / unit)
        self._held: tuple[T, int, int] | None = None
        self._next = 0
        self.has_ended = False

    def push(self, frame: T, pts: int, duration: int) -> Iterator[tuple[T, int, int]]:
        """Add the next frame; a frame leaves when the next one tells how long it is shown.

        Args:
            frame: The frame.
            pts: Its time, above that of the frame before.
            duration: Its duration; 0 if unknown.

        Yields:
            Frame, time and duration in :attr:`unit`. A frame that is shown when the clip starts
            gets the time 0. At a fixed rate each frame is taken that is the nearest to a multiple
            of the duration, as by FFmpeg's filter ``fps``: some come repeatedly, some never.
        """
        if self._clip == Clip():
            yield frame, pts, duration
            return
        tick = self._tick(pts)
        yield from self._show_until(tick)
        self.has_ended = tick >= self._end
        self._held = (frame, pts, duration)

    def flush(self, step: int) -> Iterator[tuple[T, int, int]]:
        """Yield what remains after the last frame.

        Args:
            step: The duration, in the unit of the pushed frames, of a frame that states none.
        """
        if self._held is not None:
            _, pts, duration = self._held
            # At a fixed rate, a frame whose time rounds to the end of the video is not shown.
            least = 1 if self._next == 0 or self._clip.rate is None else 0
            end = self._tick(pts + (duration or step))
            yield from self._show_until(max(end, self._tick(pts) + least))
            self._held = None

    def _tick(self, pts: int | Fraction) -> int:
        """Return a time in the clip in units of the result, halves rounded up."""
        seconds = pts * self._source_unit - self._clip.start
        return math.floor(seconds / self.unit + Fraction(1, 2))

    def _show_until(self, tick: int) -> Iterator[tuple[T, int, int]]:
        if self._held is None:
            return
        frame, pts, _ = self._held
        start, stop = max(self._tick(pts), self._next), int(min(tick, self._end))
        self._next = max(self._next, stop)
        if start >= stop:
            return
        if self._clip.rate is None:
            yield frame, start, stop - start
            return
        for time in range(start, stop):
            yield frame, time, 1


def read_time(name: str, value: Any) -> Fraction:
    """Read a moment of a video.

    Args:
        name: Full name of the option, for messages.
        value: Seconds, or a text such as ``90``, ``1:30`` or ``0:01:30.5``.

    Returns:
        The time in seconds, exact.

    Raises:
        StyleNetError: The value is none of these.
    """
    text = str(value).strip()
    if isinstance(value, str) and (clock := _CLOCK.fullmatch(text)):
        hours, minutes, seconds = clock.groups()
        if Fraction(seconds) < 60 and (hours is None or int(minutes) < 60):
            return int(hours or 0) * 3600 + int(minutes) * 60 + Fraction(seconds)
    if isinstance(value, str) and _NUMBER.fullmatch(text):
        return Fraction(text)
    if isinstance(value, str):
        raise StyleNetError(
            f"{name}={value} is not a time; pass seconds, or hours, minutes and seconds as 0:01:30"
        )
    check_number(name, value, minimum=0)
    return Fraction(repr(value))


def read_rate(name: str, value: Any) -> Fraction:
    """Read a frame rate.

    Args:
        name: Full name of the option, for messages.
        value: Frames per second, or a text such as ``25`` or ``30000/1001``. The rounded forms of
            NTSC's rates, such as 29.97 and 23.976, mean the exact ones.

    Raises:
        StyleNetError: The value is none of these.
    """
    text = str(value).strip()
    ratio = _RATIO.fullmatch(text)
    rate = Fraction(int(ratio[1]), int(ratio[2])) if ratio else None
    if rate is None and not isinstance(value, bool) and _NUMBER.fullmatch(text):
        rate = Fraction(text)
        for exact in (Fraction(1000 * whole, 1001) for whole in _NTSC):
            if abs(rate - exact) < Fraction(1, 200):
                rate = exact
    if rate is None or not 0 < rate <= _FASTEST:
        raise StyleNetError(
            f"{name}={value} is not a frame rate up to {_FASTEST}; pass a number or a ratio such "
            f"as 30000/1001"
        )
    return rate
