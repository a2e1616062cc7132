"""Animated GIF, WebP, PNG and AVIF, written frame by frame.

Pillow encodes the frames. The files of GIF, WebP and PNG are put together here, because Pillow
itself keeps every frame in memory until the last one. What a stylized frame shares with the one
before is next to nothing, so all are stored whole.
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
from stylenet.image.loaded import LoadedImage
from stylenet.image.saving import encoder_options, joined


class _Writer(Protocol):
    """Puts encoded frames together in one file."""

    unit: float  # milliseconds
    most: int  # units that a frame can be shown

    def __init__(self, file: BinaryIO, size: tuple[int, int], plays: int) -> None: ...

    def add(self, encoded: bytes, ticks: int) -> None: ...

    def close(self) -> None: ...


_WRITERS: dict[str, type[_Writer]] = {"GIF": GifWriter, "PNG": ApngWriter, "WEBP": WebpWriter}

# Browsers show a GIF's frame of one hundredth of a second for ten: so 60 frames a second must not
# become hundredths now and then. What was that short before may stay.
_SHORT = 15.0


def save_animation(
    frames: Iterable[Frame], path: str | Path, plays: int = 0, quality: int | None = None
) -> None:
    """Writes an animation; the file appears whole or not at all.

    Args:
        frames: At least one, all of one size; taken one at a time, so they may be an iterator that
            makes them. Durations are rounded to what the format knows (GIF: 10 ms, others: 1 ms)
            so that their sum stays.
        path: Its suffix chooses the format: ``.gif``, ``.webp``, ``.png`` or ``.avif``.
        plays: How often the animation is shown in all; 0 for endlessly. Pillow writes AVIF that
            repeats endlessly in any case.
        quality: See :func:`stylenet.image.save_image`; of WebP and AVIF only.

    Raises:
        StyleNetError: The format is another, there is no frame, the frames differ in size, or the
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
    waiting = iter(frames)
    first = next(waiting, None)
    if first is None:
        raise StyleNetError(f"cannot write {path}: the animation has no frame")
    size = first.picture.rgb.size
    check_size(size, name, path)
    frames = _checked(_chained(first, waiting, path), size, path)
    if name == "AVIF":
        clock = _Clock(1, 2**31 - 1)
        timed = ((joined(_opaque(f.picture), name), clock.ticks(f.duration)) for f in frames)
        with _encoding(path):
            encoded = encode_avif(timed, encoder_options(name, quality))
        with atomic_path(path) as temporary:
            temporary.write_bytes(encoded)
        return
    clock = _Clock(_WRITERS[name].unit, _WRITERS[name].most)
    with atomic_path(path) as temporary, temporary.open("w+b") as file:
        writer = _WRITERS[name](file, size, plays)
        for frame in frames:
            with _encoding(path):
                encoded = _encode(frame.picture, name, quality)
            writer.add(encoded, clock.ticks(frame.duration))
        writer.close()


class _Clock:
    """Rounds durations so that the error does not add up."""

    def __init__(self, unit: float, most: int) -> None:
        self.unit, self.most = unit, most
        self.asked, self.given = 0.0, 0

    def ticks(self, duration: float) -> int:
        """How many units a frame is shown."""
        self.asked += max(0.0, duration)
        ticks = round(self.asked / self.unit) - self.given
        if duration >= _SHORT:
            ticks = max(ticks, math.ceil(_SHORT / self.unit))
        ticks = min(max(ticks, 0), self.most)
        self.given += ticks
        return ticks


def _encode(picture: LoadedImage, name: str, quality: int | None) -> bytes:
    """One frame as a file of its own."""
    options = encoder_options(name, quality)
    image = joined(picture if name == "WEBP" else _opaque(picture), name)
    if name == "GIF":
        options |= {"interlace": 0, "optimize": False}
        options["transparency"] = image.info["transparency"]
    buffer = BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def _opaque(picture: LoadedImage) -> LoadedImage:
    """Give an image an alpha channel.

    A later frame may be transparent: the header of a PNG or AVIF speaks for all of them, and a
    GIF's opaque frame would be cleared to a color (by Pillow, for one).
    """
    if picture.alpha is not None:
        return picture
    return replace(picture, alpha=Image.new("L", picture.rgb.size, 255))


def _checked(frames: Iterator[Frame], size: tuple[int, int], path: Path) -> Iterator[Frame]:
    """Refuse frames of different sizes."""
    for frame in frames:
        if frame.picture.rgb.size != size:
            raise StyleNetError(
                f"cannot write {path}: a frame has {_pixels(frame.picture.rgb.size)} pixels, "
                f"the first one {_pixels(size)}"
            )
        yield frame


def _chained(first: Frame, rest: Iterator[Frame], path: Path) -> Iterator[Frame]:
    """All frames. What fails in making them is not the file's fault."""
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
