"""Keeping the photo's colours where a picture is optimised: before it, and after."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from stylenet.errors import check_choice
from stylenet.inference.colour import (
    ColourStatistics,
    keep_colour,
    luminance,
    match_histogram,
    match_statistics,
)

_COLOURS = ("false", "true", "luminance", "histogram", "statistics")

# Below this a style's picture is one flat grey, and has no contrast to be stretched.
_FLAT = 1 / 255


def choose_colour(value: bool | str) -> str:
    """Reads ``preserve_color``.

    Args:
        value: What the user gave.

    Returns:
        ``none``, ``luminance``, ``histogram`` or ``statistics``.

    Raises:
        StyleNetError: It is something else.
    """
    word = str(value).lower() if isinstance(value, bool) else value
    check_choice("preserve_color", word, _COLOURS)
    return {"false": "none", "true": "luminance"}.get(str(word), str(word))


def before(
    colour: str, photo: Tensor, style_images: Sequence[Tensor], shown: Tensor | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Prepares what is optimised towards, by Gatys et al. 2017 (arXiv:1611.07865, section 5).

    Args:
        colour: From :func:`choose_colour`.
        photo: RGB in [0, 1], shape (1, 3, H, W).
        style_images: The style's pictures, RGB in [0, 1], shape (1, 3, H, W) each.
        shown: See :meth:`stylenet.inference.colour.ColourStatistics.add`.

    Returns:
        Photo and pictures: grey for ``luminance``, the pictures' brightness with the mean and
        the deviation of the photo's (section 5.2); the pictures in the photo's colours for
        ``histogram`` and ``statistics`` (section 5.1).
    """
    if colour == "none":
        return photo, list(style_images)
    if colour == "luminance":
        grey = luminance(photo)
        images = [_like(grey, luminance(image), shown) for image in style_images]
        return _three(grey), [_three(image) for image in images]
    match: Callable[..., Callable[[Tensor], Tensor]]
    match = match_histogram if colour == "histogram" else match_statistics
    wanted = _statistics(photo, shown)
    return photo, [match(wanted, _statistics(image))(image) for image in style_images]


def after(colour: str, photo: Tensor, result: Tensor) -> Tensor:
    """Finishes what was optimised.

    Args:
        colour: From :func:`choose_colour`.
        photo: RGB in [0, 1], shape (1, 3, H, W), in its colours.
        result: The same shape and range.

    Returns:
        For ``luminance`` the photo's colours with the result's brightness, else the result.
    """
    return keep_colour(photo, result) if colour == "luminance" else result


def _like(grey: Tensor, image: Tensor, shown: Tensor | None) -> Tensor:
    """Brightness with the mean and the deviation of what is shown of another's."""
    mean, deviation = grey.mean(), grey.std(correction=0)
    if shown is not None:
        mean = (grey * shown).sum() / shown.sum()
        deviation = ((grey - mean) ** 2 * shown).sum().div(shown.sum()).sqrt()
    gain = deviation / image.std(correction=0).clamp_min(_FLAT)
    return ((image - image.mean()) * gain + mean).clamp(0, 1)


def _three(grey: Tensor) -> Tensor:
    """One channel as three."""
    return grey.expand(-1, 3, -1, -1).contiguous(memory_format=torch.contiguous_format)


def _statistics(image: Tensor, shown: Tensor | None = None) -> ColourStatistics:
    statistics = ColourStatistics()
    statistics.add(image, shown)
    return statistics
