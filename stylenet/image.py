"""Between files, Pillow images and tensors: orientation, colour, transparency, atomic saving."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError
from torch import Tensor

from stylenet.errors import StyleNetError, first_line
from stylenet.files import atomic_path, reason

# What a folder is searched for.
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

# JPEG quality 95 is the highest that Pillow's documentation recommends.
_SAVE_OPTIONS = {
    ".jpg": {"quality": 95},
    ".jpeg": {"quality": 95},
    ".webp": {"quality": 95},
}
_WITHOUT_ALPHA = frozenset({".jpg", ".jpeg", ".bmp"})

# All that Pillow reads but EPS, for which it starts another program (Ghostscript) on the file.
Image.init()
_FORMATS = tuple(name for name in Image.OPEN if name != "EPS")

# 30,000 x 30,000 pixels, beyond which Pillow refuses: it warns at half of that. Its own limit, 179
# million, is for servers; here users name the files themselves. (Pillow's limit is global.)
Image.MAX_IMAGE_PIXELS = 30_000 * 30_000 // 2

# Formats that take EXIF data.
_WITH_EXIF = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff"})

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


# EXIF tags that speak of the photo. Others say how one file stores its pixels, in a TIFF all of
# that.
_OF_THE_PHOTO = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.Base.Rating,
)


@dataclass(frozen=True)
class Picture:
    """A picture as the networks see it, and what has to be kept beside it.

    Attributes:
        rgb: The colours, mode RGB, upright, in sRGB, without metadata.
        alpha: The transparency, mode L, of the same size; ``None`` for an opaque picture.
        exif: What the camera wrote (time, place, lens …) in EXIF's form, without orientation and
            thumbnail; empty if there is nothing.
    """

    rgb: Image.Image
    alpha: Image.Image | None = None
    exif: bytes = b""


def open_image(path: str | Path, smallest: int | None = None) -> Image.Image:
    """Opens and decodes an image file, whole.

    Args:
        path: The file.
        smallest: If given, JPEG files may be decoded at 1/2, 1/4 or 1/8 of their size as long as
            both sides stay at least this many pixels, which is several times as fast.

    Returns:
        The image, not turned upright, in whatever mode it has.

    Raises:
        StyleNetError: The file is missing, unreadable, damaged, truncated, not an image, or so
            large that it has to be taken for an attack (see Pillow's ``MAX_IMAGE_PIXELS``).
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            # Up to twice MAX_IMAGE_PIXELS Pillow warns only; beyond, it raises.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # odd metadata, of no matter here
            with Image.open(path, formats=_FORMATS) as image:
                if smallest is not None:
                    image.draft(None, (smallest, smallest))
                image.load()
                return image.copy() if image.readonly else image
    except FileNotFoundError as error:
        raise StyleNetError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise StyleNetError(f"{path} is a folder, expected an image file") from error
    except UnidentifiedImageError as error:
        empty = path.stat().st_size == 0
        what = "is empty" if empty else "is not an image, or of a kind that Pillow cannot read"
        raise StyleNetError(f"{path} {what}") from error
    except Image.DecompressionBombError as error:
        raise StyleNetError(f"{path} is too large: {error}") from error
    except Exception as error:  # damage makes Pillow raise anything, struct.error for one
        if isinstance(error, OSError) and error.errno is not None:  # the system's, not Pillow's
            raise StyleNetError(f"{path} cannot be read: {reason(error)}") from error
        raise StyleNetError(f"{path} is damaged: {first_line(error)}") from error


def upright_picture(image: Image.Image) -> Picture:
    """Turns an image of any mode upright and into sRGB colours, its transparency apart.

    Args:
        image: Any mode: grey, palette, CMYK, 16 bits, with or without alpha; its EXIF orientation
            and its colour profile are applied.

    Returns:
        The picture.

    Raises:
        StyleNetError: The mode is one that Pillow cannot convert.
    """
    exif = _metadata(image)
    try:
        image = _upright(image)
        if image.mode in ("I", "F") or image.mode.startswith("I;"):
            return Picture(_from_wide(image), exif=exif)
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
    except Exception as error:  # see open_image
        raise StyleNetError(
            f"an image of mode {image.mode} cannot be converted: {first_line(error)}"
        ) from error


def load_picture(path: str | Path) -> Picture:
    """Opens an image file as a picture.

    Args:
        path: The file.

    Returns:
        See :func:`upright_picture`.

    Raises:
        StyleNetError: See :func:`open_image` and :func:`upright_picture`; the file is named.
    """
    image = open_image(path)
    try:
        return upright_picture(image)
    except StyleNetError as error:
        raise StyleNetError(f"{path}: {error}") from error


def to_tensor(image: Image.Image) -> Tensor:
    """Turns an RGB image into a tensor.

    Args:
        image: Mode RGB.

    Returns:
        float32 in [0, 1], shape (1, 3, H, W).
    """
    pixels = torch.from_numpy(np.array(image, dtype=np.uint8))  # (H, W, 3)
    return pixels.permute(2, 0, 1).unsqueeze(0).float() / 255


def to_image(tensor: Tensor) -> Image.Image:
    """Turns one image tensor into a Pillow image.

    Args:
        tensor: RGB in [0, 1] (values outside are clamped), shape (1, 3, H, W) or (3, H, W), any
            floating type and device.

    Returns:
        Mode RGB.
    """
    tensor = tensor.detach().squeeze(0) if tensor.ndim == 4 else tensor.detach()
    pixels = (tensor.float().clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy(), mode="RGB")


def save_picture(picture: Picture, path: str | Path, quality: int | None = None) -> None:
    """Writes a picture; the file appears whole or not at all.

    Args:
        picture: What to write. Transparency and EXIF data are dropped where the format has none.
        path: Its suffix chooses the format.
        quality: Of JPEG and WebP, from 1 to 100; ``None`` for 95.

    Raises:
        StyleNetError: The format is unknown, or the file cannot be written.
    """
    path = Path(path)
    check_writable_suffix(path)
    suffix = path.suffix.lower()
    image = picture.rgb
    if picture.alpha is not None and suffix not in _WITHOUT_ALPHA:
        image = image.copy()
        image.putalpha(picture.alpha)
    options: dict[str, Any] = dict(_SAVE_OPTIONS.get(suffix, {}))
    if quality is not None and "quality" in options:
        options["quality"] = quality
    if picture.exif and suffix in _WITH_EXIF:
        options["exif"] = picture.exif
    with atomic_path(path) as temporary:
        try:
            image.save(temporary, Image.registered_extensions()[suffix], **options)
        # WebP, for one, ends at 16,383 pixels a side. An error with a number is the system's.
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise StyleNetError(f"cannot write {path}: {error}") from error


def check_writable_suffix(path: str | Path) -> None:
    """Refuses a file name whose suffix names no format that can be written.

    Args:
        path: The file to be written.

    Raises:
        StyleNetError: The suffix is missing or unknown.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise StyleNetError(
            f"cannot write {path}: its suffix is none of {', '.join(sorted(SUFFIXES))}"
        )


def _upright(image: Image.Image) -> Image.Image:
    """Applies the EXIF orientation.

    Pillow's own ``exif_transpose`` rewrites the EXIF data on the way, which fails where they are
    damaged; nobody needs them here.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # as in open_image
            turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # see open_image; the photo itself is sound
        turn = None
    return image if turn is None else image.transpose(turn)


def _metadata(image: Image.Image) -> bytes:
    """The EXIF data that still hold for a repainted, upright copy; nothing if they are damaged."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # as in open_image
            exif = image.getexif()
            kept = Image.Exif()
            for tag in _OF_THE_PHOTO:
                if tag in exif:
                    kept[tag] = exif[tag]
            for block in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
                if values := exif.get_ifd(block):
                    kept.get_ifd(block).update(values)
            return kept.tobytes() if kept or kept.get_ifd(ExifTags.IFD.Exif) else b""
    except Exception:  # see open_image; the photo itself is sound
        return b""


def _to_srgb(image: Image.Image) -> Image.Image:
    """Converts to RGB through the image's own colour profile if it has one."""
    profile = image.info.get("icc_profile")
    if profile:
        # A profile speaks of the colours alone, in the mode that they are stored in.
        base = image.convert("RGB" if image.mode in ("RGBA", "P", "PA") else image.mode)
        base = base.convert("L") if image.mode == "LA" else base
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(base, source, _SRGB, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a damaged or unfitting profile: take the numbers as they are
    return image.convert("RGB")


def _from_wide(image: Image.Image) -> Image.Image:
    """Brings 16-bit, 32-bit and floating-point grey to 8 bits.

    Pillow's own conversion clips at 255 and so turns a 16-bit photo white.
    """
    values = np.asarray(image, dtype=np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    # Where there is no fixed range, it is stretched.
    low, high = float(np.min(values)), float(np.max(values))
    if image.mode != "F" and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0  # I;16, and I as PNG's 16-bit grey arrives
    scaled = (values - low) / max(high - low, 1e-12) * 255
    return Image.fromarray(scaled.round().astype(np.uint8), mode="L").convert("RGB")


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
