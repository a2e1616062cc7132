"""The images of a style: from a path or a URL, at the size asked for."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pooch
import requests
from torch import Tensor

from stylenet.errors import StyleNetError, check_number
from stylenet.files import cache_folder, user_path
from stylenet.image import at_shorter_side, flatten, load_image, to_tensor

_SECONDS_TO_CONNECT_AND_READ = (5, 60)
# Wikimedia refuses clients that do not say who they are (its User-Agent policy).
_HEADERS = {"User-Agent": "StyleNet (feed-forward style transfer; python-requests)"}

# Of an image's sides, in pixels: VGG halves it four times on the way to relu5_1.
SMALLEST_STYLE = 16


@dataclass(frozen=True)
class StyleOptions:
    """A style: its images, and how they are to be taken.

    Attributes:
        name: What checkpoints and run folders are called.
        image: A path or URL, or several of them.
        size: The shorter side that the images are resized to, in pixels; ``None`` leaves them.
            Larger makes brush strokes larger in the result.
        weight: Multiplies ``loss.style_weight`` for this style.
        layers: Takes the place of ``loss.style_layers`` for this style; ``None`` leaves them.
        image_weights: How much each of several images counts in the mean of their Gram matrices;
            only the ratios matter. ``None`` for all alike.
    """

    name: str
    image: str | Sequence[str]
    size: int | None
    weight: float = 1.0
    layers: Sequence[str] | None = None
    image_weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        if not isinstance(self.name, str) or not self.name or set(self.name) & set('/\\:*?"<>|'):
            raise StyleNetError(f"style.name={self.name} cannot be part of a file's name")
        if self.size is not None:
            check_number("style.size", self.size, minimum=SMALLEST_STYLE, integer=True)
        check_number("style.weight", self.weight, above=0)
        if not self.images:
            raise StyleNetError("style.image is empty; give the path or URL of an image")
        if self.image_weights is not None:
            self._check_image_weights(self.image_weights)

    @property
    def images(self) -> list[str]:
        """The paths and URLs, one or more."""
        several = isinstance(self.image, Sequence) and not isinstance(self.image, str)
        return [str(image) for image in (self.image if several else [self.image]) if image]

    def _check_image_weights(self, weights: Sequence[float]) -> None:
        given = f"style.image_weights={weights}"
        if not isinstance(weights, Sequence) or isinstance(weights, str):
            raise StyleNetError(f"{given} is not a list of numbers such as '[0.7,0.3]'")
        for weight in weights:
            check_number("style.image_weights", weight, minimum=0)
        if len(weights) != len(self.images):
            raise StyleNetError(f"{given} has {len(weights)} numbers for {len(self.images)} images")
        if not any(weights):
            raise StyleNetError(f"{given} lets no image count; give one a weight above 0")


def load_style_images(options: StyleOptions) -> list[Tensor]:
    """Loads the images of a style, downloading them once if they are URLs.

    Args:
        options: Which images, at which size.

    Returns:
        RGB in [0, 1], each of shape (1, 3, H, W).

    Raises:
        StyleNetError: An image is missing, unreadable or cannot be downloaded.
    """
    images = []
    for source in options.images:
        is_url = source.lower().startswith(("http://", "https://"))
        path = _download(source) if is_url else user_path(source)
        try:
            image = flatten(load_image(path))
        except StyleNetError as error:
            if is_url:  # a page instead of an image, say; the next try is to download again
                path.unlink(missing_ok=True)
            raise StyleNetError(
                f"style.image={source}: {error}; set style.image to the image of your style"
            ) from error
        if options.size is not None:
            image = at_shorter_side(image, options.size)
        if min(image.size) < SMALLEST_STYLE:
            raise StyleNetError(
                f"style.image={source} has {image.width}x{image.height} pixels, expected "
                f"{SMALLEST_STYLE} at least on each side; set style.image to a larger one, or set "
                f"style.size"
            )
        images.append(to_tensor(image))
    return images


def _download(url: str) -> Path:
    """The image at a URL, from the cache if it was fetched before."""
    # The name a user may save the image under, so it keeps the URL's suffix.
    suffix = PurePosixPath(url.partition("?")[0].partition("#")[0]).suffix
    name = hashlib.sha256(url.encode()).hexdigest()[:32] + suffix
    folder = cache_folder() / "styles"
    try:
        pooch.get_logger().setLevel(logging.WARNING)
        downloader = pooch.HTTPDownloader(timeout=_SECONDS_TO_CONNECT_AND_READ, headers=_HEADERS)
        # No hash is known for a user's URL; pooch downloads beside the place and renames.
        return Path(
            pooch.retrieve(url, known_hash=None, fname=name, path=folder, downloader=downloader)
        )
    except (requests.RequestException, OSError, ValueError) as error:
        raise StyleNetError(
            f"style.image={url} could not be downloaded ({type(error).__name__}); save the image "
            f"yourself as {folder / name}, or set style.image to the path of an image"
        ) from error
