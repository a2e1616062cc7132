"""The style of a network for any style, as users say it: one image, or several with weights."""

from pathlib import Path

from torch import Tensor

from stylenet.errors import StyleNetError, check_number
from stylenet.files import user_path
from stylenet.image import flatten, load_image, resize_short_side, to_tensor
from stylenet.networks import AdainNetwork, AdainStyleNetwork, join_style_names

# Shorter side of style images, as in configs/style/.
STYLE_SIZE = 512


def select_style_images(
    network: AdainNetwork, style: str | None, size: int | None
) -> tuple[AdainStyleNetwork, str]:
    """Makes the network of a style out of its images.

    Args:
        network: For any style.
        style: See :func:`parse_style_images`.
        size: The shorter side that images are brought to, in pixels; ``None`` leaves them.

    Returns:
        The network, and what the style is called: ``wave``, ``wave+mosaic``.

    Raises:
        StyleNetError: An image is missing or unreadable, or a value impossible.
    """
    if size is not None:
        check_number("style_size", size, minimum=16, integer=True)
    if style is None:
        raise StyleNetError(
            "it stylizes in the style of any image; give one, style=image.jpg, or several with "
            "their weights, style='first.jpg:0.6,second.jpg:0.4'"
        )
    images = parse_style_images(style)
    tensors = [_read(path, size) for path in images]
    name = join_style_names(path.stem for path in images)
    return network.select(tensors, list(images.values())), name


def parse_style_images(text: str) -> dict[Path, float]:
    """Reads the images of a style.

    Args:
        text: A path, or several with their weights, ``first.jpg:0.6,second.jpg:0.4``; one without a
            weight counts 1. A file of the whole name comes before any meaning of commas and colons.

    Returns:
        The weights by path, in the order given; only their ratios matter.

    Raises:
        StyleNetError: There is no such file, it is given twice, or a weight is not a number above
            0.
    """
    whole = user_path(text)
    if whole.is_file():
        return {whole: 1.0}
    images: dict[Path, float] = {}
    for part in text.split(","):
        path, weight = _parse(part.strip(), text)
        if path in images:
            raise StyleNetError(f"style={text} names {path} twice")
        images[path] = weight
    return images


def _parse(part: str, text: str) -> tuple[Path, float]:
    """A path, and its weight if it has one."""
    path = user_path(part)
    if part and path.is_file():
        return path, 1.0
    name, colon, given = part.rpartition(":")
    before = user_path(name.strip())
    if colon and name.strip() and before.is_file():
        try:
            weight = float(given)
        except ValueError:
            raise StyleNetError(f"style={part}: {given} is not a number above 0") from None
        check_number(f"style={name}", weight, above=0)
        return before, weight
    whole = "" if part == text else f"style={text}: "
    raise StyleNetError(
        f"{whole}{part or 'an empty name'} is no image that is there; give the path of one, or "
        f"several with their weights, style='first.jpg:0.6,second.jpg:0.4'"
    )


def _read(path: Path, size: int | None) -> Tensor:
    """An image, RGB in [0, 1], shape (1, 3, H, W)."""
    try:
        image = flatten(load_image(path))
    except StyleNetError as error:
        raise StyleNetError(f"style={path}: {error}") from error
    if size is not None:
        image = resize_short_side(image, size)
    return to_tensor(image)
