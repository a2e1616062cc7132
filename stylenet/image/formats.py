"""Readable and writable image formats, and their size limits."""

import importlib
from contextlib import suppress
from pathlib import Path

from PIL import Image, features

from stylenet.errors import StyleNetError

# Largest accepted image: 30,000 x 30,000. Pillow refuses images above twice its own limit (by
# default above 179 megapixels) as an attack, but stitched panoramas and scanned paintings are
# larger. Its limit is a global variable, so this raises it for the whole process.
MAX_PIXELS = 30_000 * 30_000
if Image.MAX_IMAGE_PIXELS is not None:
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, MAX_PIXELS // 2)
# Longer sides come from damaged headers. Pillow needs minutes for such an image, because it builds
# each row from pieces: three minutes for 16 million pixels by 20.
MAX_SIDE = 2**20

Image.init()
# HEIC, the format of iPhone photos, needs a separate package because its codec is patented.
with suppress(ImportError):
    importlib.import_module("pillow_heif").register_heif_opener()


def _works(name: str) -> bool:
    """Return whether this Pillow reads and writes a format; AVIF needs Pillow 11.3."""
    registered = name in Image.OPEN and name in Image.SAVE
    return registered and (name not in ("AVIF", "WEBP") or bool(features.check(name.lower())))


_FORMATS = {
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
# Suffixes of photos in a folder; all of them can be read and written.
SUFFIXES = frozenset(suffix for suffix, name in _FORMATS.items() if _works(name))
# GIF is writable too, although its 256 colors suit a still image badly.
WRITABLE_SUFFIXES = SUFFIXES | {".gif"}
# Formats of Pillow that are not images, or that it only identifies.
_NO_IMAGES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"}
# Every other format that Pillow reads, and .mpo: JPEG files with several images.
READABLE_SUFFIXES = (
    WRITABLE_SUFFIXES
    | {".mpo"}
    | {
        suffix
        for suffix, name in Image.registered_extensions().items()
        if name in Image.OPEN and name not in _NO_IMAGES
        if name not in _FORMATS.values() or _works(name)
    }
)
# Unreadable images: camera RAW, vector graphics, HDR, files of paint programs, and formats whose
# codec is missing. Commands report how many of them a folder holds.
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
ANIMATION_SUFFIXES = WRITABLE_SUFFIXES & {".gif", ".png", ".webp", ".avif"}
# Formats for several pages of different sizes.
PAGE_SUFFIXES = frozenset({".tif", ".tiff"})

# Longest side in pixels. JPEG: JPEG_MAX_DIMENSION of libjpeg; WebP: 14 bits in its container
# (RFC 9649, 2.5); GIF: 16 bits (GIF89a, 18); AVIF: the limit of libaom.
MAX_SIDES = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535, "AVIF": 65_536}

# Brands that identify files of the HEIF family (ISO/IEC 23008-12, annex B).
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}


def readable_formats() -> tuple[str, ...]:
    """Return the names of the formats that may be read.

    All formats of Pillow except EPS, for which it would run Ghostscript on the file.
    """
    return tuple(name for name in Image.OPEN if name != "EPS")


def format_of(path: str | Path) -> str:
    """Return Pillow's name of the format for a suffix, such as ``JPEG``.

    Args:
        path: A file whose suffix is one of ``WRITABLE_SUFFIXES``.
    """
    return _FORMATS.get(Path(path).suffix.lower(), "GIF")


def name_missing_codec(path: Path) -> str | None:
    """Describe the package that an unreadable image file needs; ``None`` for unknown formats.

    Returns:
        The end of a sentence that starts with the path.
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
    """Name the missing package that reads and writes an image format.

    Args:
        suffix: In lower case, with its dot.

    Returns:
        Arguments for ``pip install``; ``None`` if the format is readable or no package helps.
    """
    if suffix in READABLE_SUFFIXES:
        return None
    if suffix.startswith(".avif"):
        return "-U pillow"
    return "pillow-heif" if suffix.startswith((".hei", ".hif")) else None


def check_writable_suffix(path: str | Path) -> None:
    """Check that the suffix of a file names a writable format.

    Raises:
        StyleNetError: The suffix is missing or unknown, or its format needs a missing package.
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
    """Check that a format can store an image of this size.

    Args:
        size: Width and height.
        name: Pillow's name of the format.
        path: Target file, for the message.

    Raises:
        StyleNetError: A side is too long.
    """
    limit = MAX_SIDES.get(name)
    if limit is not None and max(size) > limit:
        raise StyleNetError(
            f"cannot write {path}: it has {size[0]}x{size[1]} pixels, but {name} has at most "
            f"{limit:,} a side; save it as .png"
        )
