"""The image type of the package: colors, transparency and EXIF data side by side."""

from dataclasses import dataclass, replace

from PIL import Image


@dataclass(frozen=True)
class LoadedImage:
    """An image with the parts of its file that survive stylization.

    Attributes:
        rgb: Colors: mode RGB, upright, in sRGB, without metadata.
        alpha: Transparency: mode L, of the same size; ``None`` for an opaque image.
        exif: EXIF block with its prefix ``Exif`` and two zero bytes, adjusted to ``rgb``:
            orientation 1, no thumbnail. ``None`` without EXIF data.
        left_out: Contents of the file that are not kept, such as ``HDR gain map``.
    """

    rgb: Image.Image
    alpha: Image.Image | None = None
    exif: bytes | None = None
    left_out: tuple[str, ...] = ()


def flatten(image: LoadedImage, background: str = "white") -> Image.Image:
    """Lay a transparent image on a background color.

    Args:
        image: With or without transparency.
        background: A color that :func:`PIL.ImageColor.getrgb` accepts.

    Returns:
        Mode RGB. The meaningless colors of fully transparent pixels are replaced.
    """
    if image.alpha is None:
        return image.rgb
    backdrop = Image.new("RGB", image.rgb.size, background)
    return Image.composite(image.rgb, backdrop, image.alpha)


def resize_image(image: LoadedImage, size: tuple[int, int]) -> LoadedImage:
    """Resize an image to a width and height in pixels; the image itself if it has that size."""
    if image.rgb.size == size:
        return image
    rgb = image.rgb.resize(size, Image.Resampling.LANCZOS)
    alpha = None if image.alpha is None else image.alpha.resize(size, Image.Resampling.LANCZOS)
    return replace(image, rgb=rgb, alpha=alpha)


def resize_long_side(image: LoadedImage, size: int) -> LoadedImage:
    """Resize an image to a long side of ``size`` pixels, keeping its aspect ratio."""
    factor = size / max(image.rgb.size)
    width, height = (max(1, round(side * factor)) for side in image.rgb.size)
    return resize_image(image, (width, height))
