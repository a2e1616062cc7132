"""The command that trains a style."""

import logging
import time
import warnings
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from stylenet.cli.app import build, run
from stylenet.data import PhotoData, load_style_images
from stylenet.errors import StyleNetError, check_number
from stylenet.files import atomic_path
from stylenet.perceptual import PerceptualLoss
from stylenet.training import RunFolder, StyleTransferModule
from stylenet.training.callbacks import SafeCheckpointIO, StopOnSignal
from stylenet.training.hardware import choose_precision


def main() -> None:
    """Runs ``scripts/train.py``."""
    run(train, "train")


def train(config: DictConfig) -> None:
    """Trains a network on a style and leaves the run folder complete.

    Args:
        config: configs/train.yaml, composed.

    Raises:
        StyleNetError: A setting is impossible, or the run cannot go on.
    """
    _quieten_lightning()
    folder = RunFolder(config.run_dir)
    checkpoint = _checkpoint_to_resume(folder, config.resume)
    # What is cheap to get wrong first, what takes long last.
    check_number("seed", config.seed, minimum=0, integer=True)
    style, loss, optimizer = build(config.style), build(config.loss), build(config.optimizer)
    callbacks = [build(callback) for callback in config.callbacks.values() if callback]
    trainer = _make_trainer(config, folder, callbacks)
    data = build(config.data)
    data.setup()
    style_images = load_style_images(style)
    encoder = build(config.encoder)

    pl.seed_everything(config.seed, verbose=False)
    module = StyleTransferModule(
        build(config.network),
        PerceptualLoss(encoder, loss, style_images, style.weight),
        optimizer,
        style.name,
        cast(dict[str, Any], OmegaConf.to_container(config, resolve=True)),
    )
    print(
        f"training {style.name} on {len(data.dataset.photos):,} photos for {trainer.max_steps:,} "
        f"steps of {data.batch_size} ({trainer.precision} on {trainer.strategy.root_device})"
        + (f", from {checkpoint}" if checkpoint else ""),
        flush=True,
    )
    # Not before all else is known to be good: a failed start leaves nothing behind.
    with atomic_path(folder.config) as temporary:
        temporary.write_text(OmegaConf.to_yaml(config, resolve=True))
    start = time.monotonic()
    trainer.fit(module, data, ckpt_path=checkpoint)
    if trainer.is_global_zero:
        _report(trainer, module, data, folder, time.monotonic() - start)
    stop = next((c for c in callbacks if isinstance(c, StopOnSignal)), None)
    if stop is not None and stop.received is not None:
        raise SystemExit(128 + stop.received)


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


def _report(
    trainer: pl.Trainer,
    module: StyleTransferModule,
    data: PhotoData,
    folder: RunFolder,
    seconds: float,
) -> None:
    """Says what came of the run and what to do with it."""
    losses = ", ".join(f"{k} {float(v):.4g}" for k, v in module.losses.items() if "/" not in k)
    print(f"step {trainer.global_step:,} after {seconds / 60:.1f} min: {losses or 'no new steps'}")
    if data.skipped_files:
        print(f"{data.skipped_files} unusable files were skipped (named above)")
    if trainer.global_step < trainer.max_steps:
        print("stopped and saved; go on with the same command and resume=true")
        return
    print(f"network: {folder.artefact(module.style)}")
    print(f"previews: {folder.previews}")
    print(f"repaint: python scripts/infer.py input=photo.jpg checkpoint={folder.path}")


def _quieten_lightning() -> None:
    """Keeps Lightning's remarks about what is meant to be so off the screen."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for remark in (
        ".*does not have many workers.*",
        ".*in eval mode at the start of training.*",  # the frozen encoder
        ".*LeafSpec.* is deprecated.*",  # Lightning's own use of PyTorch
    ):
        warnings.filterwarnings("ignore", remark)
