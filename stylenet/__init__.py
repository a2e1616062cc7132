"""StyleNet: train and run feed-forward neural style transfer networks."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stylenet.inference import Stylizer

__version__ = "0.1.0"

__all__ = ["Stylizer", "__version__"]


def __getattr__(name: str) -> Any:
    """Brings ``Stylizer`` when it is asked for: PyTorch takes seconds to import."""
    if name == "Stylizer":
        from stylenet.inference import Stylizer

        return Stylizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
