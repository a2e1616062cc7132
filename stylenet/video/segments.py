"""Encode a video in segments that can be decoded alone and joined without a trace."""

import bisect
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from stylenet.video.journal import Journal

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# Formats of which FFmpeg's encoder makes a whole: their later packets depend on the first ones.
_WHOLE = frozenset({"gif", "apng", "webp"})
# libx265 4.1 writes beyond its memory when a second encoder of smaller frames is opened: it ended
# the process at 48 x 32, and at 64 x 64 two runs differed; not at 128 x 96.
_SMALLEST_X265 = 96


def can_be_joined(format_name: str, codec: str, has_alpha: bool, short_side: int) -> bool:
    """Return whether a video can be encoded in segments.

    Args:
        format_name: FFmpeg's name of the container format.
        codec: FFmpeg's name of the encoder.
        has_alpha: Whether it encodes an alpha channel; VP9 stores that beside the packet's bytes.
        short_side: Short side of the frames in pixels.
    """
    if codec == "libx265" and short_side < _SMALLEST_X265:
        return False
    return format_name not in _WHOLE and not (has_alpha and codec == "libvpx-vp9")


class SegmentedEncoder:
    """Encoder that starts anew at each segment, and writer of its packets.

    All of an encoder's state ends with a segment. So a run that goes on after an interruption
    encodes what an uninterrupted one does.
    """

    def __init__(
        self,
        container: "OutputContainer",
        stream: "VideoStream",
        new_encoder: Callable[[], Any],
        unit: Fraction,
        journal: Journal | None,
    ) -> None:
        """Start a video.

        Args:
            container: The file, after its header is written.
            stream: The stream for the packets.
            new_encoder: Opens an encoder like that of the stream.
            unit: The unit of times, in seconds.
            journal: Where to keep the packets; its complete segments are written first.
        """
        self._container, self._stream, self._unit = container, stream, unit
        self._new_encoder, self._journal = new_encoder, journal
        self._encoder: Any = None
        self._durations: dict[int, int] = {}
        self._times: list[int] = []  # of all frames, sorted
        self._written = 0
        # Number of packets that are decoded before the first frame is shown; the encoder decides it
        # in the first segment.
        self._delay = 0
        self._is_first = True
        self._packets = iter(() if journal is None else journal.packets())
        self._stored = next(self._packets, None)

    @property
    def last(self) -> int | None:
        """Return the time of the last frame; ``None`` without any."""
        return self._times[-1] if self._times else None

    def encode(self, frame: "VideoFrame", duration: int) -> None:
        """Encode the next frame.

        Args:
            frame: Its time has to be above that of the frame before.
            duration: Its duration, in the encoder's unit; 0 if unknown.
        """
        self.write_stored()
        pts = int(frame.pts or 0)
        self._times.append(pts)
        self._durations[pts] = duration
        if self._encoder is None:
            self._encoder = self._new_encoder()
        self._write(self._encoder.encode(frame))

    def end_segment(self) -> None:
        """Complete the segment; the next frame begins another one."""
        if self._encoder is not None:
            self._write(self._encoder.encode(None))
            self._encoder, self._is_first = None, False

    def write_stored(self, until: Fraction | None = None) -> None:
        """Write packets of the journal.

        Args:
            until: Only those that are decoded before this time, in seconds; ``None`` for all.
        """
        import av

        while self._stored is not None:
            stored = self._stored
            if until is not None and stored.dts * self._unit >= until:
                return
            packet: av.Packet = av.Packet(stored.data)
            packet.pts, packet.dts, packet.duration = stored.pts, stored.dts, stored.duration
            packet.is_keyframe = stored.is_keyframe
            bisect.insort(self._times, stored.pts)
            self._mux(packet)
            self._stored, self._is_first = next(self._packets, None), False

    def _write(self, packets: "Iterable[av.Packet]") -> None:
        for packet in packets:
            # Encoders drop the duration of a frame, and that of the last frame cannot be inferred.
            duration = self._durations.pop(packet.pts, 0) if packet.pts is not None else 0
            if duration:
                packet.duration = duration
            if not self._is_first and self._written >= self._delay:
                # By its own count a new encoder would let its first packets be decoded before the
                # last ones of the old encoder. This is the rule that encoders follow.
                packet.dts = self._times[self._written - self._delay]
            if packet.dts is None:
                packet.dts = packet.pts
            if self._journal is not None:
                self._journal.add(packet)
            self._mux(packet)

    def _mux(self, packet: "av.Packet") -> None:
        if packet.dts is not None and packet.dts < self._times[0]:
            self._delay += 1
        self._written += 1
        packet.time_base, packet.stream = self._unit, self._stream
        self._container.mux(packet)
