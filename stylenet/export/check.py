"""Whether an exported network gives the pictures of the network itself, and how fast."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.networks import StyleNetwork

# A regular size, an odd one, and a batch of odd ones.
_SIZES = ((1, 256, 256), (1, 203, 151), (2, 96, 130))
# Pictures for the timing.
_TIMES = 3

Runner = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Report:
    """How an exported network compares with the network itself.

    Attributes:
        format: Of the file.
        precision: Of weights and features.
        uint8: Whether images are bytes.
        bytes: Size of the file or files.
        sizes: (N, H, W) of the images compared.
        mean_difference: Of the pictures, the mean of the absolute difference, in 1/255.
        max_difference: The largest, in 1/255.
        seconds: For a picture of 256 x 256 pixels, median of a few.
        seconds_pytorch: The same for the network itself in float32.
    """

    format: str
    precision: str
    uint8: bool
    bytes: int
    sizes: tuple[tuple[int, int, int], ...]
    mean_difference: float
    max_difference: float
    seconds: float
    seconds_pytorch: float


@torch.inference_mode()
def compare(
    network: StyleNetwork, runner: Runner, uint8: bool
) -> tuple[tuple[tuple[int, int, int], ...], float, float, float, float]:
    """Runs both on the same images.

    Args:
        network: The network itself, on the CPU.
        runner: What runs the exported one, on images as it takes them.
        uint8: Whether it takes bytes, shape (N, H, W, 3).

    Returns:
        The sizes, mean and largest difference in 1/255, seconds of the exported and of the network
        itself.

    Raises:
        StyleNetError: The exported one gives another shape.
    """
    generator = torch.Generator().manual_seed(0)
    differences = []
    for count, height, width in _SIZES:
        # Smooth colours and noise: nearer to photos than either alone.
        coarse = torch.rand(count, 3, 9, 9, generator=generator)
        smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
        noise = torch.rand(count, 3, height, width, generator=generator)
        images = ((0.8 * smooth + 0.2 * noise).clamp(0, 1) * 255).round() / 255
        expected = network(images)
        found = _run(runner, images, uint8)
        if found.shape != expected.shape:
            raise StyleNetError(
                f"the exported network gives {tuple(found.shape)} for {tuple(images.shape)}"
            )
        differences.append((found - expected).abs().flatten() * 255)
    joined = torch.cat(differences)
    images = torch.rand(1, 3, 256, 256, generator=generator)
    return (
        _SIZES,
        float(joined.mean()),
        float(joined.max()),
        _time(lambda: _run(runner, images, uint8)),
        _time(lambda: network(images)),
    )


def _run(runner: Runner, images: Tensor, uint8: bool) -> Tensor:
    """Gives images to the exported network in its own form."""
    if not uint8:
        return runner(images)
    pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    return runner(pixels).permute(0, 3, 1, 2).float() / 255


def _time(run: Callable[[], object]) -> float:
    """Median seconds of a few runs, after one to warm up."""
    run()
    seconds = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
