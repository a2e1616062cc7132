"""Image files, opened: every kind of damage ends in one line that names the file."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from stylenet.errors import StyleNetError, first_line
from stylenet.files import reason
from stylenet.image.color_tags import COLOR_TAGS, read_color_tags
from stylenet.image.exif import read_exif
from stylenet.image.formats import MAX_PIXELS, MAX_SIDE, name_missing_codec, readable_formats
from stylenet.image.loaded import LoadedImage, upright_image
from stylenet.image.png import exact_transparency, prepare_transparency
from stylenet.image.quiet import quiet
from stylenet.image.tiff import is_tiff, list_pages, reads_wrongly
from stylenet.image.tiff_samples import decode_tiff

# Where ``info`` names what is not kept, and formats whose frames are kept or (PSD) are layers.
_LEFT_OUT = "left_out"
_KEPT_FRAMES = {"GIF", "PNG", "WEBP", "AVIF", "TIFF", "PSD"}

# Brand of an image with a gain map (ISO 21496-1, as AVIF 1.2 and HEIF have it).
_GAIN_MAP = b"tmap"

# How Pillow's messages speak of files that are sound, but rare.
_RARE = re.compile(r"unsupported|not supported|not implemented|invalid palette size", re.IGNORECASE)

# Tags of TIFF 6.0.
_BITS, _PHOTOMETRIC = 258, 262


def open_image(
    path: str | Path, smallest: int | None = None, page: int | None = None
) -> Image.Image:
    """Open and decode an image file, whole; of an animation the first frame.

    Args:
        path: The file.
        smallest: If given, JPEG files may be decoded at 1/2, 1/4 or 1/8 of their size as long as
            both sides stay at least this many pixels, which is several times as fast.
        page: Which image of a TIFF file, counted from 0; ``None`` for the first that is a page.

    Returns:
        The image, not turned upright (but for TIFF, which is), in whatever mode it has.

    Raises:
        StyleNetError: The file is missing, unreadable, damaged, truncated, not an image, or has
            more than 30,000 x 30,000 pixels.
    """
    path = Path(path)
    with reading(path):
        try:
            image = Image.open(path, formats=readable_formats())
        except UnidentifiedImageError:
            if not is_tiff(path):
                raise
            return decode_tiff(path, list_pages(path)[0][0] if page is None else page)
        with image:
            if image.format == "TIFF":
                page = list_pages(path)[0][0] if page is None else page
                try:
                    image.seek(page)
                except SyntaxError:  # samples that Pillow does not know
                    return decode_tiff(path, page)
                if reads_wrongly(image):
                    return decode_tiff(path, page)
            check_sides(path, image)
            return _decode(path, image, smallest)


def _decode(path: Path, image: Image.Image, smallest: int | None) -> Image.Image:
    """Decode an image with what Pillow leaves out of its ``info``."""
    image.info[COLOR_TAGS] = read_color_tags(path, image)
    image.info[_LEFT_OUT] = _list_left_out(path, image)
    exact = exact_transparency(path, image)
    if exact is not None:
        return exact
    prepare_transparency(image)
    if smallest is not None:
        image.draft(None, (smallest, smallest))
    image.load()
    result = image.copy() if image.readonly else image
    if image.format == "TIFF":  # what a copy would not have, and what cannot be read later
        _keep_tags(image, result)
    return result


def load_image(path: str | Path, page: int | None = None) -> LoadedImage:
    """Open an image file as an image.

    Args:
        path: The file.
        page: See :func:`open_image`.

    Returns:
        See :func:`upright_image`.

    Raises:
        StyleNetError: See :func:`open_image` and :func:`upright_image`; the file is named.
    """
    image = open_image(path, page=page)
    try:
        return replace(upright_image(image), left_out=tuple(image.info.get(_LEFT_OUT, ())))
    except StyleNetError as error:
        raise StyleNetError(f"{path}: {error}") from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns whatever goes wrong in reading an image file into one line about it.

    Args:
        path: The file.

    Yields:
        Nothing.

    Raises:
        StyleNetError: See :func:`open_image`.
    """
    try:
        with quiet():
            yield
    except StyleNetError as error:
        if str(path) in str(error):
            raise
        raise StyleNetError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise StyleNetError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise StyleNetError(f"{path} is a folder, expected an image file") from error
    except UnidentifiedImageError as error:
        empty = path.stat().st_size == 0
        what = "is empty" if empty else "is not an image, or of a kind that Pillow cannot read"
        raise StyleNetError(f"{path} {name_missing_codec(path) or what}") from error
    except Image.DecompressionBombError as error:
        raise StyleNetError(
            f"{path} is too large: more than {MAX_PIXELS / 1e6:.0f} megapixels; make it smaller"
        ) from error
    except MemoryError as error:
        raise StyleNetError(f"{path} is too large for the memory of this machine") from error
    except Exception as error:  # damage makes Pillow raise anything, struct.error for one
        if isinstance(error, OSError) and error.errno is not None:  # the system's, not Pillow's
            raise StyleNetError(f"{path} cannot be read: {reason(error)}") from error
        message = first_line(error)
        if _RARE.search(message):
            raise StyleNetError(
                f"{path} is of a kind that Pillow cannot read ({message}); save it as .png"
            ) from error
        raise StyleNetError(f"{path} is damaged: {message}") from error


def check_sides(path: Path, image: Image.Image) -> None:
    """Refuses an image, not yet decoded, of which a side is impossibly long.

    Args:
        path: Its file, for the message.
        image: The image.

    Raises:
        StyleNetError: A side is longer than a million pixels.
    """
    if max(image.size) > MAX_SIDE:
        raise StyleNetError(
            f"{path} is too large or damaged: {image.width}x{image.height} pixels, and a side may "
            f"have {MAX_SIDE:,}"
        )


def _list_left_out(path: Path, image: Image.Image) -> list[str]:
    """Name what a file holds beside the image and is not kept.

    Frames of animations and pages of a TIFF are kept elsewhere, layers are in the image already.
    """
    found = []
    further = getattr(image, "n_frames", 1) - 1
    if further > 0 and image.format not in _KEPT_FRAMES:
        found.append("further images (burst, preview, stereo or HDR gain map)")
    for kind in image.info.get("aux") or ():  # of HEIC
        found.append("HDR gain map" if "hdrgainmap" in kind else "auxiliary images")
    if image.format in ("AVIF", "HEIF") and _GAIN_MAP in _brands(path):
        found.append("HDR gain map")
    if image.info.get("depth_images"):
        found.append("depth map")
    return sorted(set(found))


def _brands(path: Path) -> bytes:
    """The brands by which an AVIF or HEIF file says what it holds (ISO/IEC 14496-12, 4.3)."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(4), "big")
        return file.read(min(length, 1024))


def _keep_tags(image: Image.Image, result: Image.Image) -> None:
    """Puts into ``info`` what only the TIFF file's own tags say."""
    if result.mode.startswith("I;16"):  # of the others Pillow inverts those that count from white
        result.info["photometric"] = image.tag_v2.get(_PHOTOMETRIC)  # type: ignore[attr-defined]
        result.info["bits"] = max(image.tag_v2.get(_BITS, (16,)))  # type: ignore[attr-defined]
    try:
        block = read_exif(image)
    except Exception:  # damaged EXIF does not cost the photo
        block = None
    if block is not None:
        result.info["exif"] = block
