"""Training against a discriminator: what ``loss=adversarial`` asks of the other options."""

from typing import Any

from omegaconf import DictConfig

from stylenet.cli.loss import build_terms
from stylenet.cli.runs import Run
from stylenet.errors import StyleNetError
from stylenet.methods.adversarial.module import AdversarialModule
from stylenet.networks import StyleNetwork
from stylenet.perceptual import AdversarialOptions, LossTerm, PerceptualLoss, take_adversarial
from stylenet.training import OptimizerOptions, Teacher

_SETTING = "loss.adversarial.style_folder"


def build_loss(config: DictConfig) -> dict[str, LossTerm]:
    """Build the terms of the loss for commands that train no discriminator.

    Args:
        config: All options of the command.

    Returns:
        The terms by name.

    Raises:
        StyleNetError: A value is impossible, or a discriminator is asked for.
    """
    # Before the terms are built: a style_folder that is missing is not to be asked for here.
    terms = {} if config.loss.get("adversarial") else build_terms(config.loss)
    if not terms or take_adversarial(terms) is not None:
        raise StyleNetError(
            "loss=adversarial is for scripts/train.py and networks of one style, beside which a "
            "discriminator learns; here leave it out, or choose loss=relative"
        )
    return terms


def find_style_folder(config: DictConfig, loss: AdversarialOptions | None) -> dict[str, Any]:
    """Checks what the options of a training have to do with ``loss=adversarial``, if it is chosen.

    Args:
        config: configs/train.yaml, composed.
        loss: Its adversarial term, if any.

    Returns:
        How the data is to be built beyond its own options.

    Raises:
        StyleNetError: There are no paintings, or another option does not go with it.
    """
    if loss is None:
        return {}
    if config.network.name == "johnson_multi":
        raise StyleNetError(
            "loss=adversarial learns from one painter's images, and network=johnson_multi holds "
            "several styles; choose network=johnson or network=compact, or loss=relative"
        )
    if config.trainer.accumulate_grad_batches != 1:
        raise StyleNetError(
            f"trainer.accumulate_grad_batches={config.trainer.accumulate_grad_batches} does not go "
            f"with loss=adversarial, which takes a step of the discriminator with every batch; "
            f"leave it at 1 and set a larger data.batch_size"
        )
    crop = config.data.crop_size
    if isinstance(crop, int) and 16 <= crop < loss.patch_size:
        raise StyleNetError(
            f"data.crop_size={crop} is smaller than the patches of {loss.patch_size} pixels that "
            f"the discriminator judges; set a larger one, or a smaller "
            f"loss.adversarial.discriminator_layers than {loss.discriminator_layers}"
        )
    return {"styles": str(loss.style_folder), "styles_setting": _SETTING}


def build_adversarial(
    run: Run,
    loss: AdversarialOptions,
    network: StyleNetwork,
    criterion: PerceptualLoss,
    optimizer: OptimizerOptions,
    style: str,
    teacher: Teacher | None,
) -> AdversarialModule:
    """Builds what learns.

    Args:
        run: The prepared run; its trainer's gradient clipping moves to the module.
        loss: Options of the discriminator.
        network: What is trained.
        criterion: What judges it beside the discriminator.
        optimizer: How fast it learns.
        style: Name of the style.
        teacher: A trained network to meet the images of.

    Returns:
        The module.

    Raises:
        StyleNetError: No painting is usable, or the teacher's weight is impossible.
    """
    assert run.data.paintings is not None
    run.data.paintings.preview_photos(1, run.data.dataset.crop_size)
    # Lightning refuses to clip for a module that takes its steps by itself.
    clip, run.trainer.gradient_clip_val = run.trainer.gradient_clip_val, None
    return AdversarialModule(
        network,
        criterion,
        optimizer,
        style,
        run.recipe,
        loss,
        teacher,
        run.config.teacher_weight,
        clip,
    )
