"""StyleNet: train and run feed-forward neural style transfer networks.

Each name is imported when it is first used: ``import stylenet`` takes no time, and inference
imports neither Lightning nor Hydra.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stylenet.errors import StyleNetError

if TYPE_CHECKING:
    from stylenet.api import train
    from stylenet.inference import RegionMap, RegionStylizer, Stylizer
    from stylenet.networks import build_network

__version__ = "0.1.0"

__all__ = [
    "RegionMap",
    "RegionStylizer",
    "StyleNetError",
    "Stylizer",
    "__version__",
    "build_network",
    "load",
    "styles",
    "train",
]

_LAZY = {
    "RegionMap": "stylenet.inference",
    "RegionStylizer": "stylenet.inference",
    "Stylizer": "stylenet.inference",
    "build_network": "stylenet.networks",
    "train": "stylenet.api",
}


def load(checkpoint: str | Path | None = None, **options: Any) -> "Stylizer":
    """Load a network that stylizes images.

    >>> stylized = stylenet.load("starry_night")(Image.open("photo.jpg"), strength=0.8)
    >>> stylized = stylenet.load(style="painting.jpg")(Image.open("photo.jpg"))

    Args:
        checkpoint: A pretrained style (see :func:`styles`), ``any_style``, a run directory or a
            ``.safetensors`` file. ``None``: the bundled network that stylizes in ``style``, a
            pretrained style or one or several style images.
        **options: ``device``, ``precision``, ``style``, ``style_size``, ``encoder_weights``, and
            for a network with dials ``stroke`` and ``style_weight``, see
            :meth:`stylenet.inference.Stylizer.load`.

    Raises:
        StyleNetError: There is no such checkpoint or style, or it is damaged.
    """
    from stylenet.inference import Stylizer

    return Stylizer.load(checkpoint, **options)


def styles() -> list[str]:
    """Return the names of the pretrained styles."""
    from stylenet.pretrained import pretrained_styles

    return list(pretrained_styles())


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: PyTorch takes seconds to import."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, for completion in a notebook."""
    return sorted(__all__)
