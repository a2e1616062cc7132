"""Styles that the page offers, each with a thumbnail."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from stylenet.checkpoint import find_checkpoint, load_checkpoint
from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, cache_folder
from stylenet.image import load_image, resize_short_side
from stylenet.inference import Stylizer
from stylenet.methods.selection import selection_of
from stylenet.pretrained import make_title, pretrained_styles

# Height and width of thumbnails in pixels: twice the size on the page, for sharp phone screens.
_THUMBNAIL = 256
# In the public domain (see skimage.data): a cat, recognizable in all strokes and colors.
_SAMPLE = "chelsea.png"
# Stylizers kept in memory, each of which takes a few megabytes.
_KEPT = 6


@dataclass(frozen=True)
class Style:
    """A style that the page offers.

    Attributes:
        title: Its name on the page.
        checkpoint: A checkpoint or a run directory.
        style: Name of the style in a checkpoint of several styles, or path of a style image;
            ``None`` for a checkpoint of one style.
    """

    title: str
    checkpoint: Path
    style: str | None = None

    @property
    def file_name(self) -> str:
        """Return the part of a result's name that says the style."""
        if self.style is None:
            return self.checkpoint.stem
        return self.title if Path(self.style).is_file() else self.style


class Stylizers:
    """Loaded networks, the latest in memory. Safe to use from several threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._loaded: OrderedDict[tuple[Path, int, str | None], Stylizer] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, style: Style) -> Stylizer:
        """Return the stylizer of a style.

        Raises:
            StyleNetError: The checkpoint is gone or damaged.
        """
        path = find_checkpoint(style.checkpoint)
        key = (path, path.stat().st_mtime_ns, style.style)
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = Stylizer.load(path, style=style.style)
                if len(self._loaded) > _KEPT:
                    self._loaded.popitem(last=False)
            self._loaded.move_to_end(key)
            return self._loaded[key]


def list_pretrained() -> list[Style]:
    """Return the styles of all pretrained checkpoints."""
    styles: list[Style] = []
    for name, path in pretrained_styles().items():
        network, _ = load_checkpoint(path)
        held = selection_of(network).styles(network)
        if held:
            styles += [Style(make_title(style), path, style) for style in held]
        else:
            styles.append(Style(make_title(name), path))
    return styles


def thumbnail(style: Style, stylizers: Stylizers) -> Path:
    """Return a square photo in a style, from the cache if it was rendered before.

    Args:
        style: The style.
        stylizers: Loads the network.

    Returns:
        A JPEG file in StyleNet's cache folder.

    Raises:
        StyleNetError: The checkpoint is damaged, or the cache cannot be written.
    """
    checkpoint = find_checkpoint(style.checkpoint)
    digest = hashlib.sha256(checkpoint.read_bytes())
    if style.style and Path(style.style).is_file():
        digest.update(Path(style.style).read_bytes())
    digest.update(f"{style.style} {_THUMBNAIL} {_SAMPLE}".encode())
    path = cache_folder() / "thumbnails" / f"{digest.hexdigest()[:32]}.jpg"
    if not path.is_file():
        stylized = stylizers.load(style)(_sample())
        with atomic_path(path) as temporary:
            stylized.convert("RGB").save(temporary, "JPEG", quality=85)
    return path


def _sample() -> Image.Image:
    """Return the square photo of the thumbnails."""
    package = find_spec("skimage")
    photo = Path(str(package and package.origin)).parent / "data" / _SAMPLE
    if not photo.is_file():
        raise StyleNetError(
            f"This scikit-image lacks {_SAMPLE}, the photo of the thumbnails. "
            f"pip install --force-reinstall scikit-image"
        )
    image = resize_short_side(load_image(photo).rgb, _THUMBNAIL)
    left = (image.width - _THUMBNAIL) // 2
    return image.crop((left, 0, left + _THUMBNAIL, _THUMBNAIL))
