"""Which image files can be read and written here, and how large they may be."""

import importlib
from contextlib import suppress
from pathlib import Path

from PIL import Image, features

from stylenet.errors import StyleNetError

# The largest image that is taken: 30,000 x 30,000. Pillow refuses twice its own limit, by default
# 179 megapixels, as an attack; a stitched panorama or a scanned painting is larger. It compares
# with this global wherever it decodes, so the limit is raised once, here, for the whole process.
MAX_PIXELS = 30_000 * 30_000
if Image.MAX_IMAGE_PIXELS is not None:
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, MAX_PIXELS // 2)
# No image is so long; what a damaged header says can be, and Pillow then takes minutes, because
# it puts each row together piece by piece: 16 million pixels by 20 took more than three.
MAX_SIDE = 2**20

Image.init()
# HEIC, what iPhones take, is read by a package of its own: its codec is not free of patents.
with suppress(ImportError):
    importlib.import_module("pillow_heif").register_heif_opener()


def _works(name: str) -> bool:
    """Whether this Pillow reads and writes a format; AVIF needs 11.3."""
    known = name in Image.OPEN and name in Image.SAVE
    return known and (name not in ("AVIF", "WEBP") or bool(features.check(name.lower())))


_WANTED = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
    ".heic": "HEIF",
    ".heif": "HEIF",
    ".hif": "HEIF",
}
# What a folder of photos is searched for: each can be read and written with what is installed.
SUFFIXES = frozenset(suffix for suffix, name in _WANTED.items() if _works(name))
# What can be written: GIF too, whose 256 colors make it a last choice for a still image.
WRITABLE_SUFFIXES = SUFFIXES | {".gif"}
# What can be read: further formats of Pillow, but none that is no image or that Pillow only names.
_NO_IMAGES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
# .mpo are JPEG files with several images.
READABLE_SUFFIXES = (
    WRITABLE_SUFFIXES
    | {".mpo"}
    | {
        suffix
        for suffix, name in Image.registered_extensions().items()
        if name in Image.OPEN and name not in _NO_IMAGES
        if name not in _WANTED.values() or _works(name)
    }
)
# Images that are not read: camera RAW, vector graphics, HDR and the files of paint programs, and
# those whose codec is missing. A folder's are named and counted.
UNREAD_SUFFIXES = frozenset(
    {
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".mef", ".mos", ".nef"),
        *(".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
        *(".eps", ".emf", ".svg", ".svgz", ".wmf"),
        *(".exr", ".hdr", ".jxl", ".jxr", ".hdp", ".kra", ".psb", ".wdp", ".xcf"),
        *(".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif", ".webp"),
        *(".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
    }
).difference(READABLE_SUFFIXES)
# What can hold an animation, and what pages of different sizes.
ANIMATION_SUFFIXES = WRITABLE_SUFFIXES & {".gif", ".png", ".webp", ".avif"}

PAGE_SUFFIXES = frozenset({".tif", ".tiff"})

# How long a side may be in pixels. JPEG: JPEG_MAX_DIMENSION of libjpeg; WebP: its container has
# 14 bits (RFC 9649, 2.5); GIF: 16 bits (GIF89a, 18); AVIF: what libaom takes.
MAX_SIDES = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535, "AVIF": 65_536}

# The brands by which a file of the HEIF family says what it is (ISO/IEC 23008-12, annex B).
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}


def readable_formats() -> tuple[str, ...]:
    """Names the formats that are read.

    Returns:
        All that Pillow has but EPS, for which it starts another program (Ghostscript) on the file.
    """
    return tuple(name for name in Image.OPEN if name != "EPS")


def format_of(path: str | Path) -> str:
    """Names the format that a suffix stands for.

    Args:
        path: A file whose suffix is one of ``WRITABLE_SUFFIXES``.

    Returns:
        Pillow's name for it, such as ``JPEG``.
    """
    return _WANTED.get(Path(path).suffix.lower(), "GIF")


def name_missing_codec(path: Path) -> str | None:
    """Says what has to be installed for a file that nothing here could read.

    Args:
        path: The file.

    Returns:
        What to do, or ``None`` if the file is of no kind known here.
    """
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return None
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if brand in _HEIC_BRANDS and "HEIF" not in Image.OPEN:
        return "is a HEIC image, which needs one more package: pip install pillow-heif"
    if brand in _AVIF_BRANDS and not _works("AVIF"):
        return "is an AVIF image, which needs Pillow 11.3 or newer: pip install -U pillow"
    return None


def name_needed_package(suffix: str) -> str | None:
    """Name the package that has to be installed for an image format to be read and written.

    Args:
        suffix: In lower case, with its dot.

    Returns:
        What ``pip install`` takes; ``None`` if nothing is missing or nothing would help.
    """
    if suffix in READABLE_SUFFIXES:
        return None
    if suffix.startswith(".avif"):
        return "-U pillow"
    return "pillow-heif" if suffix.startswith((".hei", ".hif")) else None


def check_writable_suffix(path: str | Path) -> None:
    """Refuses a file name whose suffix names no format that can be written.

    Args:
        path: The file to be written.

    Raises:
        StyleNetError: The suffix is missing or unknown, or its format needs what is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix in WRITABLE_SUFFIXES:
        return
    package = name_needed_package(suffix)
    if package is not None:
        raise StyleNetError(f"cannot write {path}: {suffix} needs pip install {package}")
    raise StyleNetError(
        f"cannot write {path}: its suffix is none of {', '.join(sorted(WRITABLE_SUFFIXES))}"
    )


def check_size(size: tuple[int, int], name: str, path: Path) -> None:
    """Refuses an image whose sides are longer than the format allows.

    Args:
        size: Width and height.
        name: Pillow's name of the format.
        path: Where it was to be written, for the message.

    Raises:
        StyleNetError: It is too long or too wide.
    """
    limit = MAX_SIDES.get(name)
    if limit is not None and max(size) > limit:
        raise StyleNetError(
            f"cannot write {path}: it has {size[0]}x{size[1]} pixels and {name} ends at {limit:,} "
            f"a side; save it as .png"
        )
