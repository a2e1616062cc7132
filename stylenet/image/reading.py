"""Reading of image files; every error becomes one line that names the file."""

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
from stylenet.image.loaded_image import LoadedImage
from stylenet.image.png import exact_transparency, prepare_transparency
from stylenet.image.quiet import quiet
from stylenet.image.tiff import is_tiff, list_pages, reads_wrongly
from stylenet.image.tiff_samples import decode_tiff
from stylenet.image.upright import upright_image

# Key of the contents that are not kept, in ``info``.
_LEFT_OUT = "left_out"
# Formats whose further frames are read elsewhere, or are layers (PSD).
_KEPT_FRAMES = {"GIF", "PNG", "WEBP", "AVIF", "TIFF", "PSD"}

# Brand of AVIF 1.2 and HEIF images with a gain map (ISO 21496-1).
_GAIN_MAP = b"tmap"

# Words of Pillow's messages about intact files of rare kinds.
_UNSUPPORTED = re.compile(
    r"unsupported|not supported|not implemented|invalid palette size", re.IGNORECASE
)

# Tags of TIFF 6.0.
_BITS, _PHOTOMETRIC = 258, 262


def open_image(
    path: str | Path, smallest: int | None = None, page: int | None = None
) -> Image.Image:
    """Open and decode an image file; of an animation, the first frame.

    Args:
        path: The file.
        smallest: If given, JPEG files are decoded at 1/2, 1/4 or 1/8 of their size where both sides
            keep at least this many pixels, which is several times faster.
        page: Index of an image in a TIFF file; ``None`` for the first page.

    Returns:
        The image in the mode of its file. Only TIFF images are turned upright.

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
                except SyntaxError:  # a sample layout that Pillow does not know
                    return decode_tiff(path, page)
                if reads_wrongly(image):
                    return decode_tiff(path, page)
            check_sides(path, image)
            return _decode(path, image, smallest)


def _decode(path: Path, image: Image.Image, smallest: int | None) -> Image.Image:
    """Decode an image and add what Pillow does not put into its ``info``."""
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
    if image.format == "TIFF":  # copies have no tags, and tags need the open file
        _keep_tags(image, result)
    return result


def load_image(path: str | Path, page: int | None = None) -> LoadedImage:
    """Load an image file upright and in sRGB: :func:`open_image` and :func:`upright_image`.

    Args:
        path: The file.
        page: Index of an image in a TIFF file; ``None`` for the first page.

    Raises:
        StyleNetError: The file is missing, unreadable, damaged, not an image or too large.
    """
    image = open_image(path, page=page)
    try:
        return replace(upright_image(image), left_out=tuple(image.info.get(_LEFT_OUT, ())))
    except StyleNetError as error:
        raise StyleNetError(f"{path}: {error}") from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn every error in reading an image file into a :class:`StyleNetError` that names it."""
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
        is_empty = path.stat().st_size == 0
        problem = (
            "is empty" if is_empty else "is not an image, or of a format that Pillow cannot read"
        )
        raise StyleNetError(f"{path} {name_missing_codec(path) or problem}") from error
    except Image.DecompressionBombError as error:
        raise StyleNetError(
            f"{path} is too large: more than {MAX_PIXELS / 1e6:.0f} megapixels; make it smaller"
        ) from error
    except MemoryError as error:
        raise StyleNetError(f"{path} is too large for the memory of this machine") from error
    except Exception as error:  # damage makes Pillow raise any exception, such as struct.error
        if isinstance(error, OSError) and error.errno is not None:  # from the operating system
            raise StyleNetError(f"{path} cannot be read: {reason(error)}") from error
        message = first_line(error)
        if _UNSUPPORTED.search(message):
            raise StyleNetError(
                f"{path} is an image that Pillow cannot read ({message}); save it as .png"
            ) from error
        raise StyleNetError(f"{path} is damaged: {message}") from error


def check_sides(path: Path, image: Image.Image) -> None:
    """Check that no side of an undecoded image is longer than ``MAX_SIDE``.

    Raises:
        StyleNetError: A side is too long.
    """
    if max(image.size) > MAX_SIDE:
        raise StyleNetError(
            f"{path} is too large or damaged: {image.width}x{image.height} pixels, but a side has "
            f"at most {MAX_SIDE:,}"
        )


def _list_left_out(path: Path, image: Image.Image) -> list[str]:
    """Name the contents of a file that are not kept.

    Frames of animations and pages of TIFF files are read elsewhere; layers are part of the image.
    """
    left_out = []
    further_images = getattr(image, "n_frames", 1) - 1
    if further_images > 0 and image.format not in _KEPT_FRAMES:
        left_out.append("further images (burst, preview, stereo or HDR gain map)")
    for name in image.info.get("aux") or ():  # auxiliary images of HEIC
        left_out.append("HDR gain map" if "hdrgainmap" in name else "auxiliary images")
    if image.format in ("AVIF", "HEIF") and _GAIN_MAP in _brands(path):
        left_out.append("HDR gain map")
    if image.info.get("depth_images"):
        left_out.append("depth map")
    return sorted(set(left_out))


def _brands(path: Path) -> bytes:
    """Return the brands of an AVIF or HEIF file (ISO/IEC 14496-12, 4.3)."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(4), "big")
        return file.read(min(length, 1024))


def _keep_tags(image: Image.Image, result: Image.Image) -> None:
    """Copy the needed tags of a TIFF file to ``info``."""
    if result.mode.startswith("I;16"):  # Pillow itself inverts other modes that count from white
        result.info["photometric"] = image.tag_v2.get(_PHOTOMETRIC)  # type: ignore[attr-defined]
        result.info["bits"] = max(image.tag_v2.get(_BITS, (16,)))  # type: ignore[attr-defined]
    try:
        block = read_exif(image)
    except Exception:  # the EXIF data are damaged, but the photo is not
        block = None
    if block is not None:
        result.info["exif"] = block
