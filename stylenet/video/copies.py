"""Copy the streams of a video other than its frames: sound, subtitles, attachments."""

import io
import math
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from stylenet.errors import StyleNetError, first_line
from stylenet.video.codecs import describe_lost, describe_stream, import_av
from stylenet.video.reader import VideoReader

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer
    from av.stream import Stream


class StreamCopies:
    """Copier of packets into the streams that the target's format supports.

    Attributes:
        left_out: Descriptions of the streams that the format does not support.
    """

    def __init__(self, source: VideoReader, container: "OutputContainer", target: Path) -> None:
        """Add the streams to a file.

        Args:
            source: The video that the packets come from.
            container: The output file, before its header is written.
            target: The final path of the output, for messages.

        Raises:
            StyleNetError: The format does not support the sound.
        """
        self._container = container
        self._copies: dict[int, Stream] = {}
        self.left_out: list[str] = []
        # By source stream: the last packet's decoding time, and when the next one is due.
        self._last: dict[int, tuple[int, int]] = {}
        self._lost: dict[str, list[tuple[Fraction, str]]] = {}
        format_name = container.format.name
        for stream in source.others:
            codec = getattr(stream, "name", None)  # PyAV has none for a stream that it cannot read
            if not stream_fits(stream, format_name):
                # A format without sound, such as GIF, is a choice of the user, not an error.
                silent = container.default_audio_codec == "none"
                if stream.type == "audio" and not silent:
                    raise StyleNetError(
                        f"output={target}: {format_name} cannot hold the video's sound "
                        f"({codec or 'unknown codec'}); choose a name that ends in .mkv"
                    )
                self.left_out.append(describe_stream(stream))
                continue
            copy = container.add_stream_from_template(stream)
            copy.metadata.update(stream.metadata)
            with suppress(AttributeError):
                cast(Any, copy).disposition = stream.disposition.value  # older PyAV needs a number
            self._copies[stream.index] = copy

    @property
    def lost(self) -> list[str]:
        """Describe the packets that could not be written so far."""
        return [describe_lost(stream, lost) for stream, lost in self._lost.items()]

    def write(self, packet: "av.Packet") -> None:
        """Copy a packet; a time that does not exceed the last packet's is raised.

        Args:
            packet: A packet from :class:`VideoReader`.

        Raises:
            OSError: The file cannot be written.
        """
        stream = packet.stream
        copy = self._copies.get(stream.index)
        if copy is None:
            return
        unit = Fraction(copy.time_base or packet.time_base)
        ratio = Fraction(packet.time_base) / unit
        last, due = self._last.get(stream.index, (None, 0))
        pts, dts = _scaled(packet.pts, ratio), _scaled(packet.dts, ratio)
        if dts is None:
            dts = due if pts is None else pts
        if last is not None:
            dts = max(dts, last + 1)  # like the ffmpeg command; most formats reject it otherwise
        duration = _scaled(packet.duration, ratio) or 0
        packet.pts, packet.dts = dts if pts is None else max(pts, dts), dts
        packet.time_base, packet.duration = unit, duration
        packet.stream = copy
        try:
            self._container.mux(packet)
        except OSError:  # a full disk
            raise
        except Exception as error:  # one packet is not worth failing the video
            reason = getattr(error, "strerror", None) or first_line(error)
            self._lost.setdefault(describe_stream(stream), []).append((dts * unit, reason))
        else:
            self._last[stream.index] = (dts, dts + duration)


def stream_fits(stream: "Stream", format_name: str) -> bool:
    """Return whether a format supports a stream, by trying: FFmpeg's lists have gaps.

    Args:
        stream: A stream of an open video.
        format_name: FFmpeg's name of the container format.
    """
    av = import_av()
    try:
        with av.open(io.BytesIO(), "w", format=format_name) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except Exception:
        return False
    return True


def _scaled(time: int | None, ratio: Fraction) -> int | None:
    """Scale a time, rounding halves away from zero as FFmpeg does."""
    if time is None:
        return None
    size = math.floor(abs(time) * ratio + Fraction(1, 2))
    return size if time >= 0 else -size
