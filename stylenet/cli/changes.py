"""Changed options of a run that is resumed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from stylenet.cli.earlier import upgrade
from stylenet.cli.loss import MODULE_LOSSES

# Options that decide what is trained. The others (how long, on what, with which previews) are the
# reason to resume with changes.
_TRAINED = (
    *("style", "styles", "network", "loss", "encoder", "teacher_network"),
    *("optimizer", "schedule", "data"),
)
_IRRELEVANT = {"data.workers", "schedule.max_steps"}
# As many as fit into a readable line.
_SHOWN = 5


def describe_changes(saved: Path, recipe: Mapping[str, Any]) -> str | None:
    """Compare the options of a run with those that it was trained with so far.

    Args:
        saved: ``config.yaml`` of the run directory, which may be missing.
        recipe: All options of the command, as plain values.

    Returns:
        One line with the changed options that decide what is trained; ``None`` if there are none.
    """
    try:
        before = OmegaConf.to_container(OmegaConf.load(saved), resolve=True)
        assert isinstance(before, dict)
        before = upgrade(before)
        before["loss"] = {
            **dict.fromkeys(MODULE_LOSSES, 0.0),
            **(before.get("loss") or {}),
        }  # new in 0.2
    except Exception:  # missing or damaged: only the remark is lost
        return None
    old, new = (dict(_flat({k: part.get(k) for k in _TRAINED})) for part in (before, recipe))
    names = [n for n in [*new, *(n for n in old if n not in new)] if n not in _IRRELEVANT]
    changed = [
        f"{name}={new.get(name, 'none')} (was {old.get(name, 'none')})"
        for name in names
        if old.get(name) != new.get(name)
    ]
    if not changed:
        return None
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return (
        f"this run goes on with other options than it was trained with so far: "
        f"{', '.join(changed[:_SHOWN])}{more}"
    )


def _flat(options: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the options by their full names, such as ``optimizer.lr``."""
    for key, value in options.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
