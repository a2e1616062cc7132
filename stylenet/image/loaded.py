"""Images: upright, in sRGB, their transparency and EXIF data apart."""

import functools
import io
import math
import struct
from dataclasses import dataclass, replace

from PIL import ExifTags, Image, ImageCms

from stylenet.errors import StyleNetError, first_line
from stylenet.image.color_tags import COLOR_TAGS, apply_color_tags
from stylenet.image.exif import clean_exif, read_exif
from stylenet.image.png import prepare_transparency
from stylenet.image.quiet import quiet
from stylenet.image.wide import is_wide, narrow, transparent_level

_SRGB = ImageCms.createProfile("sRGB")

# How to turn an image upright, by EXIF's orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# An image that is enlarged gets no more pixels than so many squares of its shorter side.
_MOST_SQUARES = 8


@dataclass(frozen=True)
class LoadedImage:
    """An image as the networks see it, and what has to be kept beside it.

    Attributes:
        rgb: The colors, mode RGB, upright, in sRGB, without metadata.
        alpha: The transparency, mode L, of the same size; ``None`` for an opaque image.
        exif: The EXIF block with its six bytes ``Exif..``, true for ``rgb``: orientation 1, no
            thumbnail. ``None`` if there is none.
        left_out: What the file holds beside it and is not kept, such as ``HDR gain map``.
    """

    rgb: Image.Image
    alpha: Image.Image | None = None
    exif: bytes | None = None
    left_out: tuple[str, ...] = ()


def upright_image(image: Image.Image) -> LoadedImage:
    """Turns an image of any mode upright and into sRGB colors, its transparency apart.

    Args:
        image: Any mode: gray, palette, CMYK, 16 bits, with or without alpha; its EXIF orientation
            and its color profile are applied.

    Returns:
        The image, with the EXIF data of ``image.info`` unless they are damaged.

    Raises:
        StyleNetError: The mode is one that Pillow cannot convert.
    """
    try:
        prepare_transparency(image)
        block = _exif(image)
        image = _upright(image)
        exif = None if block is None else clean_exif(block, image.size)
        if is_wide(image):
            return LoadedImage(_wide_to_srgb(image), transparent_level(image), exif)
        if "transparency" in image.info or _has_clear_colors(image):  # of a palette, or one color
            image = image.convert("RGBA")
        alpha = image.getchannel("A") if image.mode in ("RGBA", "LA", "PA") else None
        if image.mode in ("La", "RGBa"):
            image = image.convert("LA" if image.mode == "La" else "RGBA")
            alpha = image.getchannel("A")
        rgb = _to_srgb(image)
        # A profile or an orientation left here would be applied again by who reads a saved copy.
        rgb.info.clear()
        return LoadedImage(rgb, alpha, exif)
    except Exception as error:  # damage makes Pillow raise anything
        raise StyleNetError(
            f"an image of mode {image.mode} cannot be converted: {first_line(error)}"
        ) from error


def _has_clear_colors(image: Image.Image) -> bool:
    """Tell whether colors of a palette are transparent by themselves, as TGA files have it."""
    palette = image.palette if image.mode == "P" else None
    return palette is not None and palette.mode == "RGBA" and min(palette.palette[3::4]) < 255


def flatten(picture: LoadedImage, background: str = "white") -> Image.Image:
    """Lay an image on a color, as a viewer would show it.

    Args:
        picture: With or without transparency.
        background: The color, as :func:`PIL.ImageColor.getrgb` takes it.

    Returns:
        Mode RGB. Colors below full transparency, which mean nothing, are gone.
    """
    if picture.alpha is None:
        return picture.rgb
    below = Image.new("RGB", picture.rgb.size, background)
    return Image.composite(picture.rgb, below, picture.alpha)


def _exif(image: Image.Image) -> bytes | None:
    """The EXIF block of an image; its damage does not cost the photo."""
    try:
        with quiet():
            return read_exif(image)
    except Exception:
        return None


def _upright(image: Image.Image) -> Image.Image:
    """Applies the EXIF orientation.

    Pillow's own ``exif_transpose`` rewrites the EXIF data on the way, which fails where they are
    damaged.
    """
    try:
        with quiet():
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # the photo itself is sound
        return image
    return turned(image, orientation)


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Turn an image upright.

    Args:
        image: Any mode.
        orientation: EXIF's number for how it is stored; unknown ones count as upright.

    Returns:
        The image itself if it is upright.
    """
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert to RGB by the image's own CICP code points or color profile if it has one."""
    profile, tags = image.info.get("icc_profile"), image.info.get(COLOR_TAGS)
    if tags and (tags.wins or not profile):
        return apply_color_tags(image.convert("RGB"), tags)
    if profile:
        # A profile speaks of the colors alone, in the mode that they are stored in.
        base = image.convert("RGB" if image.mode in ("RGBA", "P", "PA") else image.mode)
        base = base.convert("L") if image.mode == "LA" else base
        try:
            converted = ImageCms.applyTransform(base, _transform(profile, base.mode))
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError, struct.error):
            pass  # a damaged or unfitting profile: take the numbers as they are
    return image.convert("RGB")


def _wide_to_srgb(image: Image.Image) -> Image.Image:
    """Convert gray with more than 8 bits to RGB; code points are applied at full depth."""
    tags = image.info.get(COLOR_TAGS)
    return apply_color_tags(image, tags) if tags else narrow(image).convert("RGB")


def shorter_side_scale(size: tuple[int, int], shorter: int) -> float:
    """Return the factor that brings the shorter side of an image to a length.

    A thin image is enlarged less, so that it gets no more pixels than one of 8:1: enlarged by its
    shorter side, 1 x 2,000 pixels would become 512 x 1,024,000.

    Args:
        size: Both sides, in pixels.
        shorter: The wanted length of the shorter side, in pixels.
    """
    factor = shorter / min(size)
    most = math.sqrt(_MOST_SQUARES * shorter**2 / (size[0] * size[1]))
    return min(factor, max(1.0, most))


def at_shorter_side(image: Image.Image, size: int) -> Image.Image:
    """Resize an image, its proportions kept.

    Args:
        image: Any mode that can be averaged.
        size: The shorter side that it is to have, in pixels; of thin images see
            :func:`shorter_side_scale`.

    Returns:
        The image at that size.
    """
    factor = shorter_side_scale(image.size, size)
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def at_longer_side(picture: LoadedImage, size: int) -> LoadedImage:
    """Resizes an image, its proportions kept.

    Args:
        picture: With or without transparency.
        size: The longer side that it is to have, in pixels.

    Returns:
        The image at that size.
    """
    factor = size / max(picture.rgb.size)
    width, height = (max(1, round(side * factor)) for side in picture.rgb.size)
    return resized(picture, (width, height))


def resized(picture: LoadedImage, size: tuple[int, int]) -> LoadedImage:
    """Resizes an image.

    Args:
        picture: With or without transparency.
        size: Width and height that it is to have, in pixels.

    Returns:
        The image at that size; the same where it has it already.
    """
    if picture.rgb.size == size:
        return picture
    rgb, alpha = (
        None if image is None else image.resize(size, Image.Resampling.LANCZOS)
        for image in (picture.rgb, picture.alpha)
    )
    assert rgb is not None
    return replace(picture, rgb=rgb, alpha=alpha)


@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    """What takes colors through a profile to sRGB; many photos share one, and it takes 2 ms."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(source, _SRGB, mode, "RGB")
