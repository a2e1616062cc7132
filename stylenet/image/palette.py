"""Reduction to the 256 colors of a GIF."""

from PIL import Image

from stylenet.image.loaded_image import LoadedImage

# GIF has no partial transparency: pixels with less alpha become transparent.
_MIN_OPAQUE = 128


def to_palette(image: LoadedImage) -> Image.Image:
    """Reduce an image to a palette of 256 colors, chosen for the image, with dithering.

    Args:
        image: With or without transparency.

    Returns:
        Mode P. With transparency ``info["transparency"]`` is the index of the transparent color.
    """
    colors = 256 if image.alpha is None else 255
    # Pillow dithers only with a given palette, so this takes two steps.
    quantized = image.rgb.quantize(colors, Image.Quantize.MEDIANCUT)
    result = image.rgb.quantize(palette=quantized, dither=Image.Dither.FLOYDSTEINBERG)
    if image.alpha is not None:
        # Pad the palette, so that it contains the transparent index.
        palette = result.getpalette() or []
        result.putpalette(palette + [0] * (3 * 256 - len(palette)))
        mask = image.alpha.point(lambda value: 255 * (value < _MIN_OPAQUE))
        result.paste(colors, mask=mask)
        result.info["transparency"] = colors
    return result
