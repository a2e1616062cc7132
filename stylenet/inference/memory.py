"""Estimate memory use and choose the tile size."""

from collections.abc import Callable

import psutil
import torch

from stylenet.inference.options import SMALLEST_TILE
from stylenet.networks import AdainStyleNetwork, StagedNetwork, StyleNetwork

# Peak bytes per pixel of an untiled image, measured on the CPU at a network width of 32 with images
# of 512 to 2048 pixels square: in float32 577 to 786 (johnson) and 58 to 89 (compact), with
# bfloat16 convolutions 289 to 434 and 46 to 54. adain_style with the small encoder took 459 and 277
# at 1024; with VGG-19 to relu4_1, whose first layers have 64 channels, 775 and 385, and at a width
# of 64 864 and 512.
_FLOAT32_BYTES = {"johnson": 790, "compact": 90, "adain_style": 470}
_HALF_BYTES = {"johnson": 440, "compact": 55, "adain_style": 290}
_MEASURED_WIDTH = 32
# Default tile size. The time per pixel was the same for 512, 1024 and 2048 within 5 % in float32;
# in bfloat16 512 took 29 % more than 1024. A tile of 1024 takes 0.8 GB in float32.
_DEFAULT_TILE = 1024
# Feature maps above this go to a file, so that an image of any size takes about 3 GB.
_MAX_FEATURE_BYTES = 2**30
# Below this the free memory is not queried: on a GPU the query takes longer than a small image.
_SMALL_IMAGE_BYTES = 2**28

# Usable fraction of the free memory; other programs may need the rest a moment later.
_USABLE_FRACTION = 0.5


def free_memory(device: torch.device) -> int:
    """Return the free memory of a device in bytes.

    Apple's GPUs share the memory of the machine.
    """
    if device.type == "cuda":
        # Memory that PyTorch's allocator holds in reserve is free for the next image.
        reserve = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + reserve
    return psutil.virtual_memory().available


def choose_tile(
    requested: int | None, size: tuple[int, int], bytes_per_pixel: float, free: Callable[[], int]
) -> int:
    """Choose the tile size for an image.

    Args:
        requested: The tile size that the user asked for; 0 for never, ``None`` for as needed.
        size: Height and width of the image.
        bytes_per_pixel: Peak memory of the network.
        free: Returns the free memory in bytes.

    Returns:
        The tile size in pixels; 0 if the image is not tiled.
    """
    if requested is not None:
        return requested if max(size) > requested else 0
    if size[0] * size[1] * bytes_per_pixel <= _SMALL_IMAGE_BYTES:
        return 0
    usable = free() * _USABLE_FRACTION
    if size[0] * size[1] * bytes_per_pixel <= usable:
        return 0
    tile = _DEFAULT_TILE
    while tile > SMALLEST_TILE and tile**2 * bytes_per_pixel > usable:
        tile //= 2
    return tile


def peak_bytes(network: StyleNetwork, dtype: torch.dtype) -> float:
    """Estimate the peak memory of a network per pixel of an untiled image.

    Args:
        network: Its architecture and width decide.
        dtype: Type of the convolutions.

    Returns:
        Bytes per pixel.
    """
    measured = _FLOAT32_BYTES if dtype == torch.float32 else _HALF_BYTES
    width = getattr(network, "arguments", {}).get("width", _MEASURED_WIDTH)
    if isinstance(network, AdainStyleNetwork):
        width = max(width, network.encoder.width)
    name = getattr(network, "name", "johnson")
    return measured.get(name, measured["johnson"]) * width / _MEASURED_WIDTH


def features_need_file(network: StagedNetwork, size: tuple[int, int], dtype: torch.dtype) -> bool:
    """Return whether :func:`stylize_tiled` should keep its feature maps in a file.

    Args:
        network: Its number of channels and stride decide.
        size: Height and width of the image.
        dtype: Type of the convolutions.
    """
    # Two feature maps: the input and the output of a stage.
    bytes_per_pixel = 2 * network.channels / network.stride**2 * dtype.itemsize
    needed = bytes_per_pixel * size[0] * size[1]
    return needed > min(_MAX_FEATURE_BYTES, free_memory(torch.device("cpu")) * _USABLE_FRACTION)
