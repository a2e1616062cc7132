"""256 colors for GIF."""

from PIL import Image

from stylenet.image.loaded import LoadedImage

# Half transparent or more is see-through: GIF knows no shades.
_HALF = 128


def to_palette(picture: LoadedImage) -> Image.Image:
    """Reduces an image to the 256 colors of a palette, chosen for it and dithered.

    Args:
        picture: With or without transparency.

    Returns:
        Mode P. With transparency ``info["transparency"]`` is the index of what is see-through.
    """
    colors = 256 if picture.alpha is None else 255
    chosen = picture.rgb.quantize(colors, Image.Quantize.MEDIANCUT)
    # Pillow dithers only with a palette that it is given.
    image = picture.rgb.quantize(palette=chosen, dither=Image.Dither.FLOYDSTEINBERG)
    if picture.alpha is not None:
        # The index of what is see-through has to be in the palette, however few colors it has.
        palette = image.getpalette() or []
        image.putpalette(palette + [0] * (3 * 256 - len(palette)))
        mask = picture.alpha.point(lambda value: 255 * (value < _HALF))
        image.paste(colors, mask=mask)
        image.info["transparency"] = colors
    return image
