"""An interrupted optimization on the disk: whole or not at all, read without running code."""

from pathlib import Path
from typing import Any

import torch

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path

# Raised when a state is no longer what it was.
_VERSION = 1


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Writes a state; the file appears whole or not at all.

    Args:
        path: Where to.
        state: Tensors and plain values.

    Raises:
        StyleNetError: It cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save({"version": _VERSION, **state}, file)


def load_state(path: Path) -> dict[str, Any]:
    """Reads what :func:`save_state` wrote.

    Args:
        path: The file.

    Returns:
        The state, its tensors on the CPU.

    Raises:
        StyleNetError: It is damaged, something else, or of another version.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        version = state.pop("version")
    # PyTorch's unpickler meets damage with any kind of exception.
    except Exception as error:
        raise StyleNetError(
            f"{path} is damaged or no interrupted optimization; delete it to begin anew"
        ) from error
    if version != _VERSION:
        raise StyleNetError(
            f"{path} was saved by another version of StyleNet; delete it to begin anew"
        )
    return dict(state)
