"""Writing of animated GIF, WebP, PNG and AVIF, frame by frame.

Pillow encodes each frame, and :mod:`stylenet.image.containers` assembles GIF, WebP and PNG files,
because Pillow would keep all frames in memory. Every frame is stored in full: consecutive stylized
frames have hardly any equal pixels.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol

from PIL import Image

from stylenet.errors import StyleNetError, first_line
from stylenet.files import atomic_path
from stylenet.image.animation import Frame
from stylenet.image.avif_sequence import encode_avif
from stylenet.image.containers import ApngWriter, GifWriter, WebpWriter
from stylenet.image.formats import ANIMATION_SUFFIXES, check_size, format_of
from stylenet.image.loaded_image import LoadedImage
from stylenet.image.saving import encoder_options, join_alpha


class _Writer(Protocol):
    """Writer of encoded frames to one file."""

    unit: float  # milliseconds per tick
    max_ticks: int  # longest display time of a frame

    def __init__(self, file: BinaryIO, size: tuple[int, int], plays: int) -> None: ...

    def add(self, encoded: bytes, ticks: int) -> None: ...

    def close(self) -> None: ...


_WRITERS: dict[str, type[_Writer]] = {"GIF": GifWriter, "PNG": ApngWriter, "WEBP": WebpWriter}

# Browsers show a GIF frame of 10 ms for 100 ms instead. Frames of at least this many milliseconds
# (60 per second have 16.7) are therefore not rounded down to 10 ms.
_MIN_ROUNDED = 15.0


def save_animation(
    frames: Iterable[Frame], path: str | Path, plays: int = 0, quality: int | None = None
) -> None:
    """Write an animation atomically.

    Args:
        frames: At least one frame, all of one size; a generator is consumed frame by frame.
            Durations are rounded to multiples of 10 ms (GIF) or 1 ms so that their sum is kept.
        path: Target file; its suffix chooses the format: ``.gif``, ``.webp``, ``.png`` or
            ``.avif``.
        plays: Number of times that the animation plays; 0 for endlessly. AVIF written by Pillow
            always plays endlessly.
        quality: See :func:`stylenet.image.save_image`; for WebP and AVIF only.

    Raises:
        StyleNetError: The suffix is another, there is no frame, the frames differ in size, or the
            file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in ANIMATION_SUFFIXES:
        raise StyleNetError(
            f"cannot write {path}: expected one of {', '.join(sorted(ANIMATION_SUFFIXES))} for an "
            f"animation"
        )
    if not 0 <= plays < 2**16:
        raise StyleNetError(f"plays={plays} is not a whole number from 0 (endlessly) to 65535")
    name = format_of(path)
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise StyleNetError(f"cannot write {path}: the animation has no frame")
    size = first.image.rgb.size
    check_size(size, name, path)
    frames = _check_sizes(_chain(first, remaining, path), size, path)
    if name == "AVIF":
        clock = _Clock(1, 2**31 - 1)
        timed = ((join_alpha(_with_alpha(f.image), name), clock.ticks(f.duration)) for f in frames)
        with _encoding(path):
            encoded = encode_avif(timed, encoder_options(name, quality))
        with atomic_path(path) as temporary:
            temporary.write_bytes(encoded)
        return
    clock = _Clock(_WRITERS[name].unit, _WRITERS[name].max_ticks)
    with atomic_path(path) as temporary, temporary.open("w+b") as file:
        writer = _WRITERS[name](file, size, plays)
        for frame in frames:
            with _encoding(path):
                encoded = _encode(frame.image, name, quality)
            writer.add(encoded, clock.ticks(frame.duration))
        writer.close()


class _Clock:
    """Converts durations to whole ticks so that rounding errors do not add up."""

    def __init__(self, unit: float, max_ticks: int) -> None:
        self.unit, self.max_ticks = unit, max_ticks
        self.exact, self.rounded = 0.0, 0  # sums of the durations (ms) and of the ticks so far

    def ticks(self, duration: float) -> int:
        """Return the display time of the next frame in ticks."""
        self.exact += max(0.0, duration)
        ticks = round(self.exact / self.unit) - self.rounded
        if duration >= _MIN_ROUNDED:
            ticks = max(ticks, math.ceil(_MIN_ROUNDED / self.unit))
        ticks = min(max(ticks, 0), self.max_ticks)
        self.rounded += ticks
        return ticks


def _encode(frame: LoadedImage, name: str, quality: int | None) -> bytes:
    """Encode a frame as a file with a single image."""
    options = encoder_options(name, quality)
    image = join_alpha(frame if name == "WEBP" else _with_alpha(frame), name)
    if name == "GIF":
        options |= {"interlace": 0, "optimize": False}
        options["transparency"] = image.info["transparency"]
    buffer = BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def _with_alpha(frame: LoadedImage) -> LoadedImage:
    """Give an opaque frame an alpha channel, because a later frame may be transparent.

    PNG and AVIF have one header for all frames, and a viewer such as Pillow would clear an opaque
    GIF frame to a color.
    """
    if frame.alpha is not None:
        return frame
    return replace(frame, alpha=Image.new("L", frame.rgb.size, 255))


def _check_sizes(frames: Iterator[Frame], size: tuple[int, int], path: Path) -> Iterator[Frame]:
    """Pass the frames on and refuse one of another size."""
    for frame in frames:
        if frame.image.rgb.size != size:
            raise StyleNetError(
                f"cannot write {path}: a frame has {_pixels(frame.image.rgb.size)} pixels, "
                f"the first one {_pixels(size)}"
            )
        yield frame


def _chain(first: Frame, rest: Iterator[Frame], path: Path) -> Iterator[Frame]:
    """Yield all frames; an error in their generator must not read as an error of the file."""
    yield first
    while True:
        try:
            frame = next(rest, None)
        except OSError as error:
            raise StyleNetError(f"{path}: {first_line(error)}") from error
        if frame is None:
            return
        yield frame


@contextmanager
def _encoding(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, MemoryError) as error:
        raise StyleNetError(f"cannot write {path}: {first_line(error)}") from error


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
