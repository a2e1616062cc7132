"""Training checkpoints to resume from, and the checkpoints beside them."""

import io
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.plugins.io import TorchCheckpointIO

from stylenet.errors import StyleNetError, check_number
from stylenet.files import atomic_path
from stylenet.training.resumable import ResumableModule
from stylenet.training.run_folder import RunFolder


class Checkpoints(pl.Callback):
    """Saves every so many steps and at the end, however the end comes about."""

    def __init__(self, every_n_steps: int, keep: int | None) -> None:
        """Sets how often.

        Args:
            every_n_steps: Steps between two checkpoints.
            keep: How many of the newest to keep; ``None`` for all.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_number("callbacks.checkpoints.every_n_steps", every_n_steps, minimum=1, integer=True)
        if keep is not None:
            check_number("callbacks.checkpoints.keep", keep, minimum=1, integer=True)
        self.every_n_steps = every_n_steps
        self.keep = keep
        self._saved_step = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Counts the checkpoint that was resumed from as saved.

        Raises:
            StyleNetError: The processes resume from different ones.
        """
        self._saved_step = trainer.global_step
        steps = [trainer.global_step] * trainer.world_size
        if trainer.world_size > 1:
            dist.all_gather_object(steps, trainer.global_step)
        if len(set(steps)) > 1:
            raise StyleNetError(
                f"the processes see different checkpoints, of steps {', '.join(map(str, steps))}: "
                f"the shared file system lags behind; start again in a minute"
            )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """Saves when it is time."""
        if trainer.global_step % self.every_n_steps == 0:
            self._save(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Saves the last step, and the final checkpoint of a run that got there."""
        self._save(trainer, pl_module)
        if trainer.global_step >= trainer.max_steps and trainer.is_global_zero:
            assert isinstance(pl_module, ResumableModule)
            folder = RunFolder(trainer.default_root_dir)
            pl_module.save_checkpoint(folder.final_checkpoint(pl_module.checkpoint_name))

    def _save(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes checkpoint and checkpoint of this step unless they are there; drops old ones."""
        assert isinstance(pl_module, ResumableModule)
        step = trainer.global_step
        if step == self._saved_step:
            return
        folder = RunFolder(trainer.default_root_dir)
        path = folder.checkpoint(step)
        trainer.save_checkpoint(path)  # by every process: some strategies gather here
        self._saved_step = step
        if not trainer.is_global_zero:
            return
        pl_module.save_checkpoint(path.with_suffix(".safetensors"))
        # After resuming from an older checkpoint there may be later ones, of another way on from
        # there: they are not this run's to drop, nor a reason to drop what was just written.
        saved = [earlier for earlier in folder.saved_checkpoints() if earlier <= path]
        for old in saved[: -self.keep] if self.keep else []:
            old.unlink(missing_ok=True)
            old.with_suffix(".safetensors").unlink(missing_ok=True)


class SafeCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, written whole or not at all, read without running code."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Writes a training checkpoint.

        Args:
            checkpoint: What Lightning gathered.
            path: Where to.
            storage_options: Not supported.

        Raises:
            StyleNetError: The file cannot be written.
        """
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        # Not write_bytes, which an error would leave holding the buffer.
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            file.write(buffer.getbuffer())

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads a training checkpoint.

        Args:
            path: The file.
            map_location: Of no matter: everything is read to the CPU and moved from there.
            weights_only: Of no matter: always so.

        Returns:
            What was saved.

        Raises:
            StyleNetError: The file is missing, damaged or something else.
        """
        path = Path(path)
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        # PyTorch's unpickler meets damage with any kind of exception; its words are left out
        # because they advise to allow the file to run code.
        except Exception as error:
            raise StyleNetError(
                f"resume={path} cannot be read ({type(error).__name__}): it is damaged or no "
                f"checkpoint; expected a .ckpt file from a run folder's checkpoints/, such as the "
                f"one before this"
            ) from error
        if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
            raise StyleNetError(f"resume={path} is not a training checkpoint of StyleNet")
        return checkpoint
