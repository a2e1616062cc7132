"""The command that distils the small encoder."""

from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from stylenet.checkpoint import load_artefact
from stylenet.cli.app import build, run
from stylenet.cli.runs import (
    checkpoint_to_resume,
    exit_if_stopped,
    fit,
    make_trainer,
    quieten_lightning,
)
from stylenet.data import scan_photos
from stylenet.errors import check_number
from stylenet.image import flatten, load_picture, to_tensor
from stylenet.training import DistillationModule, RunFolder, mean_errors

# To begin with: 24 of 128 x 128 pixels have 24,000 positions in relu3_4, forty times the 577
# unknowns of each channel there.
_PHOTOS = 24


def main() -> None:
    """Runs ``scripts/distill_encoder.py``."""
    run(distill_encoder, "distill_encoder")


def distill_encoder(config: DictConfig) -> None:
    """Trains the small encoder, measures it, and leaves the run folder complete.

    Args:
        config: configs/distill_encoder.yaml, composed.

    Raises:
        StyleNetError: A setting is impossible, or the run cannot go on.
    """
    quieten_lightning()
    folder = RunFolder(config.run_dir)
    checkpoint = checkpoint_to_resume(folder, config.resume)
    check_number("seed", config.seed, minimum=0, integer=True)
    optimizer, distillation = build(config.optimizer), build(config.distillation)
    callbacks = [build(callback) for callback in config.callbacks.values() if callback]
    trainer = make_trainer(config, folder, callbacks)
    data = build(config.data)
    data.setup()
    held_out = {str(root): scan_photos(root) for root in config.held_out}
    stylised = [load_artefact(path)[0] for path in config.stylised]
    teacher = build(config.teacher)

    pl.seed_everything(config.seed, verbose=False)
    module = DistillationModule(
        build(config.student),
        teacher,
        optimizer,
        distillation,
        data.preview_photos(_PHOTOS, data.dataset.crop_size),
        stylised,
        cast(dict[str, Any], OmegaConf.to_container(config, resolve=True)),
    )
    print(
        f"distilling {teacher.architecture} from {len(data.dataset.photos):,} photos for "
        f"{trainer.max_steps:,} steps of {data.batch_size} ({trainer.precision} on "
        f"{trainer.strategy.root_device})" + (f", from {checkpoint}" if checkpoint else ""),
        flush=True,
    )
    fit(config, trainer, module, data, checkpoint)
    if trainer.is_global_zero and trainer.global_step >= trainer.max_steps:
        for root, names in held_out.items():
            pictures = (to_tensor(flatten(load_picture(Path(root) / name))) for name in names)
            errors = mean_errors(module.network, module.teacher, pictures)
            print(f"{root}, {len(names):,} pictures, error relative to {teacher.architecture}:")
            print("\n".join(f"  {name:18} {value:.4f}" for name, value in errors.items()))
        weights = folder.artefact(module.artefact_name)
        print(f"encoder: {weights}")
        print(f"use: python scripts/train.py encoder=lite encoder.weights={weights}")
    exit_if_stopped(trainer)
