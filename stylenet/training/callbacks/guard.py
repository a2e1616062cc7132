"""Callback that ends a run that cannot succeed."""

import math
from typing import Any

import pytorch_lightning as pl
import torch

from stylenet.data import photos_of
from stylenet.errors import StyleNetError, check_number
from stylenet.training.module import StyleTransferModule

# Largest standard deviation of a flat image in [0, 1]: two gray levels of 255. Channels of stylized
# photos have 0.1 or more.
_FLAT = 2 / 255


class Guard(pl.Callback):
    """Ends the run when losses are not finite, or when the output has a single color."""

    def __init__(self, every_n_steps: int, patience: int) -> None:
        """Set how often to check.

        Args:
            every_n_steps: Steps between two checks, each of which waits for the GPU.
            patience: Number of checks in a row that find a flat output before the run ends.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_number("callbacks.guard.every_n_steps", every_n_steps, minimum=1, integer=True)
        check_number("callbacks.guard.patience", patience, minimum=1, integer=True)
        self.every_n_steps = every_n_steps
        self.patience = patience
        self._flat_checks = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Check the losses and the output.

        Raises:
            StyleNetError: The run cannot succeed.
        """
        assert isinstance(pl_module, StyleTransferModule)
        if trainer.global_step % self.every_n_steps:
            return
        values = torch.stack([value.float() for value in pl_module.losses.values()]).tolist()
        bad = [k for k, v in zip(pl_module.losses, values, strict=True) if not math.isfinite(v)]
        if bad:
            raise StyleNetError(
                f"losses are not finite at step {trainer.global_step} ({', '.join(bad)}); earlier "
                f"checkpoints are intact. Try a smaller optimizer.lr or trainer.precision=32-true"
            )
        assert pl_module.stylized is not None
        flat = _spread(pl_module.stylized) < _FLAT < _spread(photos_of(batch))
        self._flat_checks = self._flat_checks + 1 if flat else 0
        if self._flat_checks >= self.patience:
            raise StyleNetError(
                f"stylized photos have a single color at step {trainer.global_step}. Try a smaller "
                f"optimizer.lr, a smaller loss.tv.weight or a larger loss.content.weight"
            )

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Refuse to save weights that are not finite.

        Raises:
            StyleNetError: A weight is not finite.
        """
        for name, value in checkpoint["state_dict"].items():
            if not bool(torch.isfinite(value).all()):
                raise StyleNetError(
                    f"weights are not finite at step {trainer.global_step} ({name}) and were not "
                    f"saved; resume from the checkpoint before with a smaller optimizer.lr"
                )


def _spread(images: torch.Tensor) -> float:
    """Return the mean standard deviation within the channels of images (N, C, H, W)."""
    return float(images.float().std(dim=(2, 3)).mean())
