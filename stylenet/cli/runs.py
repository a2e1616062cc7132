"""The common parts of training commands: prepare a run, fit, report."""

import contextlib
import os
import signal
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch.distributed as dist
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import LambdaCallback
from pytorch_lightning.loggers import Logger, WandbLogger

from stylenet.cli.app import build
from stylenet.cli.changes import describe_changes
from stylenet.cli.resuming import check_resume, choose_checkpoint, named_checkpoint
from stylenet.cli.trainer import make_trainer, quiet_lightning
from stylenet.data import PhotoData
from stylenet.errors import StyleNetError, check_number, first_line
from stylenet.files import atomic_path, user_path
from stylenet.ranks import read_launch
from stylenet.training import ResumableModule, RunFolder
from stylenet.training.callbacks import Checkpoints, StopOnSignal
from stylenet.training.cluster import requeue
from stylenet.training.rendezvous import leave_process_group, renew_rendezvous
from stylenet.training.run_lock import RunLock

# NumPy's generators take no larger one.
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Run:
    """Everything that a run needs beside the Lightning module.

    Attributes:
        resume: Option ``resume``.
        folder: Paths of the run.
        trainer: The trainer.
        data: The data module, set up.
    """

    resume: bool | str
    folder: RunFolder
    trainer: pl.Trainer
    data: PhotoData


def prepare(
    config: DictConfig,
    data_options: Mapping[str, Any] | None = None,
    trainer_options: Mapping[str, Any] | None = None,
) -> Run:
    """Check the options of a run, build its trainer and data, and seed the random state.

    Args:
        config: All options of the command.
        data_options: Arguments of the data module beside the options in ``data``.
        trainer_options: Arguments of the trainer that replace options in ``trainer``.

    Raises:
        StyleNetError: A value is impossible, the photos are missing, or the run directory holds a
            run that ``resume=false`` would overwrite.
    """
    quiet_lightning()
    if config.run_dir is None:
        raise StyleNetError("run_dir is null. Give a run directory: run_dir=runs/NAME")
    folder = RunFolder(user_path(config.run_dir))
    config.run_dir = str(folder.path)  # loggers refer to it
    _check_encoding(folder.path)
    check_resume(folder, config.resume)
    check_number("seed", config.seed, minimum=0, maximum=_LARGEST_SEED, integer=True)
    trainer = make_trainer(config, folder, **trainer_options or {})
    data = build(config.data, **data_options or {})
    data.setup()
    pl.seed_everything(config.seed, verbose=False)
    return Run(config.resume, folder, trainer, data)


def fit(run: Run, module: ResumableModule, doing: str) -> bool:
    """Train, and print the data, the start, the last losses and the reason of an early end.

    Args:
        run: From :func:`prepare`.
        module: The Lightning module.
        doing: Beginning of the first line: ``training starry on``.

    Returns:
        Whether the last step was reached, on rank 0; ``False`` on other ranks.

    Raises:
        StyleNetError: The run cannot go on.
        SystemExit: A signal ended the run; the exit status is the one that a shell expects.
    """
    trainer = run.trainer
    # After all other checks: a failed start leaves nothing behind.
    with RunLock(run.folder) if trainer.is_global_zero else contextlib.nullcontext():
        checkpoint = choose_checkpoint(run.folder, run.resume, trainer.is_global_zero)
        if trainer.is_global_zero:
            _announce(run, doing, checkpoint)
            changes = describe_changes(run.folder.config, module.recipe) if checkpoint else None
            if changes is not None:
                warnings.warn(changes, stacklevel=2)
            # After the checkpoint is known to fit; a refusal leaves the directory as it was.
            record = LambdaCallback(
                on_train_start=lambda *_: _record_start(run, module.recipe, checkpoint)
            )
            callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
            saves = [isinstance(callback, Checkpoints) for callback in callbacks]
            callbacks.insert(saves.index(True) + 1 if any(saves) else 0, record)
        start = time.monotonic()
        with _distributed_errors_as_one_line():
            renew_rendezvous(read_launch())
            trainer.fit(module, run.data, ckpt_path=checkpoint)
            _close(trainer.logger)
            leave_process_group()
    if trainer.is_global_zero:
        minutes = (time.monotonic() - start) / 60
        losses = ", ".join(f"{k} {float(v):.4g}" for k, v in module.losses.items() if "/" not in k)
        print(f"step {trainer.global_step:,} after {minutes:.1f} min: {losses or 'no new steps'}")
        if run.data.skipped_files:
            print(f"{run.data.skipped_files} unusable files were skipped (named above)")
    finished = trainer.global_step >= trainer.max_steps
    stops = [c for c in trainer.callbacks if isinstance(c, StopOnSignal)]  # type: ignore[attr-defined]
    received = next((stop.received for stop in stops), None)
    if trainer.is_global_zero and not finished:
        # With resume=false the requeued command would be refused: the directory holds a run now.
        may_requeue = received not in (None, signal.SIGINT) and run.resume is not False
        # Slurm may end the processes of a job while it requeues it.
        print(f"stopped and saved at step {trainer.global_step}", flush=True)
        next_step = (may_requeue and requeue()) or "go on with the same command and resume=true"
        print(next_step, flush=True)
    if received is not None:
        raise SystemExit(128 + received)
    return trainer.is_global_zero and finished


@contextlib.contextmanager
def _distributed_errors_as_one_line() -> Iterator[None]:
    """Turn PyTorch's distributed tracebacks into one line."""
    try:
        yield
    except dist.DistNetworkError as error:
        raise StyleNetError(
            f"the ranks of this run could not connect ({first_line(error)}); start it again, with "
            f"another MASTER_PORT if this one is taken"
        ) from error
    except RuntimeError as error:  # from NCCL and gloo
        lost = ("Connection closed by peer", "Connection reset by peer", "NCCL", "Gloo")
        if dist.is_initialized() and any(word in str(error) for word in lost):
            raise StyleNetError(
                "another process of this run has ended; see its own message. The saved checkpoints "
                "are intact: go on with the same command and resume=true."
            ) from error
        raise


def _announce(run: Run, doing: str, checkpoint: Path | None) -> None:
    """Print the first line of the run."""
    trainer, data, named = run.trainer, run.data, named_checkpoint(run.resume)
    several = f" on each of {trainer.world_size} devices" if trainer.world_size > 1 else ""
    origin = f", from {checkpoint}" if checkpoint else ""
    if named is not None and checkpoint != named:
        origin += (
            f", derived from resume={named} (to start at that one again, choose another run_dir)"
        )
    print(
        f"{doing} {len(data.dataset.photos):,} {data.unit} for {trainer.max_steps:,} steps of "
        f"{data.batch_size}{several} ({trainer.precision} on {trainer.strategy.root_device})"
        f"{origin}",
        flush=True,
    )


def _record_start(run: Run, recipe: dict[str, Any], checkpoint: Path | None) -> None:
    """Record options and origin of the run in its directory, and the options in the logger."""
    if run.trainer.logger is not None:
        run.trainer.logger.log_hyperparams(recipe)
    with atomic_path(run.folder.config) as temporary:
        temporary.write_text(OmegaConf.to_yaml(recipe), encoding="utf-8")
    if checkpoint is None:
        run.folder.forget_origin()
    elif checkpoint == named_checkpoint(run.resume):
        aside = run.folder.branch_off(checkpoint)
        if aside is not None:
            print(f"the checkpoints that do not lead to {checkpoint} are now in {aside}")


def _close(logger: Logger | None) -> None:
    """End the run of Weights & Biases, which the next run of a sweep would continue otherwise."""
    if isinstance(logger, WandbLogger) and logger._experiment is not None:
        logger.experiment.finish()


def _check_encoding(path: Path) -> None:
    """Check that TensorBoard, which writes all names in UTF-8, finds the run directory."""
    if os.fsencode(path) != str(path).encode("utf-8", "surrogatepass"):
        raise StyleNetError(
            f"run_dir={path} is not UTF-8, which TensorBoard needs. Set PYTHONUTF8=1 if only the "
            f"locale is not UTF-8, or choose a run_dir of English letters."
        )
