"""Where an interrupted optimisation waits, and whether it is the one meant."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.optimisation import Optimisation
from stylenet.optimisation import load_state as read
from stylenet.optimisation import save_state as write

# What may change from one part of an optimisation to the next: it does not touch the picture.
_FREE = {"resume", "output", "preview_every", "tensorboard", "quality"}


def state_path(target: Path) -> Path:
    """Says where the state of an interrupted optimisation is kept.

    Args:
        target: Of the result.

    Returns:
        A path beside it.
    """
    return target.with_name(f"{target.name}.interrupted")


def fingerprint(config: DictConfig, pictures: Iterable[Tensor]) -> dict[str, str]:
    """Describes an optimisation, for another one to be told from it.

    Args:
        config: configs/optimize.yaml, composed.
        pictures: The photo and the style's pictures as they are used.

    Returns:
        Settings, and a hash of the pixels, by name.
    """
    plain = OmegaConf.to_container(config, resolve=True)
    assert isinstance(plain, dict)
    mark = {str(name): str(value) for name, value in plain.items() if name not in _FREE}
    digest = hashlib.sha256()
    for picture in pictures:
        digest.update(repr(tuple(picture.shape)).encode())
        digest.update(picture.contiguous().numpy().tobytes())
    return {**mark, "the pictures": digest.hexdigest()}


def load_state(path: Path, mark: dict[str, str], resume: bool) -> dict[str, Any] | None:
    """Reads the state to go on from.

    Args:
        path: From :func:`state_path`.
        mark: From :func:`fingerprint`.
        resume: Whether the user wants to go on.

    Returns:
        The state, for :func:`restore`; ``None`` where there is none.

    Raises:
        StyleNetError: It would be lost, is unreadable, or of another optimisation.
    """
    if not path.is_file():
        return None
    if not resume:
        raise StyleNetError(
            f"{path} holds an interrupted optimisation; go on with resume=true, or delete it"
        )
    state = read(path)
    saved = state.get("mark")
    changed = [
        name for name in mark if not isinstance(saved, dict) or saved.get(name) != mark[name]
    ]
    if changed:
        raise StyleNetError(
            f"{path} is of an optimisation with another {', '.join(changed)}; go on with the "
            f"command that began it, or delete the file"
        )
    return state


def restore(optimisation: Optimisation, state: dict[str, Any]) -> None:
    """Brings everything back to where it was.

    Args:
        optimisation: Of the same photo, style and settings.
        state: From :func:`load_state`.

    Raises:
        StyleNetError: See :meth:`stylenet.optimisation.Optimisation.load_state_dict`.
    """
    optimisation.load_state_dict(state["optimisation"])
    # Last, for building an encoder draws from it.
    torch.set_rng_state(state["random"])


def save_state(path: Path, mark: dict[str, str], optimisation: Optimisation) -> None:
    """Writes a state to go on from.

    Args:
        path: From :func:`state_path`.
        mark: From :func:`fingerprint`.
        optimisation: What was interrupted.

    Raises:
        StyleNetError: It cannot be written.
    """
    state = {
        "mark": mark,
        "optimisation": optimisation.state_dict(),
        "random": torch.get_rng_state(),
    }
    write(path, state)
