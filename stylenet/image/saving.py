"""Atomic writing of image files."""

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageColor

from stylenet.errors import StyleNetError, check_number, first_line
from stylenet.files import atomic_path
from stylenet.image.exif import clean_exif, describing_exif
from stylenet.image.formats import check_size, check_writable_suffix, format_of
from stylenet.image.loaded_image import LoadedImage, flatten
from stylenet.image.palette import to_palette

# Default qualities. JPEG and WebP: the highest that Pillow's documentation recommends. AVIF and
# HEIC: close to that JPEG on photos and paintings. PSNR and bits per pixel: JPEG 95 44.8 dB at 4.7,
# AVIF 90 42.6 dB at 2.9, HEIC 80 46.5 dB at 4.2.
_QUALITY = {"JPEG": 95, "WEBP": 95, "AVIF": 90, "HEIF": 80}
# From this JPEG quality on chroma is stored at full resolution, which gains 3.6 dB for 25 % more
# bytes at quality 95. Lower qualities are for small files.
_FULL_CHROMA = 90

_WITHOUT_ALPHA = frozenset({"JPEG", "BMP"})
_WITH_EXIF = frozenset({"JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"})

# Offsets in a TIFF file have 32 bits; 1 MiB is reserved for everything but pixels.
_MAX_TIFF_BYTES = 2**32 - 2**20


def save_image(
    image: LoadedImage, path: str | Path, quality: int | None = None, background: str = "white"
) -> None:
    """Write an image atomically, in sRGB without a color profile.

    Args:
        image: The image; its EXIF data are dropped for formats without EXIF.
        path: Target file; its suffix chooses the format.
        quality: From 1 (small file) to 100 (best) for JPEG, WebP, AVIF and HEIC; ``None`` for 95
            (AVIF 90, HEIC 80). Ignored for lossless formats.
        background: Color behind transparent pixels in formats without transparency (JPEG, BMP), as
            :func:`PIL.ImageColor.getrgb` accepts it.

    Raises:
        StyleNetError: The suffix is unknown, the image is too large for the format, or the file
            cannot be written.
    """
    path = Path(path)
    check_writable_suffix(path)
    name = format_of(path)
    check_size(image.rgb.size, name, path)
    _check_tiff_size(image, name, path)
    with atomic_path(path) as temporary:
        try:
            encode(image, temporary, name, quality, background)
        except (OSError, ValueError, OverflowError, RuntimeError, MemoryError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # from the operating system
                raise
            raise StyleNetError(f"cannot write {path}: {first_line(error)}") from error


def encode(
    image: LoadedImage,
    target: Path | BytesIO,
    name: str,
    quality: int | None = None,
    background: str = "white",
) -> None:
    """Encode an image to a file or to memory.

    Args:
        image: The image.
        target: Path of a file, or an empty buffer.
        name: Pillow's name of the format.
        quality: See :func:`save_image`.
        background: See :func:`save_image`.

    Raises:
        Exception: Pillow cannot write the image.
    """
    options = encoder_options(name, quality)
    joined = join_alpha(image, name, background)
    if name == "GIF" and "transparency" in joined.info:
        options["transparency"] = joined.info["transparency"]
    exif = _exif_block(image, name)
    if exif is not None:
        try:
            joined.save(target, name, **options, exif=exif)
            return
        except Exception as error:  # Pillow raises any exception for EXIF data it cannot write
            if isinstance(error, OSError) and error.errno is not None:
                raise
            if isinstance(target, BytesIO):
                target.seek(0)
                target.truncate()
    joined.save(target, name, **options)


def loses_transparency(image: LoadedImage, path: Path) -> bool:
    """Return whether an image has transparency that the format of a target file cannot store."""
    if image.alpha is None or format_of(path) not in _WITHOUT_ALPHA:
        return False
    return image.alpha.getextrema() != (255, 255)


def check_background(background: Any) -> None:
    """Check the option ``background`` of :func:`save_image`.

    Raises:
        StyleNetError: The value is not an opaque color.
    """
    try:
        good = len(ImageColor.getrgb(background)) == 3
    except (ValueError, AttributeError, TypeError):
        good = False
    if not good:
        raise StyleNetError(
            f"background={background} is not a color; expected a name such as white, or '#ff8000'"
        )


def check_quality(quality: Any) -> None:
    """Check the option ``quality`` of :func:`save_image`.

    Raises:
        StyleNetError: The value is neither ``None`` nor a whole number from 1 to 100.
    """
    if quality is not None:
        check_number("quality", quality, minimum=1, maximum=100, integer=True)


def encoder_options(name: str, quality: int | None) -> dict[str, Any]:
    """Return the arguments of ``Image.save`` for a format.

    Args:
        name: Pillow's name of the format.
        quality: See :func:`save_image`.
    """
    if name not in _QUALITY:
        return {}
    quality = _QUALITY[name] if quality is None else quality
    options: dict[str, Any] = {"quality": quality}
    full_chroma = quality >= (_FULL_CHROMA if name == "JPEG" else _QUALITY[name])
    if name in ("JPEG", "AVIF"):
        options["subsampling"] = "4:4:4" if full_chroma else "4:2:0"
    if name == "HEIF":
        options["chroma"] = 444 if full_chroma else 420
    return options


def join_alpha(image: LoadedImage, name: str, background: str = "white") -> Image.Image:
    """Join colors and transparency as a format needs them.

    Args:
        image: The image.
        name: Pillow's name of the format.
        background: See :func:`save_image`.

    Returns:
        Mode RGB or RGBA; P for GIF.
    """
    if name == "GIF":
        return to_palette(image)
    if name in _WITHOUT_ALPHA:
        return flatten(image, background)
    if image.alpha is None:
        return image.rgb
    rgba = image.rgb.copy()
    rgba.putalpha(image.alpha)
    return rgba


def _exif_block(image: LoadedImage, name: str) -> bytes | None:
    """Return the EXIF block with the current size of the image, which may have been resized."""
    if image.exif is None or name not in _WITH_EXIF:
        return None
    block = clean_exif(image.exif, image.rgb.size)
    if block is None or name != "TIFF":
        return block
    # Layout tags, which some cameras write into EXIF blocks, would override those of the new file.
    try:
        exif = Image.Exif()
        exif.load(block)
        return describing_exif(exif)
    except Exception:  # damaged
        return None


def _check_tiff_size(image: LoadedImage, name: str, path: Path) -> None:
    width, height = image.rgb.size
    needed = width * height * (3 if image.alpha is None else 4)
    if name == "TIFF" and needed > _MAX_TIFF_BYTES:
        raise StyleNetError(
            f"cannot write {path}: {width}x{height} pixels need {needed / 2**30:.1f} GiB, but a "
            f"TIFF file holds at most 4; save it as .png"
        )
