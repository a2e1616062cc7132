"""Reading of animated GIF, WebP, PNG and AVIF, frame by frame."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from stylenet.errors import StyleNetError
from stylenet.image.color_tags import COLOR_TAGS, read_color_tags
from stylenet.image.formats import readable_formats
from stylenet.image.loaded_image import LoadedImage
from stylenet.image.png import prepare_transparency
from stylenet.image.reading import check_sides, reading
from stylenet.image.tiff import is_tiff
from stylenet.image.upright import upright_image

_FORMATS = ("GIF", "PNG", "WEBP", "AVIF")


@dataclass(frozen=True)
class Frame:
    """One frame of an animation.

    Attributes:
        image: The complete image that a viewer shows, not only what changes.
        duration: Display time in milliseconds; 0 leaves it to the viewer.
    """

    image: LoadedImage
    duration: float


@dataclass(frozen=True)
class Animation:
    """An animated image file. Each iteration reads the file and holds one frame at a time.

    Attributes:
        path: Path of the file.
        size: Width and height of every frame, upright.
        count: Number of frames, at least one.
        plays: Number of times that the animation plays; 0 for endlessly. Always 0 for AVIF, whose
            count Pillow does not read.
    """

    path: Path
    size: tuple[int, int]
    count: int
    plays: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Frame]:
        """Read the frames in order; all have the same size.

        Raises:
            StyleNetError: A frame is damaged, or the file is gone.
        """
        with reading(self.path):
            image = _open(self.path)
        with image:
            for index in range(_first(image), _first(image) + self.count):
                with reading(self.path):
                    frame = _read(image, index, self.size)
                yield frame


def is_animated(source: str | Path | Image.Image) -> bool:
    """Return whether an image is a GIF, WebP, PNG or AVIF with several frames.

    Args:
        source: A file, or an image just opened from one. Pages of a TIFF file do not count as
            frames.

    Raises:
        StyleNetError: The file cannot be read; see :func:`stylenet.image.open_image`.
    """
    if isinstance(source, Image.Image):
        return source.format in _FORMATS and _count(source) > 1
    path = Path(source)
    with reading(path):
        if is_tiff(path):  # Pillow may not open it
            return False
    with reading(path), Image.open(path, formats=readable_formats()) as image:
        return image.format in _FORMATS and _count(image) > 1


def read_animation(path: str | Path) -> Animation:
    """Open an animation without reading its frames.

    Args:
        path: A GIF, WebP, PNG or AVIF file; a still image has a single frame.

    Returns:
        The animation; iterate over it to read the frames.

    Raises:
        StyleNetError: The file has another format, or its first frame cannot be read; see
            :func:`stylenet.image.open_image`.
    """
    path = Path(path)
    with reading(path), _open(path) as image:
        count = max(1, _count(image))
        first = _read(image, _first(image))
        return Animation(path, first.image.rgb.size, count, _plays(image))


def _open(path: Path) -> Image.Image:
    with path.open("rb") as file:
        head = file.read(12)
    # For files of other formats Pillow's error does not say which formats are expected.
    if head and not (
        head.startswith((b"GIF", b"\x89PNG")) or head[8:12] == b"WEBP" or head[4:8] == b"ftyp"
    ):
        raise StyleNetError(f"{path} is not an animation; expected a GIF, WebP, PNG or AVIF file")
    image = Image.open(path, formats=[name for name in _FORMATS if name in Image.OPEN])
    try:
        check_sides(path, image)
        image.info[COLOR_TAGS] = read_color_tags(path, image)
        prepare_transparency(image)
    except StyleNetError:
        image.close()
        raise
    return image


def _count(image: Image.Image) -> int:
    """Count the frames, without a PNG's still image for viewers that show no animations."""
    if not getattr(image, "is_animated", False):
        return 1
    return int(getattr(image, "n_frames", 1)) - _first(image)


def _first(image: Image.Image) -> int:
    """Return the index of the first frame; an APNG may begin with a still image beside them."""
    return int(bool(image.info.get("default_image") or getattr(image, "default_image", False)))


def _plays(image: Image.Image) -> int:
    """Return how often the animation plays, 0 for endlessly.

    A GIF stores the repetitions after the first play (so read browsers and libwebp's gif2webp), or
    nothing if it plays once; WebP and PNG store all plays.
    """
    if image.format != "GIF":
        return int(image.info.get("loop", 0))
    if "loop" not in image.info:
        return 1
    repetitions = int(image.info["loop"])
    return repetitions + 1 if repetitions else 0


def _read(image: Image.Image, index: int, size: tuple[int, int] | None = None) -> Frame:
    """Decode one frame.

    Pillow enlarges a GIF whose frame extends beyond the first one. Browsers cut such frames off to
    the size of the first frame, and so does this function.
    """
    tags = image.info.get(COLOR_TAGS)
    image.seek(index)
    image.load()
    info: dict[Any, Any] = image.info
    info[COLOR_TAGS] = tags
    frame = upright_image(image)
    if frame.alpha is not None and frame.alpha.getextrema() == (255, 255):
        frame = replace(frame, alpha=None)  # GIF frames use transparency to keep unchanged pixels
    if size is not None and frame.rgb.size != size:
        if image.format != "GIF":
            raise StyleNetError("was changed while it was read")
        frame = replace(
            frame,
            rgb=frame.rgb.crop((0, 0, *size)),
            alpha=None if frame.alpha is None else frame.alpha.crop((0, 0, *size)),
        )
    return Frame(frame, float(info.get("duration", 0) or 0))
