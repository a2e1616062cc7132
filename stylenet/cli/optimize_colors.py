"""Color preservation for image optimization: preparation before it, completion after it."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from stylenet.errors import check_choice
from stylenet.image.color import (
    ColorStatistics,
    keep_color,
    luminance,
    match_histogram,
    match_statistics,
)

_COLORS = ("false", "true", "luminance", "histogram", "statistics")

# Below this standard deviation a style image is flat gray without contrast to stretch.
_FLAT = 1 / 255


def choose_color(value: bool | str) -> str:
    """Check the option ``preserve_color``.

    Args:
        value: Value of the option.

    Returns:
        ``none``, ``luminance``, ``histogram`` or ``statistics``.

    Raises:
        StyleNetError: The value is none of these.
    """
    word = str(value).lower() if isinstance(value, bool) else value
    check_choice("preserve_color", word, _COLORS)
    return {"false": "none", "true": "luminance"}.get(str(word), str(word))


def before(
    color: str, photo: Tensor, style_images: Sequence[Tensor], shown: Tensor | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Prepare content and style images by Gatys et al. 2017 (arXiv:1611.07865, section 5).

    Args:
        color: From :func:`choose_color`.
        photo: RGB in [0, 1], shape (1, 3, H, W).
        style_images: RGB in [0, 1], shape (1, 3, H, W) each.
        shown: See :meth:`stylenet.image.color.ColorStatistics.add`.

    Returns:
        Photo and style images: for ``luminance`` in gray, with the brightness of the style images
        matched to mean and standard deviation of the photo (section 5.2); for ``histogram`` and
        ``statistics`` with the style images in the photo's colors (section 5.1).
    """
    if color == "none":
        return photo, list(style_images)
    if color == "luminance":
        gray = luminance(photo)
        images = [_like(gray, luminance(image), shown) for image in style_images]
        return _three(gray), [_three(image) for image in images]
    match: Callable[..., Callable[[Tensor], Tensor]]
    match = match_histogram if color == "histogram" else match_statistics
    wanted = _statistics(photo, shown)
    return photo, [match(wanted, _statistics(image))(image) for image in style_images]


def after(color: str, photo: Tensor, result: Tensor) -> Tensor:
    """Restore the photo's colors after the optimization.

    Args:
        color: From :func:`choose_color`.
        photo: The original photo, RGB in [0, 1], shape (1, 3, H, W).
        result: The optimized image, the same shape and range.

    Returns:
        For ``luminance`` the photo's colors with the result's brightness, else the result.
    """
    return keep_color(photo, result) if color == "luminance" else result


def _like(gray: Tensor, image: Tensor, shown: Tensor | None) -> Tensor:
    """Match mean and standard deviation of brightness to the visible part of another image."""
    mean, deviation = gray.mean(), gray.std(correction=0)
    if shown is not None:
        mean = (gray * shown).sum() / shown.sum()
        deviation = ((gray - mean) ** 2 * shown).sum().div(shown.sum()).sqrt()
    gain = deviation / image.std(correction=0).clamp_min(_FLAT)
    return ((image - image.mean()) * gain + mean).clamp(0, 1)


def _three(gray: Tensor) -> Tensor:
    return gray.expand(-1, 3, -1, -1).contiguous(memory_format=torch.contiguous_format)


def _statistics(image: Tensor, shown: Tensor | None = None) -> ColorStatistics:
    statistics = ColorStatistics()
    statistics.add(image, shown)
    return statistics
