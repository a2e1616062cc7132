"""Images, written: straight to the disk, whole or not at all."""

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageColor

from stylenet.errors import StyleNetError, check_number, first_line
from stylenet.files import atomic_path
from stylenet.image.exif import clean_exif, describing_exif
from stylenet.image.formats import check_size, check_writable_suffix, format_of
from stylenet.image.loaded import LoadedImage, flatten
from stylenet.image.palette import to_palette

# JPEG and WebP: the highest that Pillow's documentation recommends. AVIF and HEIC: what comes close
# to that JPEG on photos and paintings, in decibels (PSNR) at bits a pixel: JPEG 95 44.8 at 4.7,
# AVIF 90 42.6 at 2.9, HEIC 80 46.5 at 4.2.
_QUALITY = {"JPEG": 95, "WEBP": 95, "AVIF": 90, "HEIF": 80}
# From here on colors are stored as finely as brightness: at 95 3.6 dB for a quarter more bytes.
# Who asks for less wants a small file.
_FULL_Color = 90

_WITHOUT_ALPHA = frozenset({"JPEG", "BMP"})
_WITH_EXIF = frozenset({"JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"})

# Addresses in a TIFF file have 32 bits; a little is for what is not pixels.
_TIFF_BYTES = 2**32 - 2**20


def save_image(
    picture: LoadedImage, path: str | Path, quality: int | None = None, background: str = "white"
) -> None:
    """Write an image; the file appears whole or not at all.

    The file is plain sRGB, without a color profile.

    Args:
        picture: What to write. EXIF data are dropped where the format has none.
        path: Its suffix chooses the format.
        quality: Of JPEG, WebP, AVIF and HEIC, from 1 (small) to 100 (good); ``None`` for 95 (AVIF
            90, HEIC 80). Other formats lose nothing and have none.
        background: What transparent parts are laid on where the format has no transparency (JPEG,
            BMP): a color as :func:`PIL.ImageColor.getrgb` takes it.

    Raises:
        StyleNetError: The format is unknown or too small for the image, or the file cannot be
            written.
    """
    path = Path(path)
    check_writable_suffix(path)
    name = format_of(path)
    check_size(picture.rgb.size, name, path)
    _check_tiff_size(picture, name, path)
    with atomic_path(path) as temporary:
        try:
            encode(picture, temporary, name, quality, background)
        except (OSError, ValueError, OverflowError, RuntimeError, MemoryError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # the system's
                raise
            raise StyleNetError(f"cannot write {path}: {first_line(error)}") from error


def encode(
    picture: LoadedImage,
    target: Path | BytesIO,
    name: str,
    quality: int | None = None,
    background: str = "white",
) -> None:
    """Encode an image into a file as it is, or into memory.

    Args:
        picture: What to write.
        target: Where to; empty.
        name: Pillow's name of the format.
        quality: See :func:`save_image`.
        background: See :func:`save_image`.

    Raises:
        Exception: Pillow cannot write it.
    """
    options = encoder_options(name, quality)
    image = joined(picture, name, background)
    if name == "GIF" and "transparency" in image.info:
        options["transparency"] = image.info["transparency"]
    exif = _exif_for(picture, name)
    if exif is not None:
        try:
            image.save(target, name, **options, exif=exif)
            return
        except Exception as error:  # Pillow raises anything at EXIF data that it cannot write
            if isinstance(error, OSError) and error.errno is not None:
                raise
            if isinstance(target, BytesIO):
                target.seek(0)
                target.truncate()
    image.save(target, name, **options)


def loses_transparency(picture: LoadedImage, path: Path) -> bool:
    """Tell whether an image is partly transparent and its format cannot say so.

    Args:
        picture: What is written.
        path: Where to.
    """
    if picture.alpha is None or format_of(path) not in _WITHOUT_ALPHA:
        return False
    return picture.alpha.getextrema() != (255, 255)


def check_background(background: Any) -> None:
    """Refuse what is no color.

    Args:
        background: What was given for it, see :func:`save_image`.

    Raises:
        StyleNetError: It is no opaque color.
    """
    try:
        good = len(ImageColor.getrgb(background)) == 3
    except (ValueError, AttributeError, TypeError):
        good = False
    if not good:
        raise StyleNetError(
            f"background={background} is no color; expected a name such as white, or '#ff8000'"
        )


def check_quality(quality: Any) -> None:
    """Refuses what is no quality of an image.

    Args:
        quality: What was given for it, see :func:`save_image`.

    Raises:
        StyleNetError: It is neither ``None`` nor a whole number from 1 to 100.
    """
    if quality is not None:
        check_number("quality", quality, minimum=1, maximum=100, integer=True)


def encoder_options(name: str, quality: int | None = None) -> dict[str, Any]:
    """Says how Pillow is to write a format.

    Args:
        name: Pillow's name of the format.
        quality: See :func:`save_image`.

    Returns:
        Arguments for ``Image.save``.
    """
    if name not in _QUALITY:
        return {}
    quality = _QUALITY[name] if quality is None else quality
    options: dict[str, Any] = {"quality": quality}
    full = quality >= (_FULL_Color if name == "JPEG" else _QUALITY[name])
    if name in ("JPEG", "AVIF"):
        options["subsampling"] = "4:4:4" if full else "4:2:0"
    if name == "HEIF":
        options["chroma"] = 444 if full else 420
    return options


def joined(picture: LoadedImage, name: str, background: str = "white") -> Image.Image:
    """Put the colors and the transparency of an image together.

    Args:
        picture: The image.
        name: Pillow's name of the format that it is for.
        background: See :func:`save_image`.

    Returns:
        Mode RGB or RGBA; P for GIF.
    """
    if name == "GIF":
        return to_palette(picture)
    if name in _WITHOUT_ALPHA:
        return flatten(picture, background)
    if picture.alpha is None:
        return picture.rgb
    image = picture.rgb.copy()
    image.putalpha(picture.alpha)
    return image


def _exif_for(picture: LoadedImage, name: str) -> bytes | None:
    """The EXIF block to write; the image may have another size since it was read."""
    if picture.exif is None or name not in _WITH_EXIF:
        return None
    block = clean_exif(picture.exif, picture.rgb.size)
    if block is None or name != "TIFF":
        return block
    # Some cameras put tags there that would overrule how the file is laid out.
    try:
        exif = Image.Exif()
        exif.load(block)
        return describing_exif(exif)
    except Exception:  # damaged
        return None


def _check_tiff_size(picture: LoadedImage, name: str, path: Path) -> None:
    width, height = picture.rgb.size
    needed = width * height * (3 if picture.alpha is None else 4)
    if name == "TIFF" and needed > _TIFF_BYTES:
        raise StyleNetError(
            f"cannot write {path}: {width}x{height} pixels need {needed / 2**30:.1f} GiB and a "
            f"TIFF file ends at 4; save it as .png"
        )
