"""Callback that saves previews: a few photos and their stylized images."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torchvision.transforms.functional import resize
from torchvision.utils import make_grid

from stylenet.data import PhotoData
from stylenet.errors import check_number
from stylenet.image import LoadedImage, save_image, to_image
from stylenet.training.callbacks.image_logging import log_image
from stylenet.training.module import StyleTransferModule
from stylenet.training.run_folder import RunFolder


class Previews(pl.Callback):
    """Saves grids of photos (top row) and stylized photos (a row for each style).

    They go to the run directory and to the loggers.
    """

    def __init__(self, every_n_steps: int, count: int, size: int, at_start: bool = False) -> None:
        """Set how often to save, and the size of the grid.

        Args:
            every_n_steps: Steps between two grids; the last step has one, too.
            count: Photos in the grid.
            size: Height and width of each photo, in pixels.
            at_start: Whether to save a grid before the first step, too.

        Raises:
            StyleNetError: A value is impossible.
        """
        for name, value in (("every_n_steps", every_n_steps), ("count", count), ("size", size)):
            check_number(f"callbacks.previews.{name}", value, minimum=1, integer=True)
        self.every_n_steps = every_n_steps
        self.count = count
        self.size = size
        self.at_start = at_start
        self._photos: Tensor | None = None
        self._saved_step = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Load the photos, and save the grid of step 0 if it is asked for."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, PhotoData)
        if trainer.is_global_zero:
            self._photos = data.preview_photos(self.count, self.size)
            if self.at_start and trainer.global_step == 0:
                self._save(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """Save a grid every ``every_n_steps`` steps."""
        if trainer.global_step % self.every_n_steps == 0:
            self._save(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the grid of the last step."""
        self._save(trainer, pl_module)

    @torch.no_grad()
    def _save(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stylize the photos and save the grid, once for each step."""
        assert isinstance(pl_module, StyleTransferModule)
        step = trainer.global_step
        if self._photos is None or step == self._saved_step:
            return
        self._saved_step = step
        grid = self._stylized_grid(self._photos, pl_module)
        save_image(LoadedImage(to_image(grid)), RunFolder(trainer.default_root_dir).preview(step))
        for logger in trainer.loggers:
            log_image(logger, "preview", grid, step)

    def _stylized_grid(self, photos: Tensor, module: StyleTransferModule) -> Tensor:
        """Return photos above stylized photos as one image, shape (3, H, W)."""
        module.eval()
        try:
            # One photo at a time, because previews may be larger than the training crops.
            stylized = [
                [
                    image.float().cpu()
                    for image in module.in_every_style(photo.unsqueeze(0).to(module.device))
                ]
                for photo in photos
            ]
        finally:
            module.train()
        rows = [photos, *(torch.cat(row) for row in zip(*stylized, strict=True))]
        styles = module.beside_previews()
        if styles is not None:
            corner = torch.ones(1, *styles.shape[1:])
            column = resize(torch.cat([corner, styles.cpu()]), [self.size, self.size])
            rows = [torch.cat(pair) for pair in zip(column.split(1), rows, strict=True)]
        return make_grid(torch.cat(rows), nrow=len(rows[0]), pad_value=1.0)
