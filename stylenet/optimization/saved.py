"""Files of interrupted optimizations, written atomically and read without running code."""

from pathlib import Path
from typing import Any

import torch

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path

# Raised when the state changes.
_VERSION = 1


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state atomically.

    Args:
        path: Path of the file.
        state: Tensors and plain values.

    Raises:
        StyleNetError: The file cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        torch.save({"version": _VERSION, **state}, file)


def load_state(path: Path) -> dict[str, Any]:
    """Read a file of :func:`save_state`.

    Args:
        path: Path of the file.

    Returns:
        The state, with tensors on the CPU.

    Raises:
        StyleNetError: The file is damaged, no such file, or of another version.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        version = state.pop("version")
    # PyTorch's unpickler raises any kind of exception on damaged files.
    except Exception as error:
        raise StyleNetError(
            f"{path} is damaged, or holds no interrupted optimization. Delete it to start anew."
        ) from error
    if version != _VERSION:
        raise StyleNetError(
            f"{path} was saved by another version of StyleNet. Delete it to start anew."
        )
    return dict(state)
