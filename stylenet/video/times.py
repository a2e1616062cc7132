"""When frames are shown: as videos store it, across joints, and as they can store it."""

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Formats that store when a frame is decoded, not when it is shown. What FFmpeg makes up for the
# latter is wrong where frames are stored out of order, as B-frames are.
DECODING_TIMES = frozenset({"avi", "asf"})

# In seconds: a step back, and a leap ahead of all streams, from which on the clock has jumped.
# FFmpeg's own choice (fftools/ffmpeg_demux.c, dts_delta_threshold and dts_error_threshold) but for
# steps back in formats without joints: it raises them, so that all until then is shown at once.
_JUMP_BACK, _JUMP_AHEAD = Fraction(1, 10), Fraction(10)
_JUMP_BACK_ELSEWHERE, _JUMP_AHEAD_ELSEWHERE = Fraction(1), Fraction(30 * 3600)


class FrameTimes:
    """Tells when the frames of a video are shown, in units of its time base; the times rise."""

    def __init__(self, format_name: str, step: int) -> None:
        """Begin a video.

        Args:
            format_name: FFmpeg's name of its format.
            step: From one frame to the next where nothing else says it.
        """
        self._format, self._step = format_name, step
        self._first_packet: int | None = None
        self._late: int | None = None
        self._last: int | None = None

    def see(self, packet: "av.Packet") -> None:
        """Has to be told of each packet before its frames.

        Args:
            packet: Of the video's image.
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
        time = self._decoding_time(frame) if self._format in DECODING_TIMES else frame.pts
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


class Timeline:
    """Moves the times of all streams so that the video begins at 0 and runs on across joints.

    Where recordings are joined (``cat a.ts b.ts``) or a recorder was interrupted, the clock begins
    anew or jumps. As FFmpeg's command does (``ts_discontinuity_process`` in its ffmpeg_demux.c),
    such a jump becomes a new offset for all streams: what follows begins where they ended.
    """

    def __init__(self, start: Fraction, has_joints: bool) -> None:
        """Begin a video.

        Args:
            start: Its first time in seconds, which becomes 0.
            has_joints: Whether its format is one that FFmpeg expects jumps in (MPEG's streams);
                elsewhere a gap is meant, and a small step back is a mistake of one packet.
        """
        self._offset = self._before = -start
        self._back = _JUMP_BACK if has_joints else _JUMP_BACK_ELSEWHERE
        self._ahead = _JUMP_AHEAD if has_joints else _JUMP_AHEAD_ELSEWHERE
        self._end = Fraction(0)  # of what is shown or heard so far
        # By stream: the last time of decoding, and when the next one is due.
        self._last: dict[int, tuple[Fraction, Fraction]] = {}

    def move(self, packet: "av.Packet") -> None:
        """Move the times of the next packet of the file.

        Args:
            packet: Its ``pts`` and ``dts`` are changed.
        """
        unit = packet.time_base
        time = packet.pts if packet.dts is None else packet.dts
        offset = self._offset
        if time is not None:
            offset = self._choose(packet, time * unit)
        shift = round(offset / unit)
        packet.pts = None if packet.pts is None else packet.pts + shift
        packet.dts = None if packet.dts is None else packet.dts + shift

    def _choose(self, packet: "av.Packet", stored: Fraction) -> Fraction:
        """Return the offset in seconds for a packet of this stored time of decoding."""
        stream, offset = packet.stream.index, self._offset
        last, due = self._last.get(stream, (None, None))
        if due is not None and abs(stored + offset - due) > _JUMP_BACK:
            # Streams do not jump at the same place of the file: one may still be before the jump.
            offset = min((offset, self._before), key=lambda o: abs(stored + o - self._end))
        if packet.stream.type not in ("video", "audio"):  # subtitles come and go
            return offset
        if last is not None and due is not None:
            time = stored + offset
            if time < last - self._back or time > max(self._end, due) + self._ahead:
                shown = stored if packet.pts is None else packet.pts * packet.time_base
                self._before, self._offset = offset, self._end - shown
                offset = self._offset
        time = stored + offset
        lasts = (packet.duration or 0) * packet.time_base
        if not lasts and last is not None and due is not None:
            lasts = time - last if time <= due + _JUMP_BACK else due - last
        self._last[stream] = (time, time + lasts)
        shown = time if packet.pts is None else packet.pts * packet.time_base + offset
        self._end = max(self._end, shown + lasts)
        return offset


def unit_of_times(format_name: str, video: "VideoStream", unit: Fraction) -> Fraction:
    """Chooses the unit in which a video's times are stored.

    Args:
        format_name: FFmpeg's name of the format that it is written in.
        video: The video that its frames come from.
        unit: The unit of its times, in seconds.

    Returns:
        The same, but for AVI, where each unit without a frame takes room and the unit is what
        players show as the rate: one frame, where the rate is constant.
    """
    average, lowest = video.average_rate, video.base_rate
    if format_name != "avi" or not average or not lowest or abs(average / lowest - 1) > 0.01:
        return unit
    return 1 / Fraction(lowest)
