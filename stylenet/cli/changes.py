"""What has changed in the options of a run that goes on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from stylenet.cli.loss import is_flat, terms_of_flat

# What decides what is learned; of the rest (how long, on what, with which previews) changes are the
# point of going on.
_LEARNED = ("style", "styles", "network", "loss", "encoder", "teacher_network", "optimizer", "data")
_ELSEWHERE = {"data.workers"}
# As many as fit into a line that is read.
_SHOWN = 5


def describe_changes(saved: Path, config: DictConfig) -> str | None:
    """Compares a run's options with those that it was trained with so far.

    Args:
        saved: ``config.yaml`` of the run folder; it need not be there.
        config: The whole of the command's options.

    Returns:
        One line with the options that differ and decide what is learned; ``None`` for none.
    """
    try:
        before = OmegaConf.to_container(OmegaConf.load(saved), resolve=True)
        assert isinstance(before, dict)
        if is_flat(before.get("loss") or {}):
            before["loss"] = terms_of_flat(before["loss"])
    except Exception:  # missing or damaged: only the remark is lost
        return None
    now = cast(dict[Any, Any], OmegaConf.to_container(config, resolve=True))
    old, new = (dict(_flat({k: part.get(k) for k in _LEARNED})) for part in (before, now))
    names = [n for n in [*new, *(n for n in old if n not in new)] if n not in _ELSEWHERE]
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
    """The options by their whole names, ``loss.style.weight``."""
    for key, value in options.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
