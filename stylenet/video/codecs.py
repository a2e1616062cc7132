"""Choose encoders, pixel formats and quality options through PyAV."""

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

# The codec that most players and devices support.
USUAL = "libx264"
# For 10 bits: devices decode them in H.265, but hardly in H.264.
DEEP = "libx265"
# Encoders whose name differs from the codec's.
_ENCODERS = {
    "vp9": "libvpx-vp9",
    "vp8": "libvpx",
    "av1": "libsvtav1",
    "theora": "libtheora",
    "hevc": "libx265",
}
# libx265 writes to stderr on its own, past FFmpeg's log level.
QUIET_X265 = {"x265-params": "log-level=none"}

# Encoders that keep an alpha channel, with its pixel format.
_ALPHA_FORMATS = {
    "prores_ks": "yuva444p10le",
    "libvpx-vp9": "yuva420p",
    "qtrle": "argb",
    "png": "rgba",
    "ffv1": "bgra",
    "utvideo": "gbrap",
}
# The encoder, by container format, whose alpha channel common players show. Only Matroska and WebM
# can hold that of VP9, which is stored beside the image.
_ALPHA_CODECS = {"mov": "prores_ks", "matroska": "libvpx-vp9", "webm": "libvpx-vp9"}


def import_av() -> ModuleType:
    """Import PyAV, at the first use of videos.

    Raises:
        StyleNetError: PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise StyleNetError("videos need PyAV, which is not installed: pip install av") from error
    return av


def usual_codec(format_name: str, meant_for: str) -> str:
    """Choose an encoder: H.264 if the format supports it, else the format's default codec.

    Args:
        format_name: FFmpeg's name of the container format.
        meant_for: FFmpeg's name of the format's default codec.

    Returns:
        FFmpeg's name of the encoder.
    """
    av = import_av()
    own = _ENCODERS.get(meant_for, meant_for)
    # Some builds have another H.264 encoder, and few have Theora's: Ogg then takes VP8.
    for name in (USUAL, "h264", own, "libvpx"):
        fits = False
        with suppress(Exception), av.open(io.BytesIO(), "w", format=format_name) as trial:
            stream: Any = trial.add_stream(name, rate=25)
            known = pixel_formats(name)
            stream.pix_fmt = known[0] if known and "yuv420p" not in known else "yuv420p"
            stream.width = stream.height = 64
            stream.options = QUIET_X265 if name == "libx265" else {}
            trial.start_encoding()  # Ogg refuses H.264 only here
            fits = True  # set before closing, which some formats refuse without frames
        if fits:
            return name
    return own


def pixel_formats(name: str) -> list[str]:
    """List the pixel formats of an encoder.

    Args:
        name: FFmpeg's name of the encoder.

    Returns:
        FFmpeg's names of the pixel formats; empty if the encoder does not list them.
    """
    return [f.name for f in import_av().Codec(name, "w").video_formats or []]


def check_codec(name: str) -> None:
    """Raise if PyAV has no video encoder of a name.

    Args:
        name: FFmpeg's name of the encoder.

    Raises:
        StyleNetError: There is no such encoder.
    """
    av = import_av()
    try:
        if av.Codec(name, "w").type == "video":
            return
    except ValueError:
        pass
    known = ("libx264", "libx265", "libvpx-vp9", "libsvtav1", "mpeg4", "ffv1")
    available = [name for name in known if name in av.codecs_available]
    raise StyleNetError(
        f"codec={name} is not a video encoder of this PyAV; choose one such as "
        f"{', '.join(available)}"
    )


def quality_options(name: str, quality: float) -> dict[str, str]:
    """Return encoder options for a quality: a rate factor, or else a fixed quantizer.

    Args:
        name: FFmpeg's name of the encoder.
        quality: A constant rate factor on the scale of H.264.
    """
    if name.startswith("libx26"):
        return {"crf": f"{min(quality, 51):g}"}
    if name in ("libvpx-vp9", "libsvtav1") or name.startswith("libaom"):
        return {"crf": f"{min(quality, 63):g}"}
    if name == "libvpx":
        # VP8 has no constant quality without a bound on its rate, 256 kbit/s by default. On a
        # moving photo its quantizer 9 is as good as H.264's factor 18, and 63 as good as 45.
        scale = str(round(min(63.0, quality**2 / 36)))
        return {"qmin": scale, "qmax": scale, "b": "1G"}
    # x264's qp2qscale (ratecontrol.c) converts from its scale to that of MPEG-4 and JPEG, which has
    # integer steps from 1 to 31. Lossless encoders ignore the quantizer.
    scale = str(round(min(31.0, max(1.0, 0.85 * 2 ** ((quality - 12) / 6)))))
    return {"qmin": scale, "qmax": scale}


def alpha_codec(format_name: str) -> str | None:
    """Choose an encoder that keeps an alpha channel.

    Args:
        format_name: FFmpeg's name of the container format.

    Returns:
        FFmpeg's name of the encoder; ``None`` if the format or this PyAV has none.
    """
    name = _ALPHA_CODECS.get(format_name, "")
    return name if name and alpha_format(name, format_name) else None


def alpha_format(name: str, format_name: str) -> str:
    """Return the pixel format in which an encoder keeps an alpha channel.

    Args:
        name: FFmpeg's name of the encoder.
        format_name: FFmpeg's name of the container format.

    Returns:
        FFmpeg's name of the pixel format; empty if there is none.
    """
    pixel_format = _ALPHA_FORMATS.get(name, "")
    format_keeps_it = name != "libvpx-vp9" or _ALPHA_CODECS.get(format_name) == name
    available = name in import_av().codecs_available and pixel_format in pixel_formats(name)
    return pixel_format if format_keeps_it and available else ""


def alpha_decoder(video: "VideoStream") -> "CodecContext | None":
    """Open a decoder for an alpha channel that FFmpeg's own decoder drops.

    Args:
        video: VP8 and VP9 streams keep their alpha channel beside the image.

    Returns:
        A decoder for the stream; ``None`` if it has no such channel or PyAV no such decoder.
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
    """Describe a stream, such as ``audio stream 1 (aac)``."""
    # PyAV has no codec context for a stream that it cannot read.
    context = getattr(stream, "codec_context", None)
    return f"{stream.type} stream {stream.index} ({context.name if context else 'unknown'})"


def describe_lost(stream: str, lost: Sequence[tuple[Fraction, str]]) -> str:
    """Describe the packets of a stream that were lost.

    Args:
        stream: See :func:`describe_stream`.
        lost: Time of each packet, in seconds, and the reason.

    Returns:
        A text such as ``2 packets of audio stream 1 (aac), the first at 12.3 s (Invalid data)``.
    """
    (time, reason), first = lost[0], ", the first" if len(lost) > 1 else ""
    packets = f"{len(lost)} packets" if len(lost) > 1 else "1 packet"
    return f"{packets} of {stream}{first} at {float(time):.1f} s ({reason})"


@contextmanager
def writing(target: Path, problem: str) -> Iterator[None]:
    """Turn every error of writing a video into a one-line error.

    Args:
        target: The video.
        problem: Description of the failure, if PyAV raised the error.

    Raises:
        StyleNetError: Writing failed.
    """
    try:
        yield
    except StyleNetError:
        raise
    except OSError as error:
        raise StyleNetError(f"cannot write {target}: {reason(error)}") from error
    except Exception as error:  # PyAV raises several types
        cause = getattr(error, "strerror", None) or first_line(error)
        raise StyleNetError(f"cannot write {target}: {problem} ({cause})") from error
