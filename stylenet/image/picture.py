"""Pictures: upright, in sRGB, their transparency and EXIF data apart."""

import functools
import io
import struct
from dataclasses import dataclass, replace

import numpy as np
from PIL import ExifTags, Image, ImageCms

from stylenet.errors import StyleNetError, first_line
from stylenet.image.exif import clean_exif, read_exif
from stylenet.image.quiet import quiet

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

# TIFF's PhotometricInterpretation, and its value for grey that counts from white.
_PHOTOMETRIC, _MIN_IS_WHITE = 262, 0

# Rows that are brought to 8 bits at a time, so that a huge picture needs little more memory.
_ROWS = 256


@dataclass(frozen=True)
class Picture:
    """A picture as the networks see it, and what has to be kept beside it.

    Attributes:
        rgb: The colours, mode RGB, upright, in sRGB, without metadata.
        alpha: The transparency, mode L, of the same size; ``None`` for an opaque picture.
        exif: The EXIF block with its six bytes ``Exif..``, true for ``rgb``: orientation 1, no
            thumbnail. ``None`` if there is none.
    """

    rgb: Image.Image
    alpha: Image.Image | None = None
    exif: bytes | None = None


def upright_picture(image: Image.Image) -> Picture:
    """Turns an image of any mode upright and into sRGB colours, its transparency apart.

    Args:
        image: Any mode: grey, palette, CMYK, 16 bits, with or without alpha; its EXIF orientation
            and its colour profile are applied.

    Returns:
        The picture, with the EXIF data of ``image.info`` unless they are damaged.

    Raises:
        StyleNetError: The mode is one that Pillow cannot convert.
    """
    try:
        block = _exif(image)
        image = _upright(image)
        exif = None if block is None else clean_exif(block, image.size)
        if image.mode in ("I", "F") or image.mode.startswith("I;"):
            return Picture(_from_wide(image), _alpha_of_wide(image), exif)
        if "transparency" in image.info:  # of a palette, or one colour
            image = image.convert("RGBA")
        alpha = image.getchannel("A") if image.mode in ("RGBA", "LA", "PA") else None
        if image.mode in ("La", "RGBa"):
            image = image.convert("LA" if image.mode == "La" else "RGBA")
            alpha = image.getchannel("A")
        rgb = _to_srgb(image)
        # A profile or an orientation left here would be applied again by who reads a saved copy.
        rgb.info.clear()
        return Picture(rgb, alpha, exif)
    except Exception as error:  # damage makes Pillow raise anything
        raise StyleNetError(
            f"an image of mode {image.mode} cannot be converted: {first_line(error)}"
        ) from error


def flatten(picture: Picture) -> Image.Image:
    """Lays a picture on white, as a viewer would show it.

    Args:
        picture: With or without transparency.

    Returns:
        Mode RGB. Colours below full transparency, which mean nothing, are gone.
    """
    if picture.alpha is None:
        return picture.rgb
    white = Image.new("RGB", picture.rgb.size, "white")
    return Image.composite(picture.rgb, white, picture.alpha)


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
            turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the photo itself is sound
        turn = None
    return image if turn is None else image.transpose(turn)


def _to_srgb(image: Image.Image) -> Image.Image:
    """Converts to RGB through the image's own colour profile if it has one."""
    profile = image.info.get("icc_profile")
    if profile:
        # A profile speaks of the colours alone, in the mode that they are stored in.
        base = image.convert("RGB" if image.mode in ("RGBA", "P", "PA") else image.mode)
        base = base.convert("L") if image.mode == "LA" else base
        try:
            converted = ImageCms.applyTransform(base, _transform(profile, base.mode))
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError, struct.error):
            pass  # a damaged or unfitting profile: take the numbers as they are
    return image.convert("RGB")


def at_shorter_side(image: Image.Image, size: int) -> Image.Image:
    """Resizes an image, its proportions kept.

    Args:
        image: Any mode that can be averaged.
        size: The shorter side that it is to have, in pixels.

    Returns:
        The image at that size.
    """
    factor = size / min(image.size)
    width, height = (max(1, round(side * factor)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def at_longer_side(picture: Picture, size: int) -> Picture:
    """Resizes a picture, its proportions kept.

    Args:
        picture: With or without transparency.
        size: The longer side that it is to have, in pixels.

    Returns:
        The picture at that size.
    """
    factor = size / max(picture.rgb.size)
    width, height = (max(1, round(side * factor)) for side in picture.rgb.size)
    return resized(picture, (width, height))


def resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """Resizes a picture.

    Args:
        picture: With or without transparency.
        size: Width and height that it is to have, in pixels.

    Returns:
        The picture at that size; the same where it has it already.
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
    """What takes colours through a profile to sRGB; many photos share one, and it takes 2 ms."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(source, _SRGB, mode, "RGB")


def _from_wide(image: Image.Image) -> Image.Image:
    """Brings 16-bit, 32-bit and floating-point grey to 8 bits.

    Pillow's own conversion clips at 255 and so turns a 16-bit photo white.
    """
    values = np.asarray(image)
    bands = [slice(top, top + _ROWS) for top in range(0, image.height, _ROWS)]
    # Where there is no fixed range, it is stretched.
    low = min(float(np.min(_finite(values[band]))) for band in bands)
    high = max(float(np.max(_finite(values[band]))) for band in bands)
    if image.mode != "F" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0  # I;16, and I as PNG's 16-bit grey arrives
    grey = np.empty(values.shape, dtype=np.uint8)
    for band in bands:
        scaled = (_finite(values[band]) - low) / max(high - low, 1e-12) * 255
        grey[band] = scaled.round()
    if image.info.get("photometric") == _MIN_IS_WHITE:
        grey = 255 - grey
    return Image.fromarray(grey).convert("RGB")


def _alpha_of_wide(image: Image.Image) -> Image.Image | None:
    """The transparency of a grey picture of which one level is transparent, as in PNG."""
    level = image.info.get("transparency")
    if not isinstance(level, int):
        return None
    return Image.fromarray((np.asarray(image) != level).astype(np.uint8) * np.uint8(255))


def _finite(values: np.ndarray) -> np.ndarray:
    """The values as float64, with 0 for what is no number."""
    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
