"""Whether an exported network gives the images of the network itself, and how fast."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.networks import StyleNetwork

# A regular size, an odd one, and a batch of odd ones.
SIZES = ((1, 256, 256), (1, 203, 151), (2, 96, 130))
# Images for the timing.
_TIMES = 3

Runner = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Report:
    """How an exported network compares with the network itself.

    Attributes:
        style: What the network paints.
        format: Of the file.
        precision: Of weights and features.
        uint8: Whether images are bytes.
        size: Height and width of the images, if they are fixed.
        bytes: Size of the file or files.
        sizes: (N, H, W) of the images compared.
        mean_difference: Of the images, the mean of the absolute difference, in 1/255.
        max_difference: The largest, in 1/255.
        seconds: For an image of the first of ``sizes``, median of a few.
        seconds_pytorch: The same for the network itself in float32.
    """

    style: str
    format: str
    precision: str
    uint8: bool
    size: tuple[int, int] | None
    bytes: int
    sizes: tuple[tuple[int, int, int], ...]
    mean_difference: float
    max_difference: float
    seconds: float
    seconds_pytorch: float


@torch.inference_mode()
def compare(
    network: StyleNetwork,
    runner: Runner,
    uint8: bool,
    photos: Sequence[Tensor] = (),
    sizes: Sequence[tuple[int, int, int]] = SIZES,
) -> tuple[float, float, float, float]:
    """Runs both on the same images.

    Args:
        network: The network itself, on the CPU.
        runner: What runs the exported one, on images as it takes them.
        uint8: Whether it takes bytes, shape (N, H, W, 3).
        photos: What the images are cut from, shape (1, 3, H, W); without any they are made up,
            which no quantized network is calibrated for.
        sizes: (N, H, W) of the images; the first is timed.

    Returns:
        Mean and largest difference in 1/255, seconds of the exported and of the network
        itself.

    Raises:
        StyleNetError: The exported one gives another shape.
    """
    differences = []
    for images in _cut(photos, sizes) if photos else _make_up(sizes):
        expected = network(images)
        found = _run(runner, images, uint8)
        if found.shape != expected.shape:
            raise StyleNetError(
                f"the exported network gives {tuple(found.shape)} for {tuple(images.shape)}"
            )
        differences.append((found - expected).abs().flatten() * 255)
    joined = torch.cat(differences)
    count, height, width = sizes[0]
    images = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))
    return (
        float(joined.mean()),
        float(joined.max()),
        _time(lambda: _run(runner, images, uint8)),
        _time(lambda: network(images)),
    )


def as_bytes(images: Tensor) -> Tensor:
    """Turns images into what networks for bytes take.

    Args:
        images: RGB in [0, 1], shape (N, 3, H, W).

    Returns:
        uint8, shape (N, H, W, 3).
    """
    return (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _make_up(sizes: Sequence[tuple[int, int, int]]) -> Iterator[Tensor]:
    """Images of every size, of whole steps of 1/255."""
    generator = torch.Generator().manual_seed(0)
    for count, height, width in sizes:
        # Smooth colors and noise: nearer to photos than either alone.
        coarse = torch.rand(count, 3, 9, 9, generator=generator)
        smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
        noise = torch.rand(count, 3, height, width, generator=generator)
        yield ((0.8 * smooth + 0.2 * noise).clamp(0, 1) * 255).round() / 255


def _cut(photos: Sequence[Tensor], sizes: Sequence[tuple[int, int, int]]) -> Iterator[Tensor]:
    """The same of photos, from their middles."""
    waiting = cycle(photos)
    for count, height, width in sizes:
        cut = []
        for photo in islice(waiting, count):
            top, left = (photo.shape[2] - height) // 2, (photo.shape[3] - width) // 2
            cut.append(photo[:, :, top : top + height, left : left + width])
        yield (torch.cat(cut) * 255).round() / 255


def _run(runner: Runner, images: Tensor, uint8: bool) -> Tensor:
    """Gives images to the exported network in its own form."""
    if not uint8:
        return runner(images)
    return runner(as_bytes(images)).permute(0, 3, 1, 2).float() / 255


def _time(run: Callable[[], object]) -> float:
    """Median seconds of a few runs, after one to warm up."""
    run()
    seconds = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
