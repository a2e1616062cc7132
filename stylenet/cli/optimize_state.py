"""State of an interrupted optimization, and the check that it belongs to the command."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.optimization import Optimization
from stylenet.optimization import load_state as read
from stylenet.optimization import save_state as write

# Options that may change on resuming, as they do not affect the image.
_FREE = {"resume", "output", "preview_every", "tensorboard", "quality"}


def state_path(target: Path) -> Path:
    """Return the path of the state, beside the result.

    Args:
        target: Path of the result.
    """
    return target.with_name(f"{target.name}.interrupted")


def fingerprint(config: DictConfig, images: Iterable[Tensor]) -> dict[str, str]:
    """Return what identifies an optimization.

    Args:
        config: configs/optimize.yaml, composed.
        images: The photo and the style images as they are used.

    Returns:
        Options as text, and a hash of the pixels, by name.
    """
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    mark = {str(name): str(value) for name, value in plain.items() if name not in _FREE}
    digest = hashlib.sha256()
    for image in images:
        digest.update(repr(tuple(image.shape)).encode())
        digest.update(image.contiguous().numpy().tobytes())
    return {**mark, "the images": digest.hexdigest()}


def load_state(path: Path, mark: dict[str, str], resume: bool) -> dict[str, Any] | None:
    """Read the state to resume from.

    Args:
        path: From :func:`state_path`.
        mark: From :func:`fingerprint`.
        resume: Option ``resume``.

    Returns:
        The state, for :func:`restore`; ``None`` if there is none.

    Raises:
        StyleNetError: The state would be lost, is unreadable, or of another optimization.
    """
    if not path.is_file():
        return None
    if not resume:
        raise StyleNetError(
            f"{path} holds an interrupted optimization; go on with resume=true, or delete it"
        )
    state = read(path)
    saved = state.get("mark")
    changed = [
        name for name in mark if not isinstance(saved, dict) or saved.get(name) != mark[name]
    ]
    if changed:
        raise StyleNetError(
            f"{path} belongs to an optimization with another {', '.join(changed)}. Continue with "
            f"the command that started it, or delete the file."
        )
    return state


def restore(optimization: Optimization, state: dict[str, Any]) -> None:
    """Restore an optimization and the random state.

    Args:
        optimization: An optimization of the same photo, style and options.
        state: From :func:`load_state`.

    Raises:
        StyleNetError: See :meth:`stylenet.optimization.Optimization.load_state_dict`.
    """
    saved = state["optimization" if "optimization" in state else "optimisation"]  # up to 0.1
    optimization.load_state_dict(saved)
    # Last, as building an encoder changes the random state.
    torch.set_rng_state(state["random"])


def save_state(path: Path, mark: dict[str, str], optimization: Optimization) -> None:
    """Write a state to resume from.

    Args:
        path: From :func:`state_path`.
        mark: From :func:`fingerprint`.
        optimization: The interrupted optimization.

    Raises:
        StyleNetError: The file cannot be written.
    """
    state = {
        "mark": mark,
        "optimization": optimization.state_dict(),
        "random": torch.get_rng_state(),
    }
    write(path, state)
