"""Choose the device and the precision of inference, and convert a network to it."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from stylenet.arithmetic import bfloat16_is_faster
from stylenet.errors import StyleNetError, check_choice
from stylenet.networks import StyleNetwork

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

# With int8, convolutions compute in bytes and everything else in a float type.
PRECISIONS = ("auto", *DTYPES, "int8")

# Size in pixels of the image that the precisions are timed on. At 256 x 256 float32 takes 2.15
# times as long as bfloat16, at 512 x 512 2.17 times (johnson; compact 1.59 and 1.67). At 128 x 128
# the overhead of calls hides part of the difference (1.46 and 1.19).
_SAMPLE_SIDE = 256


def choose_device(name: str) -> torch.device:
    """Return the device of a given name.

    Args:
        name: ``auto`` (CUDA, else Apple's MPS, else the CPU) or PyTorch's name of a device.

    Raises:
        StyleNetError: This machine has no such device.
    """
    available = ["cpu"]
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    if torch.cuda.is_available():
        gpus = (f"cuda:{index}" for index in range(torch.cuda.device_count()))
        available = ["cuda", *gpus, *available]
    if name == "auto":
        return torch.device(available[0])
    if name not in available:
        raise StyleNetError(
            f"device={name} is not available. Choose {', '.join(available)}, or device=auto."
        )
    return torch.device(name)


def choose_dtype(precision: str, device: torch.device, network: StyleNetwork) -> torch.dtype:
    """Choose the data type of the convolutions, with int8 that of everything else.

    Args:
        precision: One of ``PRECISIONS``. ``auto`` chooses the fastest float type whose result looks
            the same: on three trained networks and six photos, bfloat16 differed from float32 by
            0.1 to 0.3 of 255 levels on average. ``int8`` computes the rest in that type.
        device: The device that the network runs on.
        network: Its measured speed decides on a CPU; see :mod:`stylenet.arithmetic`.

    Raises:
        StyleNetError: The precision is unknown.
    """
    check_choice("precision", precision, PRECISIONS)
    if precision in DTYPES:
        return DTYPES[precision]
    if device.type == "mps":
        return torch.float16
    if bfloat16_is_faster(device, f"inference {network}", _Sample(network)):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else torch.float32


class _Sample:
    """Call that runs a network on a small image in a given data type."""

    def __init__(self, network: StyleNetwork) -> None:
        self._network = network
        self._running: dict[torch.dtype, StyleNetwork] = {}
        side = torch.linspace(0, 1, _SAMPLE_SIDE)
        images = (side.view(-1, 1) * side).expand(1, 3, -1, -1)  # (1, 3, H, W)
        self._images = images.contiguous(memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, dtype: torch.dtype) -> None:
        if dtype not in self._running:
            self._running[dtype] = with_convolutions_in(self._network, dtype)
        self._running[dtype](self._images)


def with_convolutions_in(network: StyleNetwork, dtype: torch.dtype) -> StyleNetwork:
    """Return a copy of a network whose convolutions compute in another data type.

    Autocast would do this too, but it pads in float32 on the CPU: on AVX-512 it took 1.2 to 1.6
    times as long and 1.4 to 1.8 times the memory. Scales and shifts of the normalizations stay in
    float32, and so do the last steps, since the output has the type of the input.

    Args:
        network: Stays unchanged and shares all weights but those of the convolutions.
        dtype: The type of the convolutions.

    Returns:
        The copy, or the network itself for float32.

    Raises:
        StyleNetError: The network's weights are not float32.
    """
    if dtype == torch.float32:
        return network
    if any(p.dtype != torch.float32 for p in network.parameters()):
        raise StyleNetError(
            f"the network's weights are not float32; load it in float32 for {dtype}"
        )
    return replace_layers(
        network, lambda m: _Convolution(m, dtype) if isinstance(m, nn.Conv2d) else None
    )


def replace_layers(module: nn.Module, replace: Callable[[nn.Module], nn.Module | None]) -> Any:
    """Copy a tree of modules with other layers.

    No other attribute is copied: a normalization may hold its statistics provider.

    Args:
        module: Left unchanged; shares all weights with the copy.
        replace: Returns the module to put in the place of another one, ``None`` to keep it.

    Returns:
        The copy.
    """
    replacement = replace(module)
    if replacement is not None:
        return replacement
    copied = copy.copy(module)
    copied._modules = {
        name: child if child is None else replace_layers(child, replace)
        for name, child in module._modules.items()
    }
    return copied


class _Convolution(nn.Module):
    """Convolution that casts its input to the type of its weights."""

    def __init__(self, convolution: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.convolution = copy.deepcopy(convolution).to(dtype)

    def forward(self, features: Tensor) -> Tensor:
        return self.convolution(features.to(self.convolution.weight.dtype))
