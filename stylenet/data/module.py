"""The Lightning data module: endless batches that continue where a run left off."""

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stylenet.data.loading import (
    Batch,
    EndlessSampler,
    Pairs,
    collate,
    leave_signals_to_the_trainer,
)
from stylenet.data.photos import PhotoDataset, to_floats
from stylenet.data.scan import scan_photos
from stylenet.errors import StyleNetError, check_number
from stylenet.files import user_path

_log = logging.getLogger(__name__)

# Files looked at before a folder is called mostly bad.
_FEW = 32


class PhotoData(pl.LightningDataModule):
    """Batches of random crops from a folder of photos.

    Attributes:
        batch_size: Images a step on each device.
        dataset: What is drawn from; its photos are there after ``setup``.
        paintings: Where crops of paintings come with the photos: what these are drawn from.
    """

    # In configs/data/: the choice that `check_data` lists the unusable files of data.root with.
    _choice = "folder"
    # What the user named the folder by.
    _setting = "data.root"

    def __init__(
        self,
        root: str,
        crop_size: int,
        batch_size: int,
        max_scale: float = 1.5,
        min_size: int = 64,
        workers: int | None = None,
        seed: int = 0,
        styles: str | None = None,
        styles_setting: str = "data.styles",
    ) -> None:
        """Sets what is drawn, without touching the disk.

        Args:
            root: The folder, searched with its subfolders.
            crop_size: Side of the square crops, in pixels.
            batch_size: Images a step on each device.
            max_scale: See :class:`PhotoDataset`.
            min_size: See :class:`PhotoDataset`.
            workers: Decoding processes for each device; ``None`` for one a core of those that are
                its own, 8 at most. The samples do not depend on it.
            seed: Chooses the order and the crops.
            styles: A folder of paintings, searched with its subfolders: with each batch of photos
                comes one of as many crops of these. ``None`` for photos alone.
            styles_setting: What the user named that folder by, for messages.

        Raises:
            StyleNetError: A value is impossible.
        """
        super().__init__()
        if not root:
            raise StyleNetError("data.root is empty; set it to a folder of photos")
        check_number("data.batch_size", batch_size, minimum=1, integer=True)
        if workers is not None:
            check_number("data.workers", workers, minimum=0, integer=True)
        self.root = user_path(root)  # data.root=2017 arrives as a number
        self.batch_size = batch_size
        self.workers = workers
        self.dataset = PhotoDataset(self.root, [], crop_size, max_scale, min_size, seed)
        self._named: set[str] = set()
        self._used = 0
        self._skipped = 0
        self.paintings: PhotoData | None = None
        if styles is not None:
            # Of another seed: as many paintings as photos would else come in the same order, and
            # each photo always with the same painting.
            options = (crop_size, batch_size, max_scale, min_size, workers, seed + 1)
            self.paintings = PhotoData(str(styles), *options)
            self.paintings._setting = styles_setting

    def photo_folder(self) -> Path:
        """Says which folder is searched.

        Returns:
            The folder.
        """
        return self.root

    def list_photos(self) -> list[str]:
        """Lists the photos of the folder.

        Returns:
            Paths relative to the folder.

        Raises:
            StyleNetError: The folder is missing or holds no image.
        """
        return scan_photos(self.photo_folder(), self._setting)

    def setup(self, stage: str | None = None) -> None:
        """Finds the photos.

        Args:
            stage: Of no matter; Lightning passes it.

        Raises:
            StyleNetError: The folder is missing or holds no image.
        """
        if not self.dataset.photos:
            self.dataset.root = self.photo_folder()
            self.dataset.photos = self.list_photos()
        if self.paintings is not None:
            self.paintings.setup()

    def decoders(self, beside: int = 1) -> int:
        """Counts the processes that decode.

        Args:
            beside: How many trainers share this machine.

        Returns:
            For each trainer, what ``workers`` says, else one a core, 8 at most.
        """
        return min(8, cores(beside)) if self.workers is None else self.workers

    def train_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """Makes the loader, from the sample that the trainer's step has come to.

        Returns:
            Endless batches; ``on_before_batch_transfer`` takes the images out of them. With
            paintings two loaders, whose batches come together.
        """
        if self.paintings is None:
            return self._loader()
        self.paintings.trainer = self.trainer
        return [self._loader(), self.paintings._loader()]

    def _loader(self) -> DataLoader[Batch]:
        """Batches of this folder alone."""
        world, rank, done, beside = 1, 0, 0, 1
        if self.trainer is not None:
            world, rank = self.trainer.world_size, self.trainer.global_rank
            beside = self.trainer.num_devices
            done = self.trainer.global_step * self.trainer.accumulate_grad_batches
        workers = self.decoders(beside)
        return DataLoader(
            cast(Dataset[Batch], self.dataset),  # collated to batches
            batch_size=self.batch_size,
            sampler=EndlessSampler(done * self.batch_size * world + rank, world),
            num_workers=workers,
            collate_fn=collate,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=workers > 0,
            # Of its own, so that making an iterator draws nothing from the run's random state.
            generator=torch.Generator().manual_seed(0),
            worker_init_fn=leave_signals_to_the_trainer,
        )

    def on_before_batch_transfer(
        self, batch: Batch | list[Batch], dataloader_idx: int
    ) -> Tensor | Pairs:
        """Names skipped files once, and ends the run if most are bad.

        Args:
            batch: From the loader, or one from each of the two.
            dataloader_idx: Of no matter; Lightning passes it.

        Returns:
            RGB bytes, shape (batch, crop, crop, 3); with paintings as many of these beside.

        Raises:
            StyleNetError: More files were skipped than used.
        """
        if self.paintings is None:
            assert isinstance(batch, Batch)
            return self._pixels(batch)
        photos, paintings = batch
        assert isinstance(photos, Batch)
        assert isinstance(paintings, Batch)
        return Pairs(self._pixels(photos), self.paintings._pixels(paintings))

    def on_after_batch_transfer(self, batch: Tensor | Pairs, dataloader_idx: int) -> Tensor | Pairs:
        """Turn the bytes of a batch into floats, on the device.

        Args:
            batch: From :meth:`on_before_batch_transfer`.
            dataloader_idx: Index of the loader.

        Returns:
            RGB in [0, 1], shape (batch, 3, crop, crop), channels-last in memory; with paintings as
            many of these beside.
        """
        double = getattr(self.trainer, "precision", None) == "64-true"

        def convert(pixels: Tensor) -> Tensor:
            images = to_floats(pixels)
            return images.double() if double else images

        return Pairs(*map(convert, batch)) if isinstance(batch, Pairs) else convert(batch)

    def _pixels(self, batch: Batch) -> Tensor:
        """The bytes of a batch, its bad files told of."""
        used = 0 if batch.pixels is None else len(batch.pixels)
        self._used += used
        self._skipped += len(batch.skipped)
        for reason in batch.skipped:
            if reason not in self._named:
                self._named.add(reason)
                _log.warning("skipped: %s", reason)
        tried = self._used + self._skipped
        if used < self.batch_size or (tried >= _FEW and self._skipped > self._used):
            raise StyleNetError(
                f"{self._setting}={self.root}: {self._skipped} of the {tried} files tried were "
                f"unusable; list them with: {self._check}"
            )
        assert batch.pixels is not None
        return batch.pixels

    @property
    def _check(self) -> str:
        """The command that lists unusable files."""
        return f"python scripts/check_data.py data={self._choice} data.root={self.root}"

    @property
    def skipped_files(self) -> int:
        """How many different files were skipped so far."""
        return len(self._named) + (0 if self.paintings is None else self.paintings.skipped_files)

    def preview_photos(self, count: int, size: int) -> Tensor:
        """Shows a few photos, the same ones every time, from all over the folder.

        Args:
            count: How many, fewer if the folder has fewer usable ones.
            size: Side of the squares, in pixels.

        Returns:
            RGB in [0, 1], shape (count, 3, size, size).

        Raises:
            StyleNetError: No photo tried was usable.
        """
        total = len(self.dataset.photos)
        # Evenly spread ones first; bad files give their places to the ones after those.
        step = max(1, total // max(1, count))
        order = sorted(range(total), key=lambda index: index % step)
        crops: list[Tensor] = []
        for index in order[: count + _FEW]:
            with suppress(StyleNetError):
                crops.append(self.dataset.center_crop(index, size))
            if len(crops) == count:
                break
        if not crops:
            raise StyleNetError(
                f"{self._setting}={self.root}: no usable photo among those tried; list them with: "
                f"{self._check}"
            )
        return torch.stack(crops)


def cores(processes: int = 1) -> int:
    """Counts the cores that are this process' own.

    Args:
        processes: How many on this machine do the same work at the same time.

    Returns:
        One at least: those that a scheduler bound the process to, else an equal part of all.
    """
    everything = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux alone
        bound = len(os.sched_getaffinity(0))
        if bound < everything:
            return bound
    return max(1, everything // processes)
