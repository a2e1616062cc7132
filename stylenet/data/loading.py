"""Batches, samplers and worker processes of the data loaders."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Sampler

from stylenet.data.photos import Sample


class Batch(NamedTuple):
    """Batch from a loader's worker.

    Attributes:
        pixels: RGB, uint8, shape (N, crop, crop, 3); ``None`` if no file was usable.
        skipped: One line per skipped file, with its path and the reason.
        motion: For videos, whose pixels then have the shape (N, 2, crop, crop, 3): see
            :class:`Clips`.
    """

    pixels: Tensor | None
    skipped: list[str]
    motion: Tensor | None = None


class Pairs(NamedTuple):
    """Training batch of photos and style images, of which there may be another number.

    Attributes:
        photos: RGB in [0, 1], shape (N, 3, crop, crop).
        styles: Crops of style images, RGB in [0, 1], shape (K, 3, style crop, style crop).
    """

    photos: Tensor
    styles: Tensor


class Clips(NamedTuple):
    """Training batch of neighboring frames of videos.

    Attributes:
        batch: What photos would give: the earlier frame of each pair, RGB in [0, 1], shape
            (N, 3, crop, crop), perhaps with style images.
        following: The later frames, the same shape.
        motion: The offset in pixels, down and to the right, from each pixel of the later frame to
            its position in the earlier one; and 1 for each pixel that both show, 0 for others;
            shape (N, 3, crop, crop).
    """

    batch: Tensor | Pairs
    following: Tensor
    motion: Tensor


def photos_of(batch: Tensor | Pairs | Clips) -> Tensor:
    """Return the photos, or earlier frames, of any training batch: (N, 3, crop, crop)."""
    photos = batch.batch if isinstance(batch, Clips) else batch
    return photos.photos if isinstance(photos, Pairs) else photos


def split_clips(batch: Tensor | Pairs | Clips) -> tuple[Any, Clips | None]:
    """Return what photos would give, and the clips; ``None`` for a batch of photos."""
    return (batch.batch, batch) if isinstance(batch, Clips) else (batch, None)


def collate(samples: list[Sample]) -> Batch:
    """Stack the usable samples and collect the reasons for skipped files."""
    pixels = [sample.pixels for sample in samples if sample.pixels is not None]
    skipped = [reason for sample in samples for reason in sample.skipped]
    motions = [sample.motion for sample in samples if sample.motion is not None]
    return Batch(
        torch.stack(pixels) if pixels else None, skipped, torch.stack(motions) if motions else None
    )


def leave_signals_to_the_trainer(worker: int) -> None:
    """Keep a loader's worker alive through Ctrl-C and a scheduler's SIGTERM or SIGUSR1.

    These signals reach every process of a job at once, and the trainer needs its workers to finish
    the current step. A SIGTERM from the trainer itself still ends the worker: Python ends workers
    this way at exit, and would wait forever for one that ignores it.

    Args:
        worker: Not used.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGUSR1"):  # not on Windows
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if sys.platform == "linux":  # other systems do not report the sender of a signal
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_for, args=(os.getppid(),), daemon=True).start()


def _end_for(parent: int) -> None:
    """Exit when a SIGTERM comes from the parent process."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)


class EndlessSampler(Sampler[int]):
    """Endless sampler of the indices start, start + step, and so on.

    With ``start`` plus the rank and ``step`` equal to the world size, ranks share one order.
    """

    def __init__(self, start: int, step: int) -> None:
        self._start = start
        self._step = step

    def __iter__(self) -> Iterator[int]:
        index = self._start
        while True:
            yield index
            index += self._step
