"""The common parts of training commands: resuming, trainer, and what a run reports."""

import contextlib
import os
import signal
import sys
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
from stylenet.cli.trainer import make_trainer, quieten_lightning
from stylenet.data import PhotoData
from stylenet.errors import StyleNetError, check_number, first_line
from stylenet.files import atomic_path, user_path
from stylenet.ranks import read_launch
from stylenet.training import ResumableModule, RunFolder
from stylenet.training.callbacks import Checkpoints, SafeCheckpointIO, StopOnSignal
from stylenet.training.cluster import requeue
from stylenet.training.rendezvous import renew_rendezvous
from stylenet.training.run_lock import RunLock

# NumPy's generators take no larger one.
_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Run:
    """A run that is complete but for the Lightning module.

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
    """Check and build what all training commands need, and seed the random state.

    Args:
        config: All options of the command.
        data_options: Arguments of the data module beside the options in ``data``.
        trainer_options: Arguments of the trainer that replace options in ``trainer``.

    Raises:
        StyleNetError: A value is impossible, something is missing, or a run would be lost.
    """
    quieten_lightning()
    if config.run_dir is None:
        raise StyleNetError("run_dir is null; give the directory of the run")
    folder = RunFolder(user_path(config.run_dir))
    config.run_dir = str(folder.path)  # loggers refer to it
    _refuse_foreign_name(folder.path)
    _refuse_to_lose(folder, config.resume)
    check_number("seed", config.seed, minimum=0, maximum=_LARGEST_SEED, integer=True)
    trainer = make_trainer(config, folder, **trainer_options or {})
    data = build(config.data, **data_options or {})
    data.setup()
    pl.seed_everything(config.seed, verbose=False)
    return Run(config.resume, folder, trainer, data)


def fit(run: Run, module: ResumableModule, doing: str) -> bool:
    """Train, and report what the run does and how far it came.

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
        checkpoint = _choose_checkpoint(run.folder, run.resume, trainer.is_global_zero)
        if trainer.is_global_zero:
            _announce(run, doing, checkpoint)
            changes = describe_changes(run.folder.config, module.recipe) if checkpoint else None
            if changes is not None:
                warnings.warn(changes, stacklevel=2)
            # After the checkpoint is known to fit; a refusal leaves the directory as it was.
            begin = LambdaCallback(on_train_start=lambda *_: _begin(run, module.recipe, checkpoint))
            callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
            saves = [isinstance(callback, Checkpoints) for callback in callbacks]
            callbacks.insert(saves.index(True) + 1 if any(saves) else 0, begin)
        start = time.monotonic()
        with _distributed_errors_as_one_line():
            renew_rendezvous(read_launch())
            trainer.fit(module, run.data, ckpt_path=checkpoint)
            _finish(trainer.logger)
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
        print(_stopped(trainer.global_step, received, run.resume), flush=True)
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
    except RuntimeError as error:  # of NCCL and gloo
        lost = ("Connection closed by peer", "Connection reset by peer", "NCCL", "Gloo")
        if dist.is_initialized() and any(word in str(error) for word in lost):
            raise StyleNetError(
                "another process of this run has ended, see its own message; what was saved is "
                "good: go on with the same command and resume=true"
            ) from error
        raise


def _announce(run: Run, doing: str, checkpoint: Path | None) -> None:
    """Print the first line of the run."""
    trainer, data, named = run.trainer, run.data, _named(run.resume)
    several = f" on each of {trainer.world_size} devices" if trainer.world_size > 1 else ""
    origin = f", from {checkpoint}" if checkpoint else ""
    if named is not None and checkpoint != named:
        origin += f", where resume={named} has led (to begin there anew, choose another run_dir)"
    print(
        f"{doing} {len(data.dataset.photos):,} {data.unit} for {trainer.max_steps:,} steps of "
        f"{data.batch_size}{several} ({trainer.precision} on {trainer.strategy.root_device})"
        f"{origin}",
        flush=True,
    )


def _begin(run: Run, recipe: dict[str, Any], checkpoint: Path | None) -> None:
    """Record options and origin of the run in its directory, and the options in the logger."""
    if run.trainer.logger is not None:
        run.trainer.logger.log_hyperparams(recipe)
    with atomic_path(run.folder.config) as temporary:
        temporary.write_text(OmegaConf.to_yaml(recipe), encoding="utf-8")
    if checkpoint is None:
        run.folder.forget_origin()
    elif checkpoint == _named(run.resume):
        aside = run.folder.branch_off(checkpoint)
        if aside is not None:
            print(f"the checkpoints that do not lead to {checkpoint} are now in {aside}")


def _finish(logger: Logger | None) -> None:
    """End the run of Weights & Biases, which the next run of a sweep would continue otherwise."""
    if isinstance(logger, WandbLogger) and logger._experiment is not None:
        logger.experiment.finish()


def _stopped(step: int, received: signal.Signals | None, resume: bool | str) -> str:
    """Describe a run that ended early, by a signal or by trainer.max_time.

    Requeues a Slurm job that got Slurm's signal, unless resume=false: the same command would be
    refused, because the directory holds a run now.
    """
    requeues = received not in (None, signal.SIGINT) and resume is not False
    requeued = requeue() if requeues else ""
    return f"stopped and saved at step {step}; " + (
        requeued or "go on with the same command and resume=true"
    )


def _refuse_foreign_name(path: Path) -> None:
    """Refuse a run directory that TensorBoard, which writes all names in UTF-8, would not find."""
    if os.fsencode(path) != str(path).encode("utf-8", "surrogatepass"):
        raise StyleNetError(
            f"run_dir={path}: TensorBoard takes names in UTF-8 alone; set PYTHONUTF8=1 where the "
            f"name is in UTF-8 and the locale is not, or choose a run_dir of English letters"
        )


def _refuse_to_lose(folder: RunFolder, resume: bool | str) -> None:
    """Refuse what cannot be resumed, or would be lost by not resuming."""
    saved = folder.saved_checkpoints()
    if resume is False and saved:
        raise StyleNetError(
            f"run_dir={folder.path} holds a run up to {saved[-1].stem}; go on with "
            f"resume=true, or choose another run_dir, or delete that folder"
        )
    named = _named(resume)
    # The checkpoint that the saved ones derive from may have been deleted since.
    if named is not None and not (saved and named.resolve() == folder.origin()):
        if not named.is_file():
            raise StyleNetError(
                f"resume={resume}: no such file; give true, false or the path of a .ckpt file"
            )
        SafeCheckpointIO().load_checkpoint(named)


def _named(resume: bool | str) -> Path | None:
    """Return the checkpoint that the user named, if any."""
    return None if isinstance(resume, bool) else user_path(resume)


def _choose_checkpoint(folder: RunFolder, resume: bool | str, speak: bool) -> Path | None:
    """Return the checkpoint to resume from, if any; an unreadable one gives way to an older one.

    Args:
        folder: Paths of the run, which is locked, so that nothing changes meanwhile.
        resume: Option ``resume``.
        speak: Whether this rank prints a warning about unreadable checkpoints.
    """
    _refuse_to_lose(folder, resume)  # again, for what another job did meanwhile
    if resume is False:
        return None
    named, origin = _named(resume), folder.origin()
    # A scheduler repeats the command: then training resumes from what derives from the named one.
    if named is not None and named.resolve() != origin:
        return named
    candidates = folder.saved_checkpoints()[::-1]
    if origin is not None and (not candidates or origin.is_file()):
        candidates.append(named or origin)
    unreadable: StyleNetError | None = None
    for path in candidates:
        try:
            SafeCheckpointIO().load_checkpoint(path)
        except StyleNetError as error:
            unreadable = unreadable or error
            continue
        if unreadable and speak:
            print(f"warning: {unreadable}: going on from {path.name}", file=sys.stderr)
        return path
    if unreadable:
        raise unreadable
    return None
