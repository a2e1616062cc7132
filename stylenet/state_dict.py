"""Safe reading of state dicts from other programs, without running code from their files."""

import re
import warnings
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from stylenet.errors import StyleNetError

# Keys under which training scripts store the network's state dict.
_WRAPPERS = ("model_state_dict", "state_dict", "model", "net")
# Message of PyTorch's safe unpickler about a class that it does not load.
_UNKNOWN_CLASS = re.compile(r"Unsupported global: GLOBAL (\S+)|(TorchScript) archive")


def read_state_dict(path: Path, option: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a state dict and its metadata without running code from the file.

    Args:
        path: A ``.safetensors`` file, or a file of ``torch.save`` (often ``.pth`` or ``.model``)
            with a state dict, or with a dict that holds one as ``state_dict``,
            ``model_state_dict``, ``model`` or ``net``.
        option: Option that names the file, for messages.

    Returns:
        The tensors by name, and the metadata of a ``.safetensors`` file (else empty).

    Raises:
        StyleNetError: The file is damaged or holds no state dict.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
        with warnings.catch_warnings():  # about TorchScript files, which are refused below
            warnings.simplefilter("ignore", UserWarning)
            state = torch.load(path, map_location="cpu", weights_only=True)
    # In fuzz tests damaged files made PyTorch's unpickler raise exceptions of any type. Its message
    # is left out, because it advises to let the file run code.
    except Exception as error:
        match = _UNKNOWN_CLASS.search(str(error))
        if match is not None:
            raise StyleNetError(_pickled_module(path, option, match[1] or match[2])) from error
        raise StyleNetError(
            f"{option}={path} cannot be read ({type(error).__name__}): it is damaged, or "
            f"not a .safetensors or .pth state dict of tensors alone"
        ) from error
    for key in _WRAPPERS:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise StyleNetError(f"{option}={path} is not a state dict: expected only names and tensors")
    return state, {}


def _pickled_module(path: Path, option: str, name: str) -> str:
    """Explain how to save the weights of a pickled module."""
    is_script = name == "TorchScript"
    load = f"torch.jit.load('{path}')" if is_script else f"torch.load('{path}', weights_only=False)"
    contents = "a TorchScript program" if is_script else f"a Python object of the class {name}"
    return (
        f"{option}={path} cannot be read: it holds {contents} and not weights alone, and loading "
        f"it would run its code; if you trust it, save its state dict where that class is defined: "
        f"torch.save({load}.state_dict(), 'weights.pth')"
    )
