"""Comparison of an exported network with the PyTorch network: images and time."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice

import torch
from torch import Tensor

from stylenet.errors import StyleNetError
from stylenet.networks import Dials, DialsNetwork, StyleNetwork

# (N, H, W): a regular size, an odd size, and a batch of an odd size.
SIZES = ((1, 256, 256), (1, 203, 151), (2, 96, 130))
# Timed runs; their median is reported.
_TIMED_RUNS = 3

Runner = Callable[[Tensor], Tensor]
# For a network whose dials are inputs beside the images.
DialsRunner = Callable[[Tensor, Dials], Tensor]
# Both dials in the middle, each alone, and both off the axes; the ends may differ by network.
_DIALS = (Dials(), Dials(1.5, 1.0), Dials(1.0, 0.5), Dials(0.75, 2.0), Dials(1.25, 0.75))


@dataclass(frozen=True)
class Report:
    """Comparison of an exported network with the PyTorch network.

    Attributes:
        style: Name of the style.
        format: File format.
        precision: Precision of weights and features.
        uint8: Whether images are uint8 instead of float32.
        size: Fixed height and width of the images; ``None`` for any size.
        bytes: Total size of the written files.
        sizes: (N, H, W) of the compared images; none if this machine cannot run the file.
        mean_difference: Mean absolute difference of the images, in 1/255; ``None`` if not compared.
        max_difference: Largest absolute difference, in 1/255; ``None`` if not compared.
        seconds: Median time for images of the first of ``sizes``.
        seconds_pytorch: Median time of the PyTorch network in float32, on the same images.
        remark: What the format has to say, such as what was not compared.
        dials: Whether the dials are inputs of the file; then they were compared at several values.
    """

    style: str
    format: str
    precision: str
    uint8: bool
    size: tuple[int, int] | None
    bytes: int
    sizes: tuple[tuple[int, int, int], ...]
    mean_difference: float | None = None
    max_difference: float | None = None
    seconds: float | None = None
    seconds_pytorch: float | None = None
    remark: str | None = None
    dials: bool = False


@dataclass(frozen=True)
class Comparison:
    """Measured differences and times, as in :class:`Report`."""

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
) -> Comparison:
    """Run the PyTorch network and the exported network on the same images.

    Args:
        network: The PyTorch network, on the CPU.
        runner: Runs the exported network.
        uint8: Whether the exported network takes uint8 images, shape (N, H, W, 3).
        photos: Photos to crop the images from, shape (1, 3, H, W). Without photos the images are
            synthetic, for which int8 networks are not calibrated.
        sizes: (N, H, W) of the images; the first size is timed.

    Raises:
        StyleNetError: The exported network gives an image of another shape.
    """
    differences = []
    for images in _crop_photos(photos, sizes) if photos else _synthetic_images(sizes):
        expected = network(images)
        stylized = _run(runner, images, uint8)
        if stylized.shape != expected.shape:
            raise StyleNetError(
                f"the exported network returns shape {tuple(stylized.shape)} for images of shape "
                f"{tuple(images.shape)}"
            )
        differences.append((stylized - expected).abs().flatten() * 255)
    difference = torch.cat(differences)
    count, height, width = sizes[0]
    images = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))
    return Comparison(
        mean_difference=float(difference.mean()),
        max_difference=float(difference.max()),
        seconds=_time(lambda: _run(runner, images, uint8)),
        seconds_pytorch=_time(lambda: network(images)),
    )


def compare_dials(
    network: DialsNetwork,
    runner: DialsRunner,
    uint8: bool,
    sizes: Sequence[tuple[int, int, int]],
) -> Comparison:
    """Compare a network with dials with its export, at several positions of the dials.

    Args:
        network: The PyTorch network, on the CPU.
        runner: Runs the exported network, whose dials are inputs.
        uint8: See :func:`compare`.
        sizes: See :func:`compare`.

    Returns:
        The largest mean and the largest difference of all positions, and the times at the first.

    Raises:
        StyleNetError: See :func:`compare`.
    """
    largest, smallest = (
        Dials(**{name: limit**sign for name, limit in network.limits.items()}) for sign in (1, -1)
    )
    inside = [
        dials
        for dials in _DIALS
        if all(1 / limit <= getattr(dials, k) <= limit for k, limit in network.limits.items())
    ]
    results = [
        compare(network.select(dials), partial(_run_at, runner, dials), uint8, sizes=sizes)
        for dials in (*inside, smallest, largest)
    ]
    return replace(
        results[0],
        mean_difference=max(result.mean_difference for result in results),
        max_difference=max(result.max_difference for result in results),
    )


def _run_at(runner: DialsRunner, dials: Dials, images: Tensor) -> Tensor:
    return runner(images, dials)


def to_uint8(images: Tensor) -> Tensor:
    """Convert RGB in [0, 1], shape (N, 3, H, W), to uint8, shape (N, H, W, 3)."""
    return (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _synthetic_images(sizes: Sequence[tuple[int, int, int]]) -> Iterator[Tensor]:
    """Yield random images of each size, in multiples of 1/255."""
    generator = torch.Generator().manual_seed(0)
    for count, height, width in sizes:
        # Smooth colors plus noise resemble photos better than either alone.
        coarse = torch.rand(count, 3, 9, 9, generator=generator)
        smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
        noise = torch.rand(count, 3, height, width, generator=generator)
        yield ((0.8 * smooth + 0.2 * noise).clamp(0, 1) * 255).round() / 255


def _crop_photos(
    photos: Sequence[Tensor], sizes: Sequence[tuple[int, int, int]]
) -> Iterator[Tensor]:
    """Yield center crops of photos of each size, in multiples of 1/255."""
    photos_in_turn = cycle(photos)
    for count, height, width in sizes:
        crops = []
        for photo in islice(photos_in_turn, count):
            top, left = (photo.shape[2] - height) // 2, (photo.shape[3] - width) // 2
            crops.append(photo[:, :, top : top + height, left : left + width])
        yield (torch.cat(crops) * 255).round() / 255


def _run(runner: Runner, images: Tensor, uint8: bool) -> Tensor:
    """Run the exported network on float images, converting from and to uint8 if needed."""
    if not uint8:
        return runner(images)
    return runner(to_uint8(images)).permute(0, 3, 1, 2).float() / 255


def _time(run: Callable[[], object]) -> float:
    """Return the median seconds of a run, after a warm-up run."""
    run()
    seconds = []
    for _ in range(_TIMED_RUNS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
