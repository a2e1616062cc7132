"""Find the packet of a video at which decoding may start."""

from fractions import Fraction

from stylenet.video.source import OpenVideo
from stylenet.video.times import DECODING_TIMES

# Decoding starts this many seconds early: frames right after a keyframe may need earlier ones (open
# groups of pictures), and the deinterlacer needs the frame before.
_MARGIN = Fraction(1)


def find_entry(source: OpenVideo, start: Fraction) -> int:
    """Find the last keyframe from which all frames from a moment on can be decoded.

    The file is read up to that moment without decoding. Unlike a seek, this works in all formats,
    across joints, and misses no subtitle that is still shown.

    Args:
        source: The file, at its beginning; it is read.
        start: The moment, in seconds.

    Returns:
        The number of packets of the video stream that need not be decoded; 0 for formats that do
        not state the frames' times.
    """
    if source.container.format.name in DECODING_TIMES:
        return 0
    count = entry = 0
    timeline = source.new_timeline()
    for packet in source.container.demux(source.wanted):
        if not packet.size:
            continue
        timeline.move(packet)
        if packet.stream.index != source.video.index:
            continue
        if packet.pts is None:
            return 0
        if packet.dts is not None and packet.dts * packet.time_base > start:
            break
        if packet.is_keyframe and packet.pts * packet.time_base <= start - _MARGIN:
            entry = count
        count += 1
    return entry
