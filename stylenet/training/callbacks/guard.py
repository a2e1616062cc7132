"""Ends a run that cannot come to anything, and says why."""

import math
from typing import Any

import pytorch_lightning as pl
import torch

from stylenet.data import photos_of
from stylenet.errors import StyleNetError, check_number
from stylenet.training.module import StyleTransferModule

# In [0, 1]: two gray levels of 255. A stylized photo's spread within a channel is 0.1 and more.
_FLAT = 2 / 255


class Guard(pl.Callback):
    """Watches for losses that are not numbers, and for output of one color."""

    def __init__(self, every_n_steps: int, patience: int) -> None:
        """Sets how often and how long.

        Args:
            every_n_steps: Steps between two looks; each waits for the GPU.
            patience: Looks in a row that must find the output flat before the run is ended.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_number("callbacks.guard.every_n_steps", every_n_steps, minimum=1, integer=True)
        check_number("callbacks.guard.patience", patience, minimum=1, integer=True)
        self.every_n_steps = every_n_steps
        self.patience = patience
        self._flat_looks = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Looks at the losses and the output.

        Raises:
            StyleNetError: The run cannot come to anything.
        """
        assert isinstance(pl_module, StyleTransferModule)
        if trainer.global_step % self.every_n_steps:
            return
        values = torch.stack([value.float() for value in pl_module.losses.values()]).tolist()
        bad = [k for k, v in zip(pl_module.losses, values, strict=True) if not math.isfinite(v)]
        if bad:
            raise StyleNetError(
                f"the losses are no longer numbers at step {trainer.global_step} "
                f"({', '.join(bad)}); the checkpoints before it are good. Try a smaller "
                f"optimizer.lr, or trainer.precision=32-true"
            )
        assert pl_module.stylized is not None
        flat = _spread(pl_module.stylized) < _FLAT < _spread(photos_of(batch))
        self._flat_looks = self._flat_looks + 1 if flat else 0
        if self._flat_looks >= self.patience:
            raise StyleNetError(
                f"the network paints one color only, up to step {trainer.global_step}. Try a "
                f"smaller optimizer.lr, a smaller loss.tv.weight or a larger loss.content.weight"
            )

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keeps weights that are not numbers out of every checkpoint.

        Raises:
            StyleNetError: There are such weights.
        """
        for name, value in checkpoint["state_dict"].items():
            if not bool(torch.isfinite(value).all()):
                raise StyleNetError(
                    f"the weights are no longer numbers at step {trainer.global_step} ({name}) and "
                    f"were not saved; resume from the checkpoint before with a smaller optimizer.lr"
                )


def _spread(images: torch.Tensor) -> float:
    """The mean standard deviation within the channels of each image, (N, C, H, W)."""
    return float(images.float().std(dim=(2, 3)).mean())
