"""Reading and writing of TIFF files with several pages, page by page."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL.TiffImagePlugin import AppendingTiffWriter

from stylenet.errors import StyleNetError, first_line
from stylenet.files import atomic_path
from stylenet.image.formats import PAGE_SUFFIXES
from stylenet.image.loaded_image import LoadedImage
from stylenet.image.reading import load_image, reading
from stylenet.image.saving import encode
from stylenet.image.tiff import is_tiff, list_pages


@dataclass(frozen=True)
class Pages:
    """Pages of a TIFF file. Each iteration reads the file and holds one page at a time.

    Attributes:
        path: Path of the file.
        indices: Indices of the pages among the images of the file.
        left_out: Number of images that are not pages: thumbnails and masks.
    """

    path: Path
    indices: tuple[int, ...]
    left_out: int

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[LoadedImage]:
        """Read the pages in order; their sizes may differ.

        Raises:
            StyleNetError: A page is damaged, or the file is gone.
        """
        for index in self.indices:
            yield load_image(self.path, index)


def find_pages(path: str | Path) -> Pages:
    """Find the pages of an image file.

    Args:
        path: A TIFF file; any other file has one page.

    Raises:
        StyleNetError: The file cannot be read; see :func:`stylenet.image.open_image`.
    """
    path = Path(path)
    with reading(path):
        if not is_tiff(path):
            return Pages(path, (0,), 0)
        pages, others = list_pages(path)
    return Pages(path, tuple(pages), others)


def save_pages(images: Iterable[LoadedImage], path: str | Path) -> None:
    """Write a TIFF file with several pages atomically.

    Args:
        images: Pages of any sizes; a generator is consumed page by page.
        path: Target file with the suffix ``.tif`` or ``.tiff``.

    Raises:
        StyleNetError: The suffix is another, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in PAGE_SUFFIXES:
        raise StyleNetError(
            f"cannot write {path}: expected one of {', '.join(sorted(PAGE_SUFFIXES))} for pages"
        )
    try:
        with atomic_path(path) as temporary, AppendingTiffWriter(str(temporary)) as file:
            for image in images:
                page = BytesIO()
                encode(image, page, "TIFF")
                file.write(page.getvalue())
                file.newFrame()
    except (struct.error, RuntimeError, MemoryError) as error:  # offsets end at 4 GiB
        raise StyleNetError(f"cannot write {path}: {first_line(error)}") from error
