"""The command that distills the small encoder."""

from pathlib import Path

from stylenet.checkpoint import load_checkpoint
from stylenet.cli.app import build, run
from stylenet.cli.experiment import ComposedExperiment, command_line_experiment
from stylenet.cli.runs import fit, prepare
from stylenet.cli.trainer import adapt_to_devices
from stylenet.data import scan_photos
from stylenet.encoder_distillation import DistillationModule, mean_errors
from stylenet.image import flatten, load_image, to_tensor
from stylenet.methods.method import refuse_style_images
from stylenet.program import command

# Photos to initialize with: 24 of 128 x 128 pixels have 24,000 positions in relu3_4, forty times
# the 577 unknowns of each channel there.
_PHOTOS = 24


def main() -> None:
    """Run ``stylenet encoder distill``."""
    run(lambda config: distill_encoder(command_line_experiment(config)), "distill_encoder")


def distill_encoder(experiment: ComposedExperiment) -> None:
    """Train the small encoder, measure it, and leave the run directory complete.

    Args:
        experiment: configs/distill_encoder.yaml, composed.

    Raises:
        StyleNetError: An option is impossible, or the run cannot go on.
    """
    config = experiment.config
    adapt_to_devices(experiment)
    refuse_style_images(config.data.styles, "this command")
    distillation, optimizer = build(config.distillation), experiment.build_optimizer()
    prepared = prepare(config)
    student = build(config.student)  # the first to draw from the seeded random state
    held_out = {str(root): scan_photos(root) for root in config.held_out}
    stylized = [load_checkpoint(path)[0] for path in config.stylized]
    teacher = build(config.teacher)
    data = prepared.data
    module = DistillationModule(
        student,
        teacher,
        optimizer,
        distillation,
        data.preview_photos(_PHOTOS, data.dataset.crop_size),
        stylized,
        experiment.recipe(),
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
    print(f"use: {command('train')} encoder=lite encoder.weights={weights}")
