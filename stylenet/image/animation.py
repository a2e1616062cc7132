"""Animated GIF, WebP, PNG and AVIF, read frame by frame."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from stylenet.errors import StyleNetError
from stylenet.image.color_tags import COLOR_TAGS, read_color_tags
from stylenet.image.formats import readable_formats
from stylenet.image.loaded import LoadedImage, upright_image
from stylenet.image.png import prepare_transparency
from stylenet.image.reading import check_sides, reading
from stylenet.image.tiff import is_tiff

_FORMATS = ("GIF", "PNG", "WEBP", "AVIF")


@dataclass(frozen=True)
class Frame:
    """One image of an animation.

    Attributes:
        picture: The whole image, as it is to be seen.
        duration: How long it is shown, in milliseconds; 0 leaves it to the viewer.
    """

    picture: LoadedImage
    duration: float


@dataclass(frozen=True)
class Animation:
    """An animation in a file. Each iteration reads the file anew and holds one frame at a time.

    Attributes:
        path: The file.
        size: Width and height of every frame, upright.
        count: How many frames there are, at least one.
        plays: How often it is shown in all; 0 for endlessly. Of AVIF, whose count Pillow does not
            read, always 0.
    """

    path: Path
    size: tuple[int, int]
    count: int
    plays: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Frame]:
        """Reads the frames in order.

        Yields:
            The frames, all of one size.

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
    """Says whether an image moves.

    Args:
        source: A file, or an image just opened from one.

    Returns:
        Whether it is a GIF, WebP, PNG or AVIF of several frames. Pages of a TIFF are no frames.

    Raises:
        StyleNetError: The file cannot be read; see :func:`stylenet.image.open_image`.
    """
    if isinstance(source, Image.Image):
        return source.format in _FORMATS and _count(source) > 1
    path = Path(source)
    with reading(path):
        if is_tiff(path):  # Pillow may not know its samples
            return False
    with reading(path), Image.open(path, formats=readable_formats()) as image:
        return image.format in _FORMATS and _count(image) > 1


def read_animation(path: str | Path) -> Animation:
    """Opens an animation; its frames are read when they are asked for.

    Args:
        path: A GIF, WebP, PNG or AVIF file; a still one has a single frame.

    Returns:
        The animation; iterate over it for its frames.

    Raises:
        StyleNetError: The file is of another format, or its beginning cannot be read; see
            :func:`stylenet.image.open_image`.
    """
    path = Path(path)
    with reading(path), _open(path) as image:
        count = max(1, _count(image))
        first = _read(image, _first(image))
        return Animation(path, first.picture.rgb.size, count, _plays(image))


def _open(path: Path) -> Image.Image:
    with path.open("rb") as file:
        head = file.read(12)
    # Pillow would open anything that calls itself one of these, but say nothing of what it is.
    if head and not (
        head.startswith((b"GIF", b"\x89PNG")) or head[8:12] == b"WEBP" or head[4:8] == b"ftyp"
    ):
        raise StyleNetError(f"{path} is no animation; expected a GIF, WebP, PNG or AVIF file")
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
    """Number of frames, without a PNG's image for viewers that show no animations."""
    if not getattr(image, "is_animated", False):
        return 1
    return int(getattr(image, "n_frames", 1)) - _first(image)


def _first(image: Image.Image) -> int:
    return int(bool(image.info.get("default_image") or getattr(image, "default_image", False)))


def _plays(image: Image.Image) -> int:
    """How often the animation is shown.

    GIF counts repetitions after the first time, as browsers and libwebp's gif2webp have it, and
    without a count there are none; WebP and PNG count all.
    """
    if image.format != "GIF":
        return int(image.info.get("loop", 0))
    if "loop" not in image.info:
        return 1
    repetitions = int(image.info["loop"])
    return repetitions + 1 if repetitions else 0


def _read(image: Image.Image, index: int, size: tuple[int, int] | None = None) -> Frame:
    """Decode one frame.

    Pillow enlarges the canvas for a GIF's frame that lies partly outside of it; as browsers do, the
    canvas keeps its size, which is the first frame's, and the rest is cut off.
    """
    tags = image.info.get(COLOR_TAGS)
    image.seek(index)
    image.load()
    info: dict[Any, Any] = image.info
    info[COLOR_TAGS] = tags
    picture = upright_image(image)
    if picture.alpha is not None and picture.alpha.getextrema() == (255, 255):
        picture = replace(picture, alpha=None)  # GIF's frames have it to leave out what stays
    if size is not None and picture.rgb.size != size:
        if image.format != "GIF":
            raise StyleNetError("was changed while it was read")
        picture = replace(
            picture,
            rgb=picture.rgb.crop((0, 0, *size)),
            alpha=None if picture.alpha is None else picture.alpha.crop((0, 0, *size)),
        )
    return Frame(picture, float(info.get("duration", 0) or 0))
