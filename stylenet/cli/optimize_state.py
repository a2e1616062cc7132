"""Where an interrupted optimization waits, and whether it is the one meant."""

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

# What may change from one part of an optimization to the next: it does not touch the image.
_FREE = {"resume", "output", "preview_every", "tensorboard", "quality"}


def state_path(target: Path) -> Path:
    """Says where the state of an interrupted optimization is kept.

    Args:
        target: Of the result.

    Returns:
        A path beside it.
    """
    return target.with_name(f"{target.name}.interrupted")


def fingerprint(config: DictConfig, images: Iterable[Tensor]) -> dict[str, str]:
    """Describes an optimization, for another one to be told from it.

    Args:
        config: configs/optimize.yaml, composed.
        images: The photo and the style's images as they are used.

    Returns:
        Options, and a hash of the pixels, by name.
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
    """Reads the state to go on from.

    Args:
        path: From :func:`state_path`.
        mark: From :func:`fingerprint`.
        resume: Whether the user wants to go on.

    Returns:
        The state, for :func:`restore`; ``None`` where there is none.

    Raises:
        StyleNetError: It would be lost, is unreadable, or of another optimization.
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
            f"{path} is of an optimization with another {', '.join(changed)}; go on with the "
            f"command that began it, or delete the file"
        )
    return state


def restore(optimization: Optimization, state: dict[str, Any]) -> None:
    """Brings everything back to where it was.

    Args:
        optimization: Of the same photo, style and options.
        state: From :func:`load_state`.

    Raises:
        StyleNetError: See :meth:`stylenet.optimization.Optimization.load_state_dict`.
    """
    saved = state["optimization" if "optimization" in state else "optimisation"]  # up to 0.1
    optimization.load_state_dict(saved)
    # Last, for building an encoder draws from it.
    torch.set_rng_state(state["random"])


def save_state(path: Path, mark: dict[str, str], optimization: Optimization) -> None:
    """Writes a state to go on from.

    Args:
        path: From :func:`state_path`.
        mark: From :func:`fingerprint`.
        optimization: What was interrupted.

    Raises:
        StyleNetError: It cannot be written.
    """
    state = {
        "mark": mark,
        "optimization": optimization.state_dict(),
        "random": torch.get_rng_state(),
    }
    write(path, state)
