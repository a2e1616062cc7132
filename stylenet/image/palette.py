"""256 colours for GIF."""

from PIL import Image

from stylenet.image.picture import Picture

# Half transparent or more is see-through: GIF knows no shades.
_HALF = 128


def to_palette(picture: Picture) -> Image.Image:
    """Reduces a picture to the 256 colours of a palette, chosen for it and dithered.

    Args:
        picture: With or without transparency.

    Returns:
        Mode P. With transparency ``info["transparency"]`` is the index of what is see-through.
    """
    colours = 256 if picture.alpha is None else 255
    chosen = picture.rgb.quantize(colours, Image.Quantize.MEDIANCUT)
    # Pillow dithers only with a palette that it is given.
    image = picture.rgb.quantize(palette=chosen, dither=Image.Dither.FLOYDSTEINBERG)
    if picture.alpha is not None:
        # The index of what is see-through has to be in the palette, however few colours it has.
        palette = image.getpalette() or []
        image.putpalette(palette + [0] * (3 * 256 - len(palette)))
        mask = picture.alpha.point(lambda value: 255 * (value < _HALF))
        image.paste(colours, mask=mask)
        image.info["transparency"] = colours
    return image
