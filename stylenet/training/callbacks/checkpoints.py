"""Resume checkpoints (.ckpt), and a checkpoint for inference (.safetensors) beside each."""

import io
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.plugins.io import TorchCheckpointIO
from tqdm import tqdm

from stylenet.errors import StyleNetError, check_number
from stylenet.files import atomic_path
from stylenet.training.resumable import ResumableModule
from stylenet.training.run_folder import RunFolder


class Checkpoints(pl.Callback):
    """Saves checkpoints every ``every_n_steps`` steps and at the end of the run."""

    def __init__(self, every_n_steps: int, keep: int | None, first_step: int | None = None) -> None:
        """Set how often to save.

        Args:
            every_n_steps: Steps between two checkpoints.
            keep: Number of newest checkpoints to keep; ``None`` for all.
            first_step: Step of an additional first checkpoint, which is announced, so that users
                can stylize before the run ends; ``None`` for none.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_number("callbacks.checkpoints.every_n_steps", every_n_steps, minimum=1, integer=True)
        if keep is not None:
            check_number("callbacks.checkpoints.keep", keep, minimum=1, integer=True)
        if first_step is not None:
            check_number("callbacks.checkpoints.first_step", first_step, minimum=1, integer=True)
        self.every_n_steps = every_n_steps
        self.keep = keep
        self.first_step = first_step
        self._saved_step = -1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Skip the step that the run resumes from, which is saved already.

        Raises:
            StyleNetError: The ranks resume from different checkpoints.
        """
        self._saved_step = trainer.global_step
        steps = [trainer.global_step] * trainer.world_size
        if trainer.world_size > 1:
            dist.all_gather_object(steps, trainer.global_step)
        if len(set(steps)) > 1:
            raise StyleNetError(
                f"the ranks found different checkpoints, of steps {', '.join(map(str, steps))}, "
                f"because the shared file system is not up to date; start again in a minute"
            )

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """Save at ``first_step`` and every ``every_n_steps`` steps."""
        step = trainer.global_step
        is_first = step == self.first_step and step != self._saved_step
        if is_first or step % self.every_n_steps == 0:
            self._save(trainer, pl_module)
        if is_first and trainer.is_global_zero:
            path = RunFolder(trainer.default_root_dir).checkpoint(step).with_suffix(".safetensors")
            tqdm.write(f"first network, after {step} steps: {path}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the last step, and the final checkpoint if the run is complete."""
        self._save(trainer, pl_module)
        if trainer.global_step >= trainer.max_steps and trainer.is_global_zero:
            assert isinstance(pl_module, ResumableModule)
            folder = RunFolder(trainer.default_root_dir)
            pl_module.save_checkpoint(folder.final_checkpoint(pl_module.checkpoint_name))

    def _save(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write both checkpoints of this step if they are missing, and delete old ones."""
        assert isinstance(pl_module, ResumableModule)
        step = trainer.global_step
        if step == self._saved_step:
            return
        folder = RunFolder(trainer.default_root_dir)
        path = folder.checkpoint(step)
        trainer.save_checkpoint(path)  # on every rank: some strategies gather here
        self._saved_step = step
        if not trainer.is_global_zero:
            return
        pl_module.save_checkpoint(path.with_suffix(".safetensors"))
        # A run that resumed from an older checkpoint may find later ones of its former
        # continuation. It neither deletes these nor counts them.
        saved = [earlier for earlier in folder.saved_checkpoints() if earlier <= path]
        for old in saved[: -self.keep] if self.keep else []:
            old.unlink(missing_ok=True)
            old.with_suffix(".safetensors").unlink(missing_ok=True)


class SafeCheckpointIO(TorchCheckpointIO):
    """Resume checkpoints of Lightning, written atomically and read without running code."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a resume checkpoint.

        Args:
            checkpoint: Contents from Lightning.
            path: Path of the file.
            storage_options: Not used.

        Raises:
            StyleNetError: The file cannot be written.
        """
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        # Not write_bytes: after an error its traceback would keep the buffer in memory.
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            file.write(buffer.getbuffer())

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a resume checkpoint.

        Args:
            path: Path of the file.
            map_location: Not used; tensors are loaded to the CPU first.
            weights_only: Not used; always true.

        Returns:
            The saved contents.

        Raises:
            StyleNetError: The file is missing, damaged or no resume checkpoint.
        """
        path = Path(path)
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        # PyTorch's unpickler raises any kind of exception for a damaged file. Its message is left
        # out, because it advises users to let the file run code.
        except Exception as error:
            raise StyleNetError(
                f"resume={path} cannot be read ({type(error).__name__}): it is damaged, or not a "
                f"resume checkpoint; give another .ckpt file from checkpoints/ in a run directory, "
                f"such as the one before it"
            ) from error
        if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
            raise StyleNetError(
                f"resume={path} is not a resume checkpoint of StyleNet; give a .ckpt file from "
                f"checkpoints/ in a run directory"
            )
        return checkpoint
