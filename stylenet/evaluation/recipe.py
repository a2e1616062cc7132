"""Against which images a checkpoint is judged: those that its own recipe names."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stylenet.checkpoint import CheckpointInfo
from stylenet.data import StyleOptions
from stylenet.errors import StyleNetError
from stylenet.files import user_path


def recorded_style(
    name: str, info: CheckpointInfo, pretrained: Path, folder: Path | None = None
) -> StyleOptions:
    """Reads the style that a checkpoint was trained on out of its recipe.

    Its images, their size and its weights count; its ``layers`` do not, for every checkpoint is to
    be judged at the same ones. Nothing in the recipe is run.

    Args:
        name: What the user calls the checkpoint, for messages.
        info: What it says of itself.
        pretrained: Where the images are that come with StyleNet.
        folder: Where to look for an image by its name if it is no longer where it was.

    Returns:
        The style; its images are files that are there, or URLs.

    Raises:
        StyleNetError: There is no recipe with a style, it is damaged, or an image is not found.
    """
    recorded = info.recipe.get("style")
    if not isinstance(recorded, dict) or not recorded.get("image"):
        raise StyleNetError(
            f"{name} records no style image; give the one to judge it by: style=NAME, or "
            f"style=custom style.image=PATH"
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


def same_judge(style: StyleOptions) -> str:
    """Tells styles apart by all that the losses depend on.

    Args:
        style: With or without a name of its own.

    Returns:
        The same word for styles against which losses are the same.
    """
    layers: Sequence[str] | None = style.layers
    return repr((style.images, style.size, style.weight, layers, style.image_weights))


def _locate(image: str, name: str, pretrained: Path, folder: Path | None) -> str:
    """Where a recorded image is now."""
    if user_path(image).is_file():
        return image
    # From another machine, perhaps with another kind of path.
    *parents, bare = re.split(r"[\\/]", image)
    if folder is not None and (folder / bare).is_file():
        return str(folder / bare)
    if image.lower().startswith(("http://", "https://")):
        return image
    # Networks that come with StyleNet record bare names; in a clone and in a wheel alike their
    # images lie in a folder `styles`. Anywhere else one of that name is somebody's own.
    if (not parents or parents[-1] == "styles") and (pretrained / bare).is_file():
        return str(pretrained / bare)
    raise StyleNetError(
        f"its style image {image} is not here; give style_folder=FOLDER with a {bare} in it, "
        f"style=NAME, or style=custom style.image=PATH"
    )
