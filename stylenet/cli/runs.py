"""What the commands that train share: resuming, the trainer, and the run's first and last words."""

import logging
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

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


@dataclass(frozen=True)
class Run:
    """A run that is ready but for what learns.

    Attributes:
        config: The whole of the command's settings.
        folder: Where everything goes.
        checkpoint: What to go on from, known to be readable; ``None`` to start anew.
        trainer: The trainer.
        data: What is learned from, its photos found.
    """

    config: DictConfig
    folder: RunFolder
    checkpoint: Path | None
    trainer: pl.Trainer
    data: PhotoData

    @property
    def recipe(self) -> dict[str, Any]:
        """The settings as plain values, for artefacts."""
        return cast(dict[str, Any], OmegaConf.to_container(self.config, resolve=True))


def prepare(config: DictConfig) -> Run:
    """Checks and builds what all commands that train have in common; seeds the random state.

    Args:
        config: The whole of the command's settings.

    Returns:
        The run.

    Raises:
        StyleNetError: A value is impossible, something is missing, or a run would be lost.
    """
    _quieten_lightning()
    folder = RunFolder(config.run_dir)
    checkpoint = _checkpoint_to_resume(folder, config.resume)
    check_number("seed", config.seed, minimum=0, integer=True)
    callbacks = [build(callback) for callback in config.callbacks.values() if callback]
    trainer = _make_trainer(config, folder, callbacks)
    data = build(config.data)
    data.setup()
    pl.seed_everything(config.seed, verbose=False)
    return Run(config, folder, checkpoint, trainer, data)


def fit(run: Run, module: ResumableModule, doing: str) -> bool:
    """Trains, in a folder that says with what settings, and says how far it came.

    Args:
        run: From :func:`prepare`.
        module: What learns.
        doing: What this is, for the first line: ``training starry on``.

    Returns:
        Whether the last step was reached and this process is the one to say so.

    Raises:
        StyleNetError: The run cannot go on.
        SystemExit: A signal ended it, with the status that a shell expects.
    """
    trainer, data = run.trainer, run.data
    print(
        f"{doing} {len(data.dataset.photos):,} photos for {trainer.max_steps:,} steps of "
        f"{data.batch_size} ({trainer.precision} on {trainer.strategy.root_device})"
        + (f", from {run.checkpoint}" if run.checkpoint else ""),
        flush=True,
    )
    # Not before all else is known to be good: a failed start leaves nothing behind.
    with atomic_path(run.folder.config) as temporary:
        temporary.write_text(OmegaConf.to_yaml(run.config, resolve=True))
    start = time.monotonic()
    trainer.fit(module, data, ckpt_path=run.checkpoint)
    if trainer.is_global_zero:
        minutes = (time.monotonic() - start) / 60
        losses = ", ".join(f"{k} {float(v):.4g}" for k, v in module.losses.items() if "/" not in k)
        print(f"step {trainer.global_step:,} after {minutes:.1f} min: {losses or 'no new steps'}")
        if data.skipped_files:
            print(f"{data.skipped_files} unusable files were skipped (named above)")
        if trainer.global_step < trainer.max_steps:
            print("stopped and saved; go on with the same command and resume=true")
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, StopOnSignal) and callback.received is not None:
            raise SystemExit(128 + callback.received)
    return trainer.is_global_zero and trainer.global_step >= trainer.max_steps


def _checkpoint_to_resume(folder: RunFolder, resume: bool | str) -> Path | None:
    """The checkpoint to go on from, if any; known to be readable."""
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


def _make_trainer(config: DictConfig, folder: RunFolder, callbacks: list) -> pl.Trainer:
    """The trainer, its values checked."""
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


def _quieten_lightning() -> None:
    """Keeps Lightning's remarks about what is meant to be so off the screen."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for remark in (
        ".*does not have many workers.*",
        ".*in eval mode at the start of training.*",  # the frozen encoder
        ".*LeafSpec.* is deprecated.*",  # Lightning's own use of PyTorch
        ".*`srun` command is available.*",  # a run outside a job, on a machine that has Slurm
    ):
        warnings.filterwarnings("ignore", remark)
