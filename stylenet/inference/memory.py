"""How much memory there is, and what fits into it."""

from collections.abc import Callable

import psutil
import torch

from stylenet.inference.options import SMALLEST_TILE
from stylenet.networks import AdainStyleNetwork, StagedNetwork, StyleNetwork

# Peak bytes a pixel of a whole image, measured on the CPU at a width of 32 with 512 to 2048
# pixels square: in float32 577 to 786 (johnson) and 58 to 89 (compact), with convolutions in
# bfloat16 289 to 434 and 46 to 54. Of adain_style with the small encoder 459 and 277 at 1024; with
# VGG-19 to relu4_1, whose first layers have 64 channels, 775 and 385, at a width of 64 864 and 512.
_WIDE = {"johnson": 790, "compact": 90, "adain_style": 470}
_NARROW = {"johnson": 440, "compact": 55, "adain_style": 290}
_MEASURED_WIDTH = 32
# Time a pixel was the same for 512, 1024 and 2048 within 5 % in float32; in bfloat16 512 took 29 %
# more than 1024. This takes 0.8 GB in float32.
_TILE = 1024
# So that an image of any size takes some 3 GB beside itself.
_LARGEST_FEATURES = 2**30
# Less is not asked for: the question takes a GPU's driver longer than a small image.
_ALWAYS_FREE = 2**28

# What is free now may be wanted by others a moment later.
_SHARE = 0.5


def free_memory(device: torch.device) -> int:
    """Says how much memory a device has left.

    Args:
        device: Any; Apple's GPUs share the memory of the machine.

    Returns:
        Bytes.
    """
    if device.type == "cuda":
        # What PyTorch holds in reserve is free for the next image.
        reserve = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + reserve
    return psutil.virtual_memory().available


def choose_tile(
    side: int | None, size: tuple[int, int], bytes_per_pixel: float, free: Callable[[], int]
) -> int:
    """Decides whether an image is stylized whole or in tiles.

    Args:
        side: What the user asks for: a side in pixels, 0 for never, ``None`` for as needed.
        size: Height and width of the image.
        bytes_per_pixel: What the network takes at its peak.
        free: Tells the memory at hand, in bytes.

    Returns:
        The side of the tiles in pixels; 0 for the whole image.
    """
    if side is not None:
        return side if max(size) > side else 0
    if size[0] * size[1] * bytes_per_pixel <= _ALWAYS_FREE:
        return 0
    at_hand = free() * _SHARE
    if size[0] * size[1] * bytes_per_pixel <= at_hand:
        return 0
    tile = _TILE
    while tile > SMALLEST_TILE and tile**2 * bytes_per_pixel > at_hand:
        tile //= 2
    return tile


def peak_bytes(network: StyleNetwork, dtype: torch.dtype) -> float:
    """Estimates what a network takes for each pixel of a whole image.

    Args:
        network: Its kind and its width count.
        dtype: Of its convolutions.

    Returns:
        Bytes a pixel.
    """
    measured = _WIDE if dtype == torch.float32 else _NARROW
    width = getattr(network, "arguments", {}).get("width", _MEASURED_WIDTH)
    if isinstance(network, AdainStyleNetwork):
        width = max(width, network.encoder.width)
    name = getattr(network, "name", "johnson")
    return measured.get(name, measured["johnson"]) * width / _MEASURED_WIDTH


def features_need_file(network: StagedNetwork, size: tuple[int, int], dtype: torch.dtype) -> bool:
    """Says whether the features of :func:`stylize_tiled` are too large for memory.

    Args:
        network: Its features count.
        size: Height and width of the image.
        dtype: Of its convolutions.

    Returns:
        Whether they had better go to a file.
    """
    # Two maps: what a stage reads and what it makes.
    pixel = 2 * network.channels / network.stride**2 * dtype.itemsize
    wanted = pixel * size[0] * size[1]
    return wanted > min(_LARGEST_FEATURES, free_memory(torch.device("cpu")) * _SHARE)
