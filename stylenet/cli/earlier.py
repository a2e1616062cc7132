"""Options of version 0.1 as this version writes them."""

from collections.abc import Mapping
from typing import Any

# configs/optimizer/adam.yaml; there was no other optimizer.
_ADAM = {"_target_": "torch.optim.Adam", "_partial_": True, "betas": [0.9, 0.999]}
_SCHEDULES = {"none": "ConstantSchedule", "cosine": "CosineSchedule"}

# Options of the adversarial term that stood beside the others up to version 0.1.
_ADVERSARIAL = (
    *("style_folder", "objective", "spectral_norm"),
    *("discriminator_width", "discriminator_layers", "discriminator_lr_ratio"),
)


def upgrade(recipe: Mapping[Any, Any]) -> dict[Any, Any]:
    """Convert the optimizer, the style and the loss of an earlier recipe.

    Args:
        recipe: Options of a run, as its config.yaml and its checkpoints hold them.

    Returns:
        The same options, as configs/train.yaml has them now.
    """
    upgraded = dict(recipe)
    optimizer, style, loss = (upgraded.get(name) for name in ("optimizer", "style", "loss"))
    if isinstance(optimizer, Mapping) and optimizer.get("decay") in _SCHEDULES:
        upgraded["optimizer"] = {**_ADAM, "lr": optimizer.get("lr")}
        upgraded["schedule"] = {
            "_target_": f"stylenet.training.{_SCHEDULES[optimizer['decay']]}",
            "_partial_": True,
            "warmup_steps": optimizer.get("warmup_steps", 0),
        }
    if isinstance(style, Mapping):
        upgraded["style"] = {**style, "_target_": "stylenet.data.StyleOptions"}
    if isinstance(loss, Mapping) and "content_weight" in loss:
        upgraded["loss"] = _terms_of(loss)
    return upgraded


def _terms_of(loss: Mapping[str, Any]) -> dict[str, Any]:
    """Convert flat options of a loss (``form``, ``content_layers`` and so on) to terms."""
    perceptual, relative = "stylenet.perceptual", loss["form"] == "relative"
    terms: dict[str, Any] = {
        "content": {
            "_target_": f"{perceptual}.ContentLoss",
            "layers": loss["content_layers"],
            "weight": loss["content_weight"],
            "relative": relative,
        },
        "style": {
            "_target_": f"{perceptual}.StyleLoss",
            "layers": loss["style_layers"],
            "weight": loss["style_weight"],
            "statistics": loss.get("style_statistics", "gram"),
            "relative": relative,
        },
        "tv": {"_target_": f"{perceptual}.TotalVariationLoss", "weight": loss["tv_weight"]},
        "dream": {
            "_target_": f"{perceptual}.DreamLoss",
            "layers": loss.get("dream_layers"),
            "channels": loss.get("dream_channels"),
            "weight": loss.get("dream_weight", 0.0),
        },
    }
    if "adversarial_weight" in loss:
        terms["adversarial"] = {
            "_target_": "stylenet.methods.adversarial.loss.AdversarialOptions",
            "weight": loss["adversarial_weight"],
            **{name: loss[name] for name in _ADVERSARIAL if name in loss},
        }
    return terms
