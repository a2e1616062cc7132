"""Batches, samplers and worker processes of the data loaders."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Sampler

from stylenet.data.photos import Sample


class Batch(NamedTuple):
    """Batch from a loader's worker.

    Attributes:
        pixels: RGB, uint8, shape (N, crop, crop, 3); ``None`` if no file was usable.
        skipped: One line per skipped file, with its path and the reason.
    """

    pixels: Tensor | None
    skipped: list[str]


class Pairs(NamedTuple):
    """Training batch of photos and style images, of which there may be another number.

    Attributes:
        photos: RGB in [0, 1], shape (N, 3, crop, crop).
        styles: Crops of style images, RGB in [0, 1], shape (K, 3, style crop, style crop).
    """

    photos: Tensor
    styles: Tensor


def photos_of(batch: Tensor | Pairs) -> Tensor:
    """Return the photos of a training batch with or without style images: (N, 3, crop, crop)."""
    return batch.photos if isinstance(batch, Pairs) else batch


def collate(samples: list[Sample]) -> Batch:
    """Stack the usable samples and collect the reasons for skipped files."""
    pixels = [sample.pixels for sample in samples if sample.pixels is not None]
    skipped = [reason for sample in samples for reason in sample.skipped]
    return Batch(torch.stack(pixels) if pixels else None, skipped)


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
