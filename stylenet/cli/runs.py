"""What the commands that train share: resuming, the trainer, and the run's first and last words."""

import contextlib
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch.distributed as dist
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import LambdaCallback

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
    """A run that is ready but for what learns.

    Attributes:
        config: The whole of the command's options.
        folder: Where everything goes.
        trainer: The trainer.
        data: What is learned from, its photos found.
    """

    config: DictConfig
    folder: RunFolder
    trainer: pl.Trainer
    data: PhotoData

    @property
    def recipe(self) -> dict[str, Any]:
        """The options as plain values, for checkpoints."""
        return cast(dict[str, Any], OmegaConf.to_container(self.config, resolve=True))


def prepare(config: DictConfig, **data_options: Any) -> Run:
    """Checks and builds what all commands that train have in common; seeds the random state.

    Args:
        config: The whole of the command's options; what the number of devices changes is changed.
        **data_options: What the data is built with beyond its own options.

    Returns:
        The run.

    Raises:
        StyleNetError: A value is impossible, something is missing, or a run would be lost.
    """
    quieten_lightning()
    if config.run_dir is None:
        raise StyleNetError("run_dir is null; give the folder that the run is to go to")
    folder = RunFolder(user_path(config.run_dir))
    _refuse_foreign_name(folder.path)
    _refuse_to_lose(folder, config.resume)
    check_number("seed", config.seed, minimum=0, maximum=_LARGEST_SEED, integer=True)
    trainer = make_trainer(config, folder)
    data = build(config.data, **data_options)
    data.setup()
    pl.seed_everything(config.seed, verbose=False)
    return Run(config, folder, trainer, data)


def fit(run: Run, module: ResumableModule, doing: str) -> bool:
    """Trains, in a folder that says with what options, and says how far it came.

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
    trainer = run.trainer
    # Not before all else is known to be good: a failed start leaves nothing behind.
    with RunLock(run.folder) if trainer.is_global_zero else contextlib.nullcontext():
        checkpoint = _choose_checkpoint(run.folder, run.config.resume, trainer.is_global_zero)
        if trainer.is_global_zero:
            _announce(run, doing, checkpoint)
            changes = describe_changes(run.folder.config, run.config) if checkpoint else None
            if changes is not None:
                warnings.warn(changes, stacklevel=2)
            # When it is known that the checkpoint fits; a refusal leaves the folder as it was.
            begin = LambdaCallback(on_train_start=lambda *_: _begin(run, checkpoint))
            callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
            kinds = [isinstance(callback, Checkpoints) for callback in callbacks]
            callbacks.insert(kinds.index(True) + 1 if any(kinds) else 0, begin)
        start = time.monotonic()
        with _losing_others_as_one_line():
            renew_rendezvous(read_launch())
            trainer.fit(module, run.data, ckpt_path=checkpoint)
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
        print(_stopped(trainer.global_step, received, run.config.resume), flush=True)
    if received is not None:
        raise SystemExit(128 + received)
    return trainer.is_global_zero and finished


@contextlib.contextmanager
def _losing_others_as_one_line() -> Iterator[None]:
    """Says in a line that the processes did not meet or parted, which PyTorch says in many."""
    try:
        yield
    except dist.DistNetworkError as error:
        raise StyleNetError(
            f"the processes of this run did not meet ({first_line(error)}); start it again, with "
            f"another MASTER_PORT if this one is taken"
        ) from error
    except RuntimeError as error:  # NCCL's and gloo's
        lost = ("Connection closed by peer", "Connection reset by peer", "NCCL", "Gloo")
        if dist.is_initialized() and any(word in str(error) for word in lost):
            raise StyleNetError(
                "another process of this run has ended, see its own message; what was saved is "
                "good: go on with the same command and resume=true"
            ) from error
        raise


def _announce(run: Run, doing: str, checkpoint: Path | None) -> None:
    """The run's first line."""
    trainer, data, named = run.trainer, run.data, _named(run.config.resume)
    several = f" on each of {trainer.world_size} devices" if trainer.world_size > 1 else ""
    origin = f", from {checkpoint}" if checkpoint else ""
    if named is not None and checkpoint != named:
        origin += f", where resume={named} has led (to begin there anew, choose another run_dir)"
    print(
        f"{doing} {len(data.dataset.photos):,} photos for {trainer.max_steps:,} steps of "
        f"{data.batch_size}{several} ({trainer.precision} on {trainer.strategy.root_device})"
        f"{origin}",
        flush=True,
    )


def _begin(run: Run, checkpoint: Path | None) -> None:
    """Says in the run folder with what options it is trained, and from which named checkpoint."""
    with atomic_path(run.folder.config) as temporary:
        temporary.write_text(OmegaConf.to_yaml(run.config, resolve=True), encoding="utf-8")
    if checkpoint is None:
        run.folder.forget_origin()
    elif checkpoint == _named(run.config.resume):
        aside = run.folder.branch_off(checkpoint)
        if aside is not None:
            print(f"the checkpoints that do not lead to {checkpoint} are now in {aside}")


def _stopped(step: int, received: signal.Signals | None, resume: bool | str) -> str:
    """What to say of a run that ended early, by a signal or else (trainer.max_time).

    Asks Slurm for another turn when it was Slurm's signal. Not if the run is not to resume: the
    same command would be refused, for the folder holds a run now.
    """
    turn = received not in (None, signal.SIGINT) and resume is not False
    said = requeue() if turn else ""
    return f"stopped and saved at step {step}; " + (
        said or "go on with the same command and resume=true"
    )


def _refuse_foreign_name(path: Path) -> None:
    """Refuse a run directory that TensorBoard, which writes all names in UTF-8, would not find."""
    if os.fsencode(path) != str(path).encode("utf-8", "surrogatepass"):
        raise StyleNetError(
            f"run_dir={path}: TensorBoard takes names in UTF-8 alone; set PYTHONUTF8=1 where the "
            f"name is in UTF-8 and the locale is not, or choose a run_dir of English letters"
        )


def _refuse_to_lose(folder: RunFolder, resume: bool | str) -> None:
    """Says at once what cannot be resumed, or would be lost by not resuming."""
    saved = folder.saved_checkpoints()
    if resume is False and saved:
        raise StyleNetError(
            f"run_dir={folder.path} holds a run up to {saved[-1].stem}; go on with "
            f"resume=true, or choose another run_dir, or delete that folder"
        )
    named = _named(resume)
    # That from which the saved ones have gone on may have been dropped since.
    if named is not None and not (saved and named.resolve() == folder.origin()):
        if not named.is_file():
            raise StyleNetError(
                f"resume={resume}: no such file; give true, false or the path of a .ckpt file"
            )
        SafeCheckpointIO().load_checkpoint(named)


def _named(resume: bool | str) -> Path | None:
    """The checkpoint that the user named, if one."""
    return None if isinstance(resume, bool) else user_path(resume)


def _choose_checkpoint(folder: RunFolder, resume: bool | str, speak: bool) -> Path | None:
    """The checkpoint to go on from, if any; known to be readable, else the one before it.

    Args:
        folder: Of the run, held, so that nothing changes meanwhile.
        resume: What the user said.
        speak: Whether this process is to name what is left out.
    """
    _refuse_to_lose(folder, resume)  # again, for what another job did meanwhile
    if resume is False:
        return None
    named, origin = _named(resume), folder.origin()
    # Given again, as by a scheduler, the same name means what has come of it.
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
