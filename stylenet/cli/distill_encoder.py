"""The command that distils the small encoder."""

from pathlib import Path

from omegaconf import DictConfig

from stylenet.checkpoint import load_checkpoint
from stylenet.cli.any_style import is_any_style
from stylenet.cli.app import build, run
from stylenet.cli.runs import fit, prepare
from stylenet.data import scan_photos
from stylenet.image import flatten, load_image, to_tensor
from stylenet.training import DistillationModule, mean_errors

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
        StyleNetError: An option is impossible, or the run cannot go on.
    """
    is_any_style(config)
    distillation = build(config.distillation)
    build(config.optimizer)
    prepared = prepare(config)
    student = build(config.student)  # the first to draw from the seeded random state
    held_out = {str(root): scan_photos(root) for root in config.held_out}
    stylized = [load_checkpoint(path)[0] for path in config.stylized]
    teacher = build(config.teacher)
    data = prepared.data
    module = DistillationModule(
        student,
        teacher,
        build(config.optimizer),  # as the number of devices has it
        distillation,
        data.preview_photos(_PHOTOS, data.dataset.crop_size),
        stylized,
        prepared.recipe,
    )
    learning = (
        f"{module.layers[0]} to {module.layers[-1]}" if module.layers[1:] else module.layers[0]
    )
    if not fit(prepared, module, f"distilling {learning} of {teacher.architecture} from"):
        return
    for root, names in held_out.items():
        images = (to_tensor(flatten(load_image(Path(root) / name))) for name in names)
        errors = mean_errors(module.network, module.teacher, images)
        print(f"{root}, {len(names):,} images, error relative to {teacher.architecture}:")
        print("\n".join(f"  {name:18} {value:.4f}" for name, value in errors.items()))
    weights = prepared.folder.final_checkpoint(module.checkpoint_name)
    print(f"encoder: {weights}")
    print(f"use: python scripts/train.py encoder=lite encoder.weights={weights}")
