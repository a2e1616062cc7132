"""Between a dataset and its batches: which sample is next, and the processes that decode them."""

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
    """What a loader's process hands over.

    Attributes:
        pixels: RGB bytes, shape (N, crop, crop, 3); ``None`` where no file was usable.
        skipped: Why files were skipped on the way, a line each, with their paths.
    """

    pixels: Tensor | None
    skipped: list[str]


class Pairs(NamedTuple):
    """What training gets where paintings come with the photos.

    Attributes:
        photos: RGB in [0, 1], shape (N, 3, crop, crop).
        paintings: The same of as many crops of paintings.
    """

    photos: Tensor
    paintings: Tensor


def photos_of(batch: Tensor | Pairs) -> Tensor:
    """Gives the photos of a batch, with or without paintings beside them.

    Args:
        batch: What training gets.

    Returns:
        RGB in [0, 1], shape (N, 3, crop, crop).
    """
    return batch.photos if isinstance(batch, Pairs) else batch


def collate(samples: list[Sample]) -> Batch:
    """Stacks the samples that there are and gathers what was skipped for them.

    Args:
        samples: From a dataset.

    Returns:
        One batch.
    """
    pixels = [sample.pixels for sample in samples if sample.pixels is not None]
    skipped = [reason for sample in samples for reason in sample.skipped]
    return Batch(torch.stack(pixels) if pixels else None, skipped)


def leave_signals_to_the_trainer(worker: int) -> None:
    """Keeps a loader's process alive through Ctrl-C and a scheduler's SIGTERM or SIGUSR1.

    They reach every process of a job at once, and the trainer needs its loader to finish the step
    at hand. A SIGTERM of the trainer's own still ends the loader: it is Python's way to end
    what runs at exit, and a process that ignored it would be waited for without end.

    Args:
        worker: Number of the process; PyTorch passes it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGUSR1"):  # not on Windows
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if sys.platform == "linux":  # who sent a signal is not to be had elsewhere
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_for, args=(os.getppid(),), daemon=True).start()


def _end_for(parent: int) -> None:
    """Ends this process when a SIGTERM comes from its parent."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)


class EndlessSampler(Sampler[int]):
    """Counts on from a number in steps of the number of devices."""

    def __init__(self, start: int, step: int) -> None:
        """Sets the numbers.

        Args:
            start: The first.
            step: From each to the next.
        """
        self._start = start
        self._step = step

    def __iter__(self) -> Iterator[int]:
        n = self._start
        while True:
            yield n
            n += self._step
