"""Options of version 0.1 as this version writes them."""

from collections.abc import Mapping
from typing import Any

# configs/optimizer/adam.yaml; there was no other optimizer.
_ADAM = {"_target_": "torch.optim.Adam", "_partial_": True, "betas": [0.9, 0.999]}
_SCHEDULES = {"none": "ConstantSchedule", "cosine": "CosineSchedule"}


def upgrade_optimizer(recipe: Mapping[Any, Any]) -> dict[Any, Any]:
    """Split the optimizer of an earlier recipe into optimizer and schedule.

    Args:
        recipe: Options of a run, as its config.yaml and its checkpoints hold them.

    Returns:
        The same options, with ``optimizer`` and ``schedule`` as in configs/train.yaml.
    """
    optimizer = recipe.get("optimizer")
    if not isinstance(optimizer, Mapping) or optimizer.get("decay") not in _SCHEDULES:
        return dict(recipe)
    schedule = {
        "_target_": f"stylenet.training.{_SCHEDULES[optimizer['decay']]}",
        "_partial_": True,
        "warmup_steps": optimizer.get("warmup_steps", 0),
    }
    return {**recipe, "optimizer": {**_ADAM, "lr": optimizer.get("lr")}, "schedule": schedule}


def upgrade_style(recipe: Mapping[Any, Any]) -> dict[Any, Any]:
    """Replace the former class of a style's options.

    Args:
        recipe: Options of a run, as its config.yaml and its checkpoints hold them.
    """
    style = recipe.get("style")
    if not isinstance(style, Mapping):
        return dict(recipe)
    return {**recipe, "style": {**style, "_target_": "stylenet.data.StyleOptions"}}
