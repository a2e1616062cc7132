"""When frames are shown: as films store it, and as they can store it."""

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Formats that store when a frame is decoded, not when it is shown. What FFmpeg makes up for the
# latter is wrong where frames are stored out of order, as B-frames are.
DECODING_TIMES = frozenset({"avi", "asf"})


class FrameTimes:
    """Tells when the frames of a film are shown, in units of its time base; the times rise."""

    def __init__(self, format_name: str, start: int, step: int) -> None:
        """Begins a film.

        Args:
            format_name: FFmpeg's name of its format.
            start: When it begins: what is to become 0.
            step: From one frame to the next where nothing else says it.
        """
        self._format, self._start, self._step = format_name, start, step
        self._first_packet: int | None = None
        self._late: int | None = None
        self._last: int | None = None

    def see(self, packet: "av.Packet") -> None:
        """Has to be told of each packet before its frames.

        Args:
            packet: Of the film's picture.
        """
        if self._first_packet is None:
            self._first_packet = packet.dts

    def __call__(self, frame: "VideoFrame") -> int:
        """Tells when the next frame is shown.

        Args:
            frame: As it was decoded.

        Returns:
            Its time, above that of the one before.
        """
        stored = self._decoding_time(frame) if self._format in DECODING_TIMES else frame.pts
        time = None if stored is None else stored - self._start
        if self._last is None:
            time = 0 if time is None else time
        elif time is None:
            time = self._last + self._step
        elif time <= self._last:
            time = self._last + 1  # encoders want times to rise
        else:
            self._step = time - self._last
        self._last = time
        return time

    def _decoding_time(self, frame: "VideoFrame") -> int | None:
        """When the packet was decoded with which the frame came out; ``None`` after the last one.

        As FFmpeg writes ASF, that is when the frame is shown. In AVI the first frame is shown when
        the first packet is decoded: nobody delays the sound there.
        """
        if frame.dts is None:
            return None
        if self._late is None:
            first = self._first_packet if self._format == "avi" else None
            self._late = 0 if first is None else frame.dts - first
        return frame.dts - self._late


def unit_of_times(format_name: str, video: "VideoStream", unit: Fraction) -> Fraction:
    """Chooses the unit in which a film's times are stored.

    Args:
        format_name: FFmpeg's name of the format that it is written in.
        video: The film that its frames come from.
        unit: The unit of its times, in seconds.

    Returns:
        The same, but for AVI, where each unit without a frame takes room and the unit is what
        players show as the rate: one frame, where the rate is constant.
    """
    average, lowest = video.average_rate, video.base_rate
    if format_name != "avi" or not average or not lowest or abs(average / lowest - 1) > 0.01:
        return unit
    return 1 / Fraction(lowest)
