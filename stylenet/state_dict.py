"""Reading weights that other programs saved, without running code from their files."""

from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from stylenet.errors import StyleNetError


def read_state_dict(path: Path, setting: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads a state dict and what its file says of itself; never runs code from the file.

    Args:
        path: A ``.safetensors`` file, or one that ``torch.save`` wrote, there often ``.pth`` or
            ``.model``; the state dict itself, or a dict that holds it as ``state_dict``
            or ``model``.
        setting: What the user set to the path, for messages.

    Returns:
        The tensors by name, and the metadata, empty but for a ``.safetensors`` file.

    Raises:
        StyleNetError: The file is damaged or something else.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
        state = torch.load(path, map_location="cpu", weights_only=True)
    # By trial with a fuzzer, PyTorch's unpickler meets damage with any kind of exception; its words
    # are left out because they advise to allow the file to run code.
    except Exception as error:
        raise StyleNetError(
            f"{setting}={path} cannot be read ({type(error).__name__}): it is damaged, or "
            f"not a .safetensors or .pth state dict of tensors alone"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise StyleNetError(
            f"{setting}={path} is not a state dict: expected names and tensors alone"
        )
    return state, {}
