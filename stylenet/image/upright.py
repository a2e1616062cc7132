"""Conversion of decoded images of any mode to upright RGB in sRGB."""

import functools
import io
import struct

from PIL import ExifTags, Image, ImageCms

from stylenet.errors import StyleNetError, first_line
from stylenet.image.color_tags import COLOR_TAGS, apply_color_tags
from stylenet.image.exif import clean_exif, read_exif
from stylenet.image.loaded_image import LoadedImage
from stylenet.image.png import prepare_transparency
from stylenet.image.quiet import quiet
from stylenet.image.wide import is_wide, narrow, transparent_level

_SRGB = ImageCms.createProfile("sRGB")

# The transposition that undoes each EXIF orientation.
_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright_image(image: Image.Image) -> LoadedImage:
    """Convert an image of any mode to upright RGB in sRGB, with separate transparency.

    Args:
        image: Gray, palette, RGB or CMYK, with 8 or more bits, with or without alpha. Its EXIF
            orientation and color profile are applied.

    Returns:
        The image, with the EXIF data of ``image.info`` unless they are damaged.

    Raises:
        StyleNetError: Pillow cannot convert the mode.
    """
    try:
        prepare_transparency(image)
        exif_block = _read_exif_safely(image)
        image = _apply_exif_orientation(image)
        exif = None if exif_block is None else clean_exif(exif_block, image.size)
        if is_wide(image):
            return LoadedImage(_wide_to_srgb(image), transparent_level(image), exif)
        if "transparency" in image.info or _has_transparent_colors(image):
            image = image.convert("RGBA")
        alpha = image.getchannel("A") if image.mode in ("RGBA", "LA", "PA") else None
        if image.mode in ("La", "RGBa"):
            image = image.convert("LA" if image.mode == "La" else "RGBA")
            alpha = image.getchannel("A")
        rgb = _to_srgb(image)
        # Readers of a saved copy would apply a remaining profile or orientation a second time.
        rgb.info.clear()
        return LoadedImage(rgb, alpha, exif)
    except Exception as error:  # damaged files make Pillow raise exceptions of any type
        raise StyleNetError(
            f"an image of mode {image.mode} cannot be converted: {first_line(error)}"
        ) from error


def apply_orientation(image: Image.Image, orientation: int) -> Image.Image:
    """Turn an image upright.

    Args:
        image: Any mode.
        orientation: EXIF orientation; unknown values mean upright.

    Returns:
        The image itself if it is upright.
    """
    transposition = _TRANSPOSITIONS.get(orientation)
    return image if transposition is None else image.transpose(transposition)


def _has_transparent_colors(image: Image.Image) -> bool:
    """Return whether the palette itself has an alpha channel with transparent colors, as in TGA."""
    palette = image.palette if image.mode == "P" else None
    return palette is not None and palette.mode == "RGBA" and min(palette.palette[3::4]) < 255


def _read_exif_safely(image: Image.Image) -> bytes | None:
    """Return the EXIF block; ``None`` for a damaged one, so that the photo is still used."""
    try:
        with quiet():
            return read_exif(image)
    except Exception:
        return None


def _apply_exif_orientation(image: Image.Image) -> Image.Image:
    """Turn an image upright by its EXIF orientation.

    Unlike Pillow's ``exif_transpose`` this does not rewrite the EXIF data, which fails for damaged
    ones.
    """
    try:
        with quiet():
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # the EXIF data are damaged, but the photo is not
        return image
    return apply_orientation(image, orientation)


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert to sRGB by the CICP code points or the color profile of the image, if any."""
    profile, tags = image.info.get("icc_profile"), image.info.get(COLOR_TAGS)
    if tags and (tags.wins or not profile):
        return apply_color_tags(image.convert("RGB"), tags)
    if profile:
        # A profile describes colors without alpha, in the mode in which they are stored.
        base = image.convert("RGB" if image.mode in ("RGBA", "P", "PA") else image.mode)
        base = base.convert("L") if image.mode == "LA" else base
        try:
            converted = ImageCms.applyTransform(base, _srgb_transform(profile, base.mode))
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError, struct.error):
            pass  # a damaged profile, or one for another mode: use the values as they are
    return image.convert("RGB")


def _wide_to_srgb(image: Image.Image) -> Image.Image:
    """Convert gray with more than 8 bits to RGB; code points are applied at full depth."""
    tags = image.info.get(COLOR_TAGS)
    return apply_color_tags(image, tags) if tags else narrow(image).convert("RGB")


@functools.lru_cache(maxsize=16)
def _srgb_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    """Build the transform from a profile to sRGB; cached, because many photos share a profile.

    Building takes 2 ms.
    """
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(source, _SRGB, mode, "RGB")
