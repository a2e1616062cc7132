"""Directories and pages of TIFF files. Numbers are those of TIFF 6.0."""

from pathlib import Path
from typing import BinaryIO

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from stylenet.errors import StyleNetError

_BITS, _COMPRESSION, _PLANES, _SUBFILE, _SUB_DIRECTORIES = 258, 259, 284, 254, 330
_SEPARATE = 2
# Bits of NewSubfileType: a smaller copy of another image, and a mask.
_REDUCED, _MASK = 1, 4


def is_tiff(path: Path) -> bool:
    """Tell whether a file begins like a TIFF or BigTIFF file."""
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_directories(file: BinaryIO) -> list[tuple[int, ImageFileDirectory_v2]]:
    """Read the directories of a TIFF file, one for each image in it.

    Args:
        file: Open for reading.

    Returns:
        For each its offset in the file and its tags.
    """
    file.seek(0)
    header = file.read(8)
    if b"+" in header[2:4]:  # BigTIFF
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
    """Tell which images of a TIFF file are pages.

    Args:
        path: The file.

    Returns:
        The indices of the pages among all images of the file, and how many others there are:
        smaller copies and masks.

    Raises:
        StyleNetError: There is a preview only; the photo itself is hidden from Pillow, as in the
            RAW files of cameras.
    """
    with path.open("rb") as file:
        directories = [tags for _, tags in read_directories(file)]
    kinds = [int(tags.get(_SUBFILE, 0)) for tags in directories]
    pages = [index for index, kind in enumerate(kinds) if not kind & (_REDUCED | _MASK)]
    if not pages and any(_SUB_DIRECTORIES in tags for tags in directories):
        raise StyleNetError(
            f"{path} holds a preview and a photo that cannot be read, as RAW files of cameras do; "
            f"develop it into a .tif or .jpg file first"
        )
    return pages or [0], len(kinds) - max(1, len(pages))


def reads_wrongly(image: Image.Image) -> bool:
    """Tell whether a TIFF image is of a kind that Pillow 11 to 13 read wrongly without a word.

    Args:
        image: Opened by Pillow, not decoded yet.
    """
    tags = image.tag_v2  # type: ignore[attr-defined]
    packed = tags.get(_COMPRESSION, 1) != 1
    separate = max(tags.get(_BITS, (1,))) == 16 and tags.get(_PLANES) == _SEPARATE and not packed
    return separate or (image.mode == "F" and packed and tags.prefix == b"MM")
