"""Reading weights that other programs saved, without running code from their files."""

import re
import warnings
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from stylenet.errors import StyleNetError

# What training scripts put a state dict under, beside their optimizer's.
_WRAPPERS = ("model_state_dict", "state_dict", "model", "net")
# PyTorch's words for a class that its safe unpickler does not know.
_UNKNOWN_CLASS = re.compile(r"Unsupported global: GLOBAL (\S+)|(TorchScript) archive")


def read_state_dict(path: Path, option: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads a state dict and what its file says of itself; never runs code from the file.

    Args:
        path: A ``.safetensors`` file, or one that ``torch.save`` wrote, there often ``.pth`` or
            ``.model``; the state dict itself, or a dict that holds it as ``state_dict``,
            ``model_state_dict``, ``model`` or ``net``.
        option: What the user set to the path, for messages.

    Returns:
        The tensors by name, and the metadata, empty but for a ``.safetensors`` file.

    Raises:
        StyleNetError: The file is damaged or something else.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
        with warnings.catch_warnings():  # about TorchScript, which is refused below
            warnings.simplefilter("ignore", UserWarning)
            state = torch.load(path, map_location="cpu", weights_only=True)
    # By trial with a fuzzer, PyTorch's unpickler meets damage with any kind of exception; its words
    # are left out because they advise to allow the file to run code.
    except Exception as error:
        unknown = _UNKNOWN_CLASS.search(str(error))
        if unknown is not None:
            raise StyleNetError(_whole_module(path, option, unknown[1] or unknown[2])) from error
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
        raise StyleNetError(
            f"{option}={path} is not a state dict: expected names and tensors alone"
        )
    return state, {}


def _whole_module(path: Path, option: str, name: str) -> str:
    """Say how to save the weights of a module that was saved with its class."""
    script = name == "TorchScript"
    load = f"torch.jit.load('{path}')" if script else f"torch.load('{path}', weights_only=False)"
    what = "a TorchScript program" if script else f"a Python object of the class {name}"
    return (
        f"{option}={path} cannot be read: it holds {what} and not weights alone, and to load it "
        f"would run its code; if you trust it, save its state dict where that class is: "
        f"torch.save({load}.state_dict(), 'weights.pth')"
    )
