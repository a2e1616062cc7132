"""The style that a checkpoint is evaluated against, from its recipe."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stylenet.checkpoint import CheckpointInfo
from stylenet.data import StyleOptions
from stylenet.errors import StyleNetError
from stylenet.files import user_path


def recorded_style(
    name: str, info: CheckpointInfo, pretrained: Path, folder: Path | None
) -> StyleOptions:
    """Read the style that a checkpoint was trained on from its recipe.

    Its images, their size and its weights are used; its ``layers`` are not, so that every
    checkpoint is evaluated at the same layers. No code from the recipe is run.

    Args:
        name: Name of the checkpoint in messages.
        info: The checkpoint's metadata.
        pretrained: Folder of the style images that come with StyleNet.
        folder: Folder to search for images by name if they are not at the recorded path, if any.

    Returns:
        The style; its images are existing files or URLs.

    Raises:
        StyleNetError: There is no recipe with a style, it is damaged, or an image is not found.
    """
    recorded = info.recipe.get("style")
    if not isinstance(recorded, dict) or not recorded.get("image"):
        raise StyleNetError(
            f"{name} records no style image. Choose one: style=NAME, or style=custom "
            f"style.image=PATH"
        )
    image: Any = recorded["image"]
    images = [str(item) for item in (image if isinstance(image, list) else [image])]
    try:
        return StyleOptions(
            name=recorded.get("name", info.style),
            image=[_locate(item, name, pretrained, folder) for item in images],
            size=recorded.get("size"),
            weight=recorded.get("weight", 1.0),
            image_weights=recorded.get("image_weights"),
        )
    except StyleNetError as error:
        raise StyleNetError(f"{name}: {error}") from error


def loss_key(style: StyleOptions) -> str:
    """Return a text that is equal for styles with equal losses, whatever their names."""
    layers: Sequence[str] | None = style.layers
    return repr((style.images, style.size, style.weight, layers, style.image_weights))


def _locate(image: str, name: str, pretrained: Path, folder: Path | None) -> str:
    """Return the path or URL of a recorded image on this machine."""
    if user_path(image).is_file():
        return image
    # A path of another machine, possibly with backslashes.
    *parents, bare = re.split(r"[\\/]", image)
    if folder is not None and (folder / bare).is_file():
        return str(folder / bare)
    if image.lower().startswith(("http://", "https://")):
        return image
    # Pretrained networks record bare names; their images lie in a folder `styles` in a clone and in
    # a wheel. Elsewhere an image of that name is the user's own.
    if (not parents or parents[-1] == "styles") and (pretrained / bare).is_file():
        return str(pretrained / bare)
    raise StyleNetError(
        f"its style image {image} was not found. Give style_folder=FOLDER with a {bare} in it, "
        f"style=NAME, or style=custom style.image=PATH"
    )
