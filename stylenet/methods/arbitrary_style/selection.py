"""Style selection of networks for arbitrary styles: one image, or several with weights."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from stylenet.errors import StyleNetError, check_number
from stylenet.files import user_path
from stylenet.image import flatten, load_image, resize_short_side, to_tensor
from stylenet.methods.base import StyleSelection
from stylenet.networks import ArbitraryStyleNetwork, StyleNetwork, join_style_names

# Short side of style images in pixels, as in configs/style/.
STYLE_SIZE = 512


class ArbitraryStyleSelection(StyleSelection):
    """Chooses styles by images: ``wave.jpg`` or ``wave.jpg:0.6,mosaic.jpg:0.4``."""

    held = "any style"
    mixes = True

    def styles(self, network: StyleNetwork) -> list[str] | None:
        """Return ``None``: images give the style."""
        return None

    def select(
        self, network: StyleNetwork, style: str | None, size: int | None, recorded: str
    ) -> tuple[StyleNetwork, str]:
        """Choose the style given by image files; see :func:`parse_style_images`."""
        if size is not None:
            check_number("style_size", size, minimum=16, integer=True)
        if style is None:
            raise StyleNetError(
                "its style comes from images; give one, style=image.jpg, or several with weights, "
                "style='first.jpg:0.6,second.jpg:0.4'"
            )
        images = parse_style_images(style)
        tensors = [_read(path, size) for path in images]
        name = join_style_names(path.stem for path in images)
        return self.select_images(network, tensors, list(images.values())), name

    def select_images(
        self,
        network: StyleNetwork,
        images: Sequence[Tensor],
        weights: Sequence[float] | None = None,
    ) -> StyleNetwork:
        """Choose the style given by images."""
        return cast(ArbitraryStyleNetwork, network).select(images, weights)

    def example(self, network: StyleNetwork) -> StyleNetwork:
        """Return the network with a random image as style."""
        return self.select_images(network, [torch.rand(1, 3, 64, 64)])


def parse_style_images(text: str) -> dict[Path, float]:
    """Parse style images with weights.

    Args:
        text: A path, or several with weights, ``first.jpg:0.6,second.jpg:0.4``; the default weight
            is 1. If the whole text is the path of a file, it means that file.

    Returns:
        The weights by path, in the order given; only their ratios matter.

    Raises:
        StyleNetError: A file is missing or given twice, or a weight is not a number above 0.
    """
    only = user_path(text)
    if only.is_file():
        return {only: 1.0}
    images: dict[Path, float] = {}
    for part in text.split(","):
        path, weight = _parse(part.strip(), text)
        if path in images:
            raise StyleNetError(f"style={text} names {path} twice; name it once")
        images[path] = weight
    return images


def names_style_image(text: str) -> bool:
    """Return whether a text names a file or a folder, by itself or as a part of a mixture.

    Args:
        text: See :func:`parse_style_images`.
    """
    names = [part.strip() for part in text.split(",")]
    names += [name.rpartition(":")[0].strip() for name in names]
    # Not Path.exists(), which fails for a name that is too long.
    return any(name and os.path.exists(user_path(name)) for name in [text, *names])


def _parse(part: str, text: str) -> tuple[Path, float]:
    """Parse one image and its weight."""
    path = user_path(part)
    if part and path.is_file():
        return path, 1.0
    name, colon, suffix = part.rpartition(":")
    named = user_path(name.strip())
    if colon and name.strip() and named.is_file():
        try:
            weight = float(suffix)
        except ValueError:
            raise StyleNetError(f"style={part}: {suffix} is not a number above 0") from None
        check_number(f"style={name}", weight, above=0)
        return named, weight
    prefix = "" if part == text else f"style={text}: "
    if part and path.is_dir():
        raise StyleNetError(
            f"{prefix}{part} is a folder, not an image file; give the path of an image in it"
        )
    raise StyleNetError(
        f"{prefix}{part or 'an empty name'} is not an image file; give the path of one, or "
        f"several with weights, style='first.jpg:0.6,second.jpg:0.4'"
    )


def _read(path: Path, size: int | None) -> Tensor:
    """Read an image, RGB in [0, 1], shape (1, 3, H, W)."""
    try:
        image = flatten(load_image(path))
    except StyleNetError as error:
        raise StyleNetError(f"style={path}: {error}") from error
    if size is not None:
        image = resize_short_side(image, size)
    return to_tensor(image)
