"""Lightning data module with endless batches that resume exactly."""

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stylenet.data.loading import (
    Batch,
    Clips,
    EndlessSampler,
    Pairs,
    collate,
    leave_signals_to_the_trainer,
)
from stylenet.data.photos import PhotoDataset, to_floats
from stylenet.data.scan import scan_photos
from stylenet.errors import StyleNetError, check_number
from stylenet.files import user_path
from stylenet.program import command

_log = logging.getLogger(__name__)

# Number of files tried before a run with mostly unusable files ends.
_MIN_TRIED = 32


class PhotoData(pl.LightningDataModule):
    """Batches of random crops from a folder of photos.

    Attributes:
        batch_size: Images per step and device.
        dataset: Dataset of the photos; ``setup`` lists them.
        style_data: Data module of the style images that accompany the photos, if any.
        unit: Name of the files in messages.
        dataset_type: Class of the dataset.
    """

    unit = "photos"
    dataset_type: type[PhotoDataset] = PhotoDataset

    # Config in configs/data/ with which `check_data` lists the unusable files of data.root.
    _config = "folder"
    # Option that names the folder, for messages.
    _option = "data.root"

    def __init__(
        self,
        root: str,
        crop_size: int,
        batch_size: int,
        max_scale: float = 1.5,
        min_size: int = 64,
        workers: int | None = None,
        seed: int = 0,
        permute_colors: bool = False,
        styles: str | None = None,
        styles_option: str = "data.styles",
        style_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Check the options without reading the disk.

        Args:
            root: Folder of photos, searched with its subfolders.
            crop_size: Height and width of the crops, in pixels.
            batch_size: Images per step and device.
            max_scale: See :class:`PhotoDataset`.
            min_size: See :class:`PhotoDataset`.
            workers: Decoding processes per device; ``None`` for one per available core, at most 8.
                The samples do not depend on it.
            seed: Seed of the order and the crops.
            permute_colors: See :class:`PhotoDataset`.
            styles: Folder of style images, searched with its subfolders; each batch then has crops
                of style images, too, as many as of photos unless ``style_options`` gives another
                number. ``None`` for photos only.
            styles_option: Option that names this folder, for messages.
            style_options: Arguments of this class for the style images that differ from those of
                the photos.

        Raises:
            StyleNetError: An option is invalid.
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
        self.dataset = self.dataset_type(
            self.root, [], crop_size, max_scale, min_size, seed, permute_colors
        )
        self._named: set[str] = set()
        self._used = 0
        self._skipped = 0
        self.style_data: PhotoData | None = None
        if styles is not None:
            # Another seed, because with the same seed and equally many images each photo would
            # always come with the same style image.
            options = {
                "crop_size": crop_size,
                "batch_size": batch_size,
                "max_scale": max_scale,
                "min_size": min_size,
                "workers": workers,
                "seed": seed + 1,
                **(style_options or {}),
            }
            self.style_data = PhotoData(str(styles), **options)
            self.style_data._option = styles_option

    def photo_folder(self) -> Path:
        """Return the folder to search."""
        return self.root

    def list_photos(self) -> list[str]:
        """List the photos; their paths are relative to the folder.

        Raises:
            StyleNetError: The folder is missing or holds no image.
        """
        return scan_photos(self.photo_folder(), self._option)

    def setup(self, stage: str | None = None) -> None:
        """List the photos and style images.

        Args:
            stage: Not used.

        Raises:
            StyleNetError: The folder is missing or holds no image.
        """
        if not self.dataset.photos:
            self.dataset.root = self.photo_folder()
            self.dataset.photos = self.list_photos()
        if self.style_data is not None:
            self.style_data.setup()

    def decoders(self, trainers: int = 1) -> int:
        """Return the number of decoding processes per trainer.

        Args:
            trainers: Number of trainers on this machine; they share its cores.
        """
        return min(8, cores(trainers)) if self.workers is None else self.workers

    def train_dataloader(self) -> DataLoader[Batch] | list[DataLoader[Batch]]:
        """Build an endless loader that starts at the trainer's current step.

        Returns:
            The loader of photos, or with style images a list of two loaders, which Lightning
            combines. ``on_before_batch_transfer`` extracts the images from the batches.
        """
        if self.style_data is None:
            return self._loader()
        self.style_data.trainer = self.trainer
        return [self._loader(), self.style_data._loader()]

    def _loader(self) -> DataLoader[Batch]:
        """Build the loader of this folder."""
        world_size, rank, batches_done, trainers = 1, 0, 0, 1
        if self.trainer is not None:
            world_size, rank = self.trainer.world_size, self.trainer.global_rank
            trainers = self.trainer.num_devices
            batches_done = self.trainer.global_step * self.trainer.accumulate_grad_batches
        workers = self.decoders(trainers)
        return DataLoader(
            cast(Dataset[Batch], self.dataset),  # collate() turns samples into batches
            batch_size=self.batch_size,
            sampler=EndlessSampler(batches_done * self.batch_size * world_size + rank, world_size),
            num_workers=workers,
            collate_fn=collate,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=workers > 0,
            # Its own generator, so that a new iterator leaves the run's random state unchanged.
            generator=torch.Generator().manual_seed(0),
            worker_init_fn=leave_signals_to_the_trainer,
        )

    def on_before_batch_transfer(
        self, batch: Batch | list[Batch], dataloader_idx: int
    ) -> Tensor | Pairs | Clips:
        """Extract the pixels, warn of skipped files, and end the run if most files are unusable.

        Args:
            batch: Batch of the loader, or one batch of each loader.
            dataloader_idx: Not used.

        Returns:
            RGB, uint8, shape (N, crop, crop, 3); a pair of them with style images.

        Raises:
            StyleNetError: More files were skipped than used.
        """
        if isinstance(batch, Batch):
            return self._pixels(batch)
        photos, styles = batch
        assert self.style_data is not None
        return Pairs(self._pixels(photos), self.style_data._pixels(styles))

    def on_after_batch_transfer(
        self, batch: Tensor | Pairs | Clips, dataloader_idx: int
    ) -> Tensor | Pairs | Clips:
        """Convert uint8 to floats on the device.

        Args:
            batch: From :meth:`on_before_batch_transfer`.
            dataloader_idx: Not used.

        Returns:
            RGB in [0, 1], shape (N, 3, crop, crop), channels-last in memory; a pair of them with
            style images.
        """
        assert not isinstance(batch, Clips)
        if isinstance(batch, Pairs):
            return Pairs(*map(self._to_images, batch))
        return self._to_images(batch)

    def _to_images(self, pixels: Tensor) -> Tensor:
        """Convert uint8, shape (N, H, W, 3), to floats of the precision of the training."""
        images = to_floats(pixels)
        return images.double() if self._is_double else images

    @property
    def _is_double(self) -> bool:
        return getattr(self.trainer, "precision", None) == "64-true"

    def _pixels(self, batch: Batch) -> Tensor:
        """Return the pixels of a batch and warn of each skipped file once."""
        used = 0 if batch.pixels is None else len(batch.pixels)
        self._used += used
        self._skipped += len(batch.skipped)
        for reason in batch.skipped:
            if reason not in self._named:
                self._named.add(reason)
                _log.warning("skipped: %s", reason)
        tried = self._used + self._skipped
        if used < self.batch_size or (tried >= _MIN_TRIED and self._skipped > self._used):
            raise StyleNetError(
                f"{self._option}={self.root}: {self._skipped} of the {tried} files tried were "
                f"unusable; list them with: {self._check_command}"
            )
        assert batch.pixels is not None
        return batch.pixels

    @property
    def _check_command(self) -> str:
        """Command that lists the unusable files."""
        return f"{command('data check')} data={self._config} data.root={self.root}"

    @property
    def skipped_files(self) -> int:
        """Number of different files skipped so far."""
        return len(self._named) + (0 if self.style_data is None else self.style_data.skipped_files)

    def preview_photos(self, count: int, size: int) -> Tensor:
        """Return center crops of the same photos each time, evenly spread over the folder.

        Args:
            count: Number of photos; fewer are returned if the folder has fewer usable ones.
            size: Height and width of the crops, in pixels.

        Returns:
            RGB in [0, 1], shape (count, 3, size, size).

        Raises:
            StyleNetError: None of the photos tried is usable.
        """
        total = len(self.dataset.photos)
        # Evenly spread photos first, then the ones after those in place of unusable files.
        step = max(1, total // max(1, count))
        order = sorted(range(total), key=lambda index: index % step)
        crops: list[Tensor] = []
        for index in order[: count + _MIN_TRIED]:
            with suppress(StyleNetError):
                crops.append(self.dataset.center_crop(index, size))
            if len(crops) == count:
                break
        if not crops:
            raise StyleNetError(
                f"{self._option}={self.root}: no usable photo among those tried; list them with: "
                f"{self._check_command}"
            )
        return torch.stack(crops)


def cores(processes: int = 1) -> int:
    """Return the number of cores available to this process, at least 1.

    Args:
        processes: Number of processes on this machine that do the same work at the same time.

    Returns:
        The cores that a scheduler bound the process to, else an equal part of all cores.
    """
    all_cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # Linux only
        bound = len(os.sched_getaffinity(0))
        if bound < all_cores:
            return bound
    return max(1, all_cores // processes)
