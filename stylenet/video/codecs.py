"""PyAV, and what is to be known of its encoders and formats."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stylenet.errors import StyleNetError, first_line
from stylenet.files import reason

if TYPE_CHECKING:
    from av.codec.context import CodecContext
    from av.stream import Stream
    from av.video.stream import VideoStream

# Read by the widest range of players and devices.
USUAL = "libx264"
# Of a codec the encoder, where it has another name.
_ENCODERS = {
    "vp9": "libvpx-vp9",
    "vp8": "libvpx",
    "av1": "libsvtav1",
    "theora": "libtheora",
    "hevc": "libx265",
}
# libx265 writes to stderr past FFmpeg.
QUIET_X265 = {"x265-params": "log-level=none"}

# Encoders that keep an alpha channel, and the pixel format for it.
_ALPHA_FORMATS = {
    "prores_ks": "yuva444p10le",
    "libvpx-vp9": "yuva420p",
    "qtrle": "argb",
    "png": "rgba",
    "ffv1": "bgra",
    "utvideo": "gbrap",
}
# By format the encoder that common players show an alpha channel of. Matroska and WebM alone hold
# the one of VP9, which lies beside the image.
_ALPHA_CODECS = {"mov": "prores_ks", "matroska": "libvpx-vp9", "webm": "libvpx-vp9"}


def import_av() -> ModuleType:
    """Imports PyAV, when a video is asked for and not before.

    Returns:
        The module ``av``.

    Raises:
        StyleNetError: It is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise StyleNetError("videos need PyAV, which is not installed: pip install av") from error
    return av


def usual_codec(format_name: str, meant_for: str) -> str:
    """Chooses an encoder: H.264 where the format has it, else what the format is for.

    Args:
        format_name: FFmpeg's name of the format.
        meant_for: The codec that FFmpeg names as the format's default.

    Returns:
        FFmpeg's name of the encoder.
    """
    av = import_av()
    own = _ENCODERS.get(meant_for, meant_for)
    # Some builds have another encoder of H.264, and few have Theora's: Ogg then takes VP8.
    for name in (USUAL, "h264", own, "libvpx"):
        fits = False
        with suppress(Exception), av.open(io.BytesIO(), "w", format=format_name) as trial:
            stream: Any = trial.add_stream(name, rate=25)
            known = pixel_formats(name)
            stream.pix_fmt = known[0] if known and "yuv420p" not in known else "yuv420p"
            stream.width = stream.height = 64
            stream.options = QUIET_X265 if name == "libx265" else {}
            trial.start_encoding()  # Ogg refuses H.264 here, and not before
            fits = True  # some refuse an end without frames
        if fits:
            return name
    return own


def pixel_formats(name: str) -> list[str]:
    """Lists what an encoder takes.

    Args:
        name: FFmpeg's name of the encoder.

    Returns:
        FFmpeg's names of the formats of pixels; none where it does not say.
    """
    return [f.name for f in import_av().Codec(name, "w").video_formats or []]


def check_codec(name: str) -> None:
    """Refuses what is no encoder of images here.

    Args:
        name: FFmpeg's name of the encoder.

    Raises:
        StyleNetError: There is none of this name.
    """
    av = import_av()
    try:
        if av.Codec(name, "w").type == "video":
            return
    except ValueError:
        pass
    known = ("libx264", "libx265", "libvpx-vp9", "libsvtav1", "mpeg4", "ffv1")
    there = [name for name in known if name in av.codecs_available]
    raise StyleNetError(
        f"codec={name} is no video encoder of this PyAV; it has {', '.join(there)} and others"
    )


def quality_options(name: str, quality: float) -> dict[str, str]:
    """Says how an encoder is told the quality: by a rate factor, or else by a fixed quantizer.

    Args:
        name: FFmpeg's name of the encoder.
        quality: On the scale of H.264's constant rate factor.

    Returns:
        Options for the encoder.
    """
    if name.startswith("libx26"):
        return {"crf": f"{min(quality, 51):g}"}
    if name in ("libvpx-vp9", "libsvtav1") or name.startswith("libaom"):
        return {"crf": f"{min(quality, 63):g}"}
    if name == "libvpx":
        # VP8 has no constant quality without a bound of its rate, 256 kbit/s by default. On a photo
        # that moves, its quantizer 9 is as good as H.264's factor 18, and 63 as its 45.
        scale = str(round(min(63.0, quality**2 / 36)))
        return {"qmin": scale, "qmax": scale, "b": "1G"}
    # What x264 calls qp2qscale (ratecontrol.c) leads from its scale to that of MPEG-4 and JPEG,
    # which has whole steps from 1 to 31. Lossless encoders ignore it.
    scale = str(round(min(31.0, max(1.0, 0.85 * 2 ** ((quality - 12) / 6)))))
    return {"qmin": scale, "qmax": scale}


def alpha_codec(format_name: str) -> str | None:
    """Choose an encoder that keeps an alpha channel.

    Args:
        format_name: FFmpeg's name of the format.

    Returns:
        FFmpeg's name of the encoder; ``None`` where the format or this PyAV has none.
    """
    name = _ALPHA_CODECS.get(format_name, "")
    return name if name and alpha_format(name, format_name) else None


def alpha_format(name: str, format_name: str) -> str:
    """Name the pixel format in which an encoder keeps an alpha channel.

    Args:
        name: FFmpeg's name of the encoder.
        format_name: FFmpeg's name of the format that its stream goes into.

    Returns:
        FFmpeg's name of the pixel format; empty where there is none.
    """
    form = _ALPHA_FORMATS.get(name, "")
    held = name != "libvpx-vp9" or _ALPHA_CODECS.get(format_name) == name
    known = name in import_av().codecs_available and form in pixel_formats(name)
    return form if held and known else ""


def alpha_decoder(video: "VideoStream") -> "CodecContext | None":
    """Open a decoder for an alpha channel that FFmpeg's own decoder leaves out.

    Args:
        video: Of VP8 or VP9, which keep their alpha channel beside the image.

    Returns:
        A decoder for the stream; ``None`` where it has no such channel, or PyAV no such decoder.
    """
    av = import_av()
    name = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(video.codec_context.name, "")
    if video.metadata.get("alpha_mode") != "1" or name not in av.codecs_available:
        return None
    decoder = av.CodecContext.create(name, "r")
    decoder.extradata = video.codec_context.extradata
    decoder.thread_type = "AUTO"
    return decoder


def describe_stream(stream: "Stream") -> str:
    """Name a stream in words, such as ``audio stream 1 (aac)``."""
    # PyAV has no context for a stream that it cannot read.
    context = getattr(stream, "codec_context", None)
    return f"{stream.type} stream {stream.index} ({context.name if context else 'unknown'})"


def describe_lost(stream: str, lost: Sequence[tuple[Fraction, str]]) -> str:
    """Say how many packets of a stream were lost, and why.

    Args:
        stream: What :func:`describe_stream` calls it.
        lost: When each was due, in seconds, and the reason.

    Returns:
        A line such as ``2 packets of audio stream 1 (aac), the first at 12.3 s (Invalid data)``.
    """
    (time, reason), first = lost[0], ", the first" if len(lost) > 1 else ""
    packets = f"{len(lost)} packets" if len(lost) > 1 else "1 packet"
    return f"{packets} of {stream}{first} at {float(time):.1f} s ({reason})"


@contextmanager
def writing(target: Path, what: str) -> Iterator[None]:
    """Turns whatever goes wrong in writing a video into one line about it.

    Args:
        target: The video.
        what: What failed, in words, where PyAV is the one to complain.

    Yields:
        Nothing.

    Raises:
        StyleNetError: Something went wrong.
    """
    try:
        yield
    except StyleNetError:
        raise
    except OSError as error:
        raise StyleNetError(f"cannot write {target}: {reason(error)}") from error
    except Exception as error:  # PyAV raises several kinds
        cause = getattr(error, "strerror", None) or first_line(error)
        raise StyleNetError(f"cannot write {target}: {what} ({cause})") from error
