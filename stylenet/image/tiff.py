"""Directories and pages of TIFF files. Tag numbers are from the TIFF 6.0 specification."""

from pathlib import Path
from typing import BinaryIO

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from stylenet.errors import StyleNetError

_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _CHANNELS = 254, 259, 262, 277
_PLANES, _SUB_DIRECTORIES = 284, 330
_SEPARATE = 2
_PREDICTOR, _FORMAT, _SIGNED = 317, 339, 2
_ORIENTATION, _ON_ITS_SIDE = 274, (5, 6, 7, 8)
# Modes whose uncompressed pixels Pillow memory-maps.
_MAPPED = {"L", "P", "RGBX", "RGBA", "CMYK", "I;16", "I;16B", "I;16L"}
# PhotometricInterpretation of gray, RGB, palette and CMYK.
_SIMPLE = {0, 1, 2, 3, 5}
# Compressions that ignore the layout of samples: none, LZW, both numbers of deflate, PackBits,
# LZMA and Zstandard.
PLAIN_COMPRESSIONS = {1, 5, 8, 32946, 32773, 34925, 50000}
# Bits of NewSubfileType: a reduced copy of another image, and a mask.
_REDUCED, _MASK = 1, 4


def is_tiff(path: Path) -> bool:
    """Return whether a file starts like a TIFF or BigTIFF file.

    Big-endian BigTIFF is excluded, because Pillow cannot read its directories.
    """
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0")


def read_directories(file: BinaryIO) -> list[tuple[int, ImageFileDirectory_v2]]:
    """Read the directories of a TIFF file, one per image.

    Returns:
        Offset in the file and tags of each directory.
    """
    file.seek(0)
    header = file.read(8)
    if header[2:3] == b"+":  # BigTIFF
        header += file.read(8)
    offset = ImageFileDirectory_v2(header).next
    directories: list[tuple[int, ImageFileDirectory_v2]] = []
    while offset and offset not in {other for other, _ in directories}:
        file.seek(offset)
        directory = ImageFileDirectory_v2(header)
        directory.load(file)
        directories.append((offset, directory))
        offset = directory.next
    return directories


def list_pages(path: Path) -> tuple[list[int], int]:
    """Find the images of a TIFF file that are pages.

    Returns:
        Indices of the pages among all images of the file, and the number of other images (reduced
        copies and masks).

    Raises:
        StyleNetError: The file holds a preview, and a photo that Pillow cannot read, as RAW files
            of cameras do.
    """
    with path.open("rb") as file:
        directories = [tags for _, tags in read_directories(file)]
    types = [int(tags.get(_SUBFILE, 0)) for tags in directories]
    pages = [index for index, subfile in enumerate(types) if not subfile & (_REDUCED | _MASK)]
    if not pages and any(_SUB_DIRECTORIES in tags for tags in directories):
        raise StyleNetError(
            f"{path} holds a preview and a photo that cannot be read, as RAW files of cameras do; "
            f"develop it into a .tif or .jpg file first"
        )
    return pages or [0], len(types) - max(1, len(pages))


def reads_wrongly(image: Image.Image) -> bool:
    """Return whether Pillow (11 to 13) may silently read a TIFF image wrongly.

    ``make fuzz`` found wrongly read images of each kind below; others of the same kind are read
    correctly.

    Args:
        image: Opened by Pillow, not decoded.
    """
    tags = image.tag_v2  # type: ignore[attr-defined]
    simple = tags.get(_PHOTOMETRIC) in _SIMPLE and tags.get(_COMPRESSION, 1) in PLAIN_COMPRESSIONS
    if not simple:
        return False
    if image.mode == "I" or (image.mode == "F" and tags.get(_PREDICTOR, 1) == 1):
        return True  # wrong for some byte orders; unsigned 32-bit samples are read as signed
    if image.mode == "L" and _SIGNED in tags.get(_FORMAT, ()):
        return True  # negative samples would become the brightest
    if tags.get(_ORIENTATION, 1) in _ON_ITS_SIDE and image.mode in _MAPPED:
        return True  # pixels are memory-mapped with width and height exchanged
    return bool(tags.get(_PLANES) == _SEPARATE and tags.get(_CHANNELS, 1) > 1)
