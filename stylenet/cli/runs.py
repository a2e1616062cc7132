"""What the commands that train share: resuming, the trainer, and the run's first and last words."""

import logging
import time
import warnings
from pathlib import Path

import pytorch_lightning as pl
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from stylenet.cli.app import build
from stylenet.data import PhotoData
from stylenet.errors import StyleNetError, check_number
from stylenet.files import atomic_path
from stylenet.training import ResumableModule, RunFolder
from stylenet.training.callbacks import SafeCheckpointIO, StopOnSignal
from stylenet.training.hardware import choose_precision


def checkpoint_to_resume(folder: RunFolder, resume: bool | str) -> Path | None:
    """Finds the checkpoint to go on from.

    Args:
        folder: Of the run.
        resume: The setting of that name.

    Returns:
        Its path, known to be readable; ``None`` to start anew.

    Raises:
        StyleNetError: There is none where one was named, or the folder's run would be lost.
    """
    saved = folder.saved_checkpoints()
    if resume is False:
        if saved:
            raise StyleNetError(
                f"run_dir={folder.path} holds a run up to {saved[-1].stem}; go on with "
                f"resume=true, or choose another run_dir, or delete that folder"
            )
        return None
    if resume is True and not saved:
        return None
    path = saved[-1] if resume is True else Path(str(resume)).expanduser()
    if not path.is_file():
        raise StyleNetError(
            f"resume={resume}: no such file; give true, false or the path of a .ckpt file"
        )
    SafeCheckpointIO().load_checkpoint(path)
    return path


def make_trainer(config: DictConfig, folder: RunFolder, callbacks: list) -> pl.Trainer:
    """Builds the trainer, its values checked.

    Args:
        config: The whole of a command's settings.
        folder: Of the run.
        callbacks: What happens beside the steps.

    Returns:
        The trainer.

    Raises:
        StyleNetError: A value is impossible, or cannot be had on this machine.
    """
    settings = config.trainer
    for name in ("max_steps", "log_every_n_steps", "accumulate_grad_batches"):
        check_number(f"trainer.{name}", settings[name], minimum=1, integer=True)
    if settings.gradient_clip_val is not None:
        check_number("trainer.gradient_clip_val", settings.gradient_clip_val, above=0)
    precision = choose_precision(settings.precision, settings.accelerator)
    logger = TensorBoardLogger(folder.tensorboard.parent, name="", version=folder.tensorboard.name)
    try:
        return build(
            settings,
            precision=precision,
            default_root_dir=str(folder.path),
            callbacks=callbacks,
            logger=logger,
            plugins=[SafeCheckpointIO()],
        )
    except InstantiationException as error:
        cause = error.__cause__
        if not isinstance(cause, MisconfigurationException | ValueError | TypeError):
            raise
        raise StyleNetError(
            f"trainer.accelerator={settings.accelerator} trainer.devices={settings.devices} "
            f"trainer.precision={settings.precision} cannot be had here: {cause} "
            f"(trainer.accelerator=auto takes what there is)"
        ) from error


def fit(
    config: DictConfig,
    trainer: pl.Trainer,
    module: ResumableModule,
    data: PhotoData,
    checkpoint: Path | None,
) -> None:
    """Trains, in a folder that says with what settings, and says how far it came.

    Args:
        config: The whole of a command's settings, to keep with what they make.
        trainer: From :func:`make_trainer`.
        module: What learns.
        data: What from.
        checkpoint: What to go on from.

    Raises:
        StyleNetError: The run cannot go on.
    """
    # Not before all else is known to be good: a failed start leaves nothing behind.
    with atomic_path(RunFolder(config.run_dir).config) as temporary:
        temporary.write_text(OmegaConf.to_yaml(config, resolve=True))
    start = time.monotonic()
    trainer.fit(module, data, ckpt_path=checkpoint)
    if not trainer.is_global_zero:
        return
    minutes = (time.monotonic() - start) / 60
    losses = ", ".join(f"{k} {float(v):.4g}" for k, v in module.losses.items() if "/" not in k)
    print(f"step {trainer.global_step:,} after {minutes:.1f} min: {losses or 'no new steps'}")
    if data.skipped_files:
        print(f"{data.skipped_files} unusable files were skipped (named above)")
    if trainer.global_step < trainer.max_steps:
        print("stopped and saved; go on with the same command and resume=true")


def exit_if_stopped(trainer: pl.Trainer) -> None:
    """Ends the program as a shell expects where a signal ended the run.

    Args:
        trainer: After :func:`fit`.

    Raises:
        SystemExit: A signal was received.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, StopOnSignal) and callback.received is not None:
            raise SystemExit(128 + callback.received)


def quieten_lightning() -> None:
    """Keeps Lightning's remarks about what is meant to be so off the screen."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for remark in (
        ".*does not have many workers.*",
        ".*in eval mode at the start of training.*",  # the frozen encoder
        ".*LeafSpec.* is deprecated.*",  # Lightning's own use of PyTorch
    ):
        warnings.filterwarnings("ignore", remark)
