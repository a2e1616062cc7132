"""Compute the times of frames and packets, across joints and within the limits of formats."""

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Formats that store decoding times instead of presentation times. FFmpeg's guess of the latter is
# wrong if frames are stored out of order, as with B-frames.
DECODING_TIMES = frozenset({"avi", "asf"})

# Steps of the clock, in seconds, that count as a jump: a step back, and a step ahead of all
# streams. The values are FFmpeg's (fftools/ffmpeg_demux.c, dts_delta_threshold and
# dts_error_threshold), except for steps back in formats without joints: FFmpeg raises the times
# there, so that everything up to the last time is shown at once.
_JUMP_BACK, _JUMP_AHEAD = Fraction(1, 10), Fraction(10)
_JUMP_BACK_ELSEWHERE, _JUMP_AHEAD_ELSEWHERE = Fraction(1), Fraction(30 * 3600)


class FrameTimes:
    """Presentation times of a video's frames, in units of its time base; they increase."""

    def __init__(self, format_name: str, step: int) -> None:
        """Start a video.

        Args:
            format_name: FFmpeg's name of the container format.
            step: Time between frames if the video does not state it.
        """
        self._format, self._step = format_name, step
        self._first_packet: int | None = None
        self._delay: int | None = None
        self._last: int | None = None

    def observe(self, packet: "av.Packet") -> None:
        """Note a packet of the video stream; call this before its frames are decoded.

        Args:
            packet: Its decoding time is read.
        """
        if self._first_packet is None:
            self._first_packet = packet.dts

    def __call__(self, frame: "VideoFrame") -> int:
        """Return the presentation time of the next frame, above the previous frame's.

        Args:
            frame: A decoded frame.
        """
        time = self._decoding_time(frame) if self._format in DECODING_TIMES else frame.pts
        if self._last is None:
            time = 0 if time is None else time
        elif time is None:
            time = self._last + self._step
        elif time <= self._last:
            time = self._last + 1  # encoders need increasing times
        else:
            self._step = time - self._last
        self._last = time
        return time

    def _decoding_time(self, frame: "VideoFrame") -> int | None:
        """Return the decoding time of the packet that completed a frame; ``None`` after the last.

        In ASF, as FFmpeg writes it, this is the presentation time. In AVI the first frame is shown
        when the first packet is decoded, since no program delays the sound there.
        """
        if frame.dts is None:
            return None
        if self._delay is None:
            first = self._first_packet if self._format == "avi" else None
            self._delay = 0 if first is None else frame.dts - first
        return frame.dts - self._delay


class Timeline:
    """Offset of all streams, so that a video starts at 0 and continues across joints.

    Where recordings are joined (``cat a.ts b.ts``) or a recorder was interrupted, the clock
    restarts or jumps. As in the ffmpeg command (``ts_discontinuity_process`` in ffmpeg_demux.c), a
    jump becomes a new offset for all streams: the rest continues where the streams ended.
    """

    def __init__(self, start: Fraction, has_joints: bool) -> None:
        """Start a video.

        Args:
            start: The first time of the video in seconds, which becomes 0.
            has_joints: Whether FFmpeg expects jumps in the format (MPEG streams). In other formats
                a gap is intended, and a small step back is an error of one packet.
        """
        self._offset = self._previous_offset = -start
        self._back = _JUMP_BACK if has_joints else _JUMP_BACK_ELSEWHERE
        self._ahead = _JUMP_AHEAD if has_joints else _JUMP_AHEAD_ELSEWHERE
        self._end = Fraction(0)  # end of everything shown or heard so far
        # For each stream: the last decoding time, and when the next one is due.
        self._last: dict[int, tuple[Fraction, Fraction]] = {}

    def move(self, packet: "av.Packet") -> None:
        """Apply the offset to the next packet of the file.

        Args:
            packet: Its ``pts`` and ``dts`` are changed in place.
        """
        unit = packet.time_base
        time = packet.pts if packet.dts is None else packet.dts
        offset = self._offset
        if time is not None:
            offset = self._choose_offset(packet, time * unit)
        shift = round(offset / unit)
        packet.pts = None if packet.pts is None else packet.pts + shift
        packet.dts = None if packet.dts is None else packet.dts + shift

    def _choose_offset(self, packet: "av.Packet", stored: Fraction) -> Fraction:
        """Return the offset in seconds for a packet with a given stored decoding time."""
        stream, offset = packet.stream.index, self._offset
        last, due = self._last.get(stream, (None, None))
        if due is not None and abs(stored + offset - due) > _JUMP_BACK:
            # Streams do not jump at the same position of the file: one may still be before the
            # jump.
            offset = min((offset, self._previous_offset), key=lambda o: abs(stored + o - self._end))
        if packet.stream.type not in ("video", "audio"):  # subtitles come and go
            return offset
        if last is not None and due is not None:
            time = stored + offset
            if time < last - self._back or time > max(self._end, due) + self._ahead:
                shown = stored if packet.pts is None else packet.pts * packet.time_base
                self._previous_offset, self._offset = offset, self._end - shown
                offset = self._offset
        time = stored + offset
        duration = (packet.duration or 0) * packet.time_base
        if not duration and last is not None and due is not None:
            duration = time - last if time <= due + _JUMP_BACK else due - last
        self._last[stream] = (time, time + duration)
        shown = time if packet.pts is None else packet.pts * packet.time_base + offset
        self._end = max(self._end, shown + duration)
        return offset


def unit_of_times(format_name: str, video: "VideoStream", unit: Fraction) -> Fraction:
    """Choose the unit in which a video's times are stored.

    Args:
        format_name: FFmpeg's name of the output format.
        video: The stream that the frames come from.
        unit: The unit of its times, in seconds.

    Returns:
        The same unit, except for AVI with a constant frame rate, where it is one frame: in AVI each
        unit without a frame takes space, and players show the unit as the frame rate.
    """
    average, lowest = video.average_rate, video.base_rate
    if format_name != "avi" or not average or not lowest or abs(average / lowest - 1) > 0.01:
        return unit
    return 1 / Fraction(lowest)
