"""Style images, from files or URLs."""

import hashlib
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from torch import Tensor

from stylenet.download import DownloadError, download
from stylenet.errors import StyleNetError, check_number
from stylenet.files import cache_folder, reason, user_path
from stylenet.image import flatten, load_image, resize_short_side, to_tensor

# Smallest side of a style image, in pixels: VGG halves it four times before relu5_1.
SMALLEST_STYLE = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StyleOptions:
    """A style: its images, their size and their weight.

    Attributes:
        name: Name of the style, used in the names of checkpoints and run directories.
        image: Path or URL of a style image, or a list of them.
        size: Short side that the images are resized to, in pixels; ``None`` keeps their sizes. A
            larger size gives larger brush strokes.
        weight: Factor on ``loss.style.weight`` for this style.
        layers: Style layers that replace ``loss.style.layers``; ``None`` keeps those.
        image_weights: Weight of each image in the mean of the Gram matrices; only their ratios
            matter. ``None`` for equal weights.
    """

    name: str
    image: str | Sequence[str]
    size: int | None
    weight: float = 1.0
    layers: Sequence[str] | None = None
    image_weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        """Check every option.

        Raises:
            StyleNetError: An option is invalid.
        """
        if not isinstance(self.name, str):
            raise StyleNetError(
                f"style.name={self.name} is not text. Give the style a name, in quotes where YAML "
                f"would read a number."
            )
        if not self.name or set(self.name) & set('/\\:*?"<>|'):
            raise StyleNetError(
                f"style.name={self.name} cannot be part of a file's name. Leave out the characters "
                f'/ \\ : * ? " < > |'
            )
        if self.size is not None:
            check_number("style.size", self.size, minimum=SMALLEST_STYLE, integer=True)
        check_number("style.weight", self.weight, above=0)
        if not self.images:
            raise StyleNetError("style.image is empty; give the path or URL of an image")
        if self.image_weights is not None:
            self._check_image_weights(self.image_weights)

    @property
    def images(self) -> list[str]:
        """Paths and URLs of the images, at least one."""
        is_list = isinstance(self.image, Sequence) and not isinstance(self.image, str)
        return [str(image) for image in (self.image if is_list else [self.image]) if image]

    def _check_image_weights(self, weights: Sequence[float]) -> None:
        option = f"style.image_weights={weights}"
        if not isinstance(weights, Sequence) or isinstance(weights, str):
            raise StyleNetError(f"{option} is not a list of numbers such as '[0.7,0.3]'")
        for weight in weights:
            check_number("style.image_weights", weight, minimum=0)
        if len(weights) != len(self.images):
            raise StyleNetError(
                f"{option} has {len(weights)} numbers for {len(self.images)} images"
            )
        if not any(weights):
            raise StyleNetError(f"{option} gives no image a weight above 0; give at least one")


def load_style_images(options: StyleOptions, scale: float = 1.0) -> list[Tensor]:
    """Load the images of a style; images at URLs are downloaded once.

    An image of a single color is loaded with a warning: its network leaves little of a photo.

    Args:
        options: The style.
        scale: Factor on the size of the images.

    Returns:
        RGB in [0, 1], each of shape (1, 3, H, W).

    Raises:
        StyleNetError: An image is missing, unreadable or cannot be downloaded.
    """
    images = []
    for source in options.images:
        is_url = source.lower().startswith(("http://", "https://"))
        path = _download_once(source) if is_url else user_path(source)
        try:
            image = flatten(load_image(path))
        except StyleNetError as error:
            if is_url:  # it may be an error page: download it again next time
                path.unlink(missing_ok=True)
            raise StyleNetError(
                f"style.image={source}: {error}; set style.image to the image of your style"
            ) from error
        original = f"{image.width}x{image.height}"
        if image.getcolors(1):
            _log.warning(
                "style.image=%s has a single color, so stylized photos become nearly flat; set "
                "style.image to one with strokes or shapes",
                source,
            )
        if options.size is not None or scale != 1:
            size = round((options.size or min(image.size)) * scale)
            image = resize_short_side(image, size)
        if min(image.size) < SMALLEST_STYLE:
            resized = f"{image.width}x{image.height}"
            raise StyleNetError(
                f"style.image={source} has {original} pixels"
                f"{'' if resized == original else f', resized to {resized}'}, expected "
                f"{SMALLEST_STYLE} at least on each side; set style.image to a larger one, or set "
                f"style.size to a larger number"
            )
        images.append(to_tensor(image))
    return images


def _download_once(url: str) -> Path:
    """Return the cached image of a URL, downloading it if it is missing."""
    # The error below asks users to save the image under this name, so it keeps the URL's suffix.
    suffix = PurePosixPath(url.partition("?")[0].partition("#")[0]).suffix
    folder = cache_folder() / "styles"
    path = folder / (hashlib.sha256(url.encode()).hexdigest()[:32] + suffix)
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Several ranks may download the image at the same time, so each has a folder of its own.
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as own:
            for _ in download(url, Path(own, path.name), pause=0.5, retries=1):
                pass
            os.replace(Path(own, path.name), path)
    except DownloadError as error:
        raise StyleNetError(
            f"style.image={url} could not be downloaded ({error.cause}); save the image yourself "
            f"as {path}, or set style.image to the path of an image"
        ) from error
    except OSError as error:
        raise StyleNetError(
            f"style.image={url} cannot be saved in {folder}: {reason(error)}; set style.image to "
            f"the path of an image, or STYLENET_CACHE to a folder that can be written"
        ) from error
    return path
