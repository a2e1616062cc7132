"""Before/after images of the same few photos while a network learns."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torchvision.transforms.functional import resize
from torchvision.utils import make_grid

from stylenet.data import PhotoData
from stylenet.errors import check_number
from stylenet.image import LoadedImage, save_image, to_image
from stylenet.training.module import StyleTransferModule
from stylenet.training.run_folder import RunFolder


class Previews(pl.Callback):
    """Paints a grid, photos above and each style below, into TensorBoard and the run folder."""

    def __init__(self, every_n_steps: int, count: int, size: int) -> None:
        """Sets how often and how large.

        Args:
            every_n_steps: Steps between two images; one more is made at the end.
            count: Photos in the grid.
            size: Side of each square photo, in pixels.

        Raises:
            StyleNetError: A value is impossible.
        """
        for name, value in (("every_n_steps", every_n_steps), ("count", count), ("size", size)):
            check_number(f"callbacks.previews.{name}", value, minimum=1, integer=True)
        self.every_n_steps = every_n_steps
        self.count = count
        self.size = size
        self._photos: Tensor | None = None
        self._painted_step = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Picks the photos."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, PhotoData)
        if trainer.is_global_zero:
            self._photos = data.preview_photos(self.count, self.size)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """Paints when it is time."""
        if trainer.global_step % self.every_n_steps == 0:
            self._paint(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Paints the last step."""
        self._paint(trainer, pl_module)

    @torch.no_grad()
    def _paint(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stylizes the photos and saves the grid, once for each step."""
        assert isinstance(pl_module, StyleTransferModule)
        step = trainer.global_step
        if self._photos is None or step == self._painted_step:
            return
        self._painted_step = step
        pl_module.eval()
        try:
            # One at a time: previews may be larger than training crops, memory may be short.
            stylized = [
                [
                    one.float().cpu()
                    for one in pl_module.in_every_style(photo.unsqueeze(0).to(pl_module.device))
                ]
                for photo in self._photos
            ]
        finally:
            pl_module.train()
        rows = [self._photos, *(torch.cat(row) for row in zip(*stylized, strict=True))]
        beside = pl_module.beside_previews()
        if beside is not None:
            corner = torch.ones(1, *beside.shape[1:])
            first = resize(torch.cat([corner, beside.cpu()]), [self.size, self.size])
            rows = [torch.cat(pair) for pair in zip(first.split(1), rows, strict=True)]
        grid = make_grid(torch.cat(rows), nrow=len(rows[0]), pad_value=1.0)
        save_image(LoadedImage(to_image(grid)), RunFolder(trainer.default_root_dir).preview(step))
        if isinstance(trainer.logger, TensorBoardLogger):
            trainer.logger.experiment.add_image("preview", grid, step)
