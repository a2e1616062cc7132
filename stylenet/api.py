"""Training from Python; the front door is :mod:`stylenet` itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stylenet.cli.experiment import compose_experiment
from stylenet.cli.train import train as train_experiment
from stylenet.image import SUFFIXES


def train(
    style: str | Path | None = None,
    photos: str | Path | None = None,
    *,
    experiment: str | None = "quickstart",
    run_dir: str | Path | None = None,
    max_steps: int | None = None,
    **options: Any,
) -> Path | None:
    """Train a network, as ``stylenet train`` does, and leave the run directory complete.

    >>> stylenet.train("painting.jpg", "photos/", experiment="laptop", max_steps=500)

    Args:
        style: A style of ``configs/style/``, or the path of a style image. ``None`` for the
            default, and for networks whose options name their styles.
        photos: Folder of photos to train on; ``None`` for those of the experiment.
        experiment: A file of ``configs/experiment/``. The quick start trains in minutes with the
            bundled encoder and, without ``photos``, on sample photos: nothing is downloaded.
            ``None`` is the full recipe: VGG-16 and, without ``photos``, COCO.
        run_dir: Run directory; default: ``runs/`` and the name of the style.
        max_steps: Training steps; default: those of the experiment.
        **options: Config groups (``network="compact"``) and options of configs/train.yaml;
            nested as mappings (``loss={"style": {"weight": 30}}``), or by dotted names
            (``**{"loss.style.weight": 30}``).

    Returns:
        The final checkpoint, for :func:`stylenet.load`; ``None`` on other ranks than 0, and if the
        run stopped before its last step.

    Raises:
        StyleNetError: An option is unknown or impossible, or the run cannot go on.
        SystemExit: A signal ended the run, which is saved.
    """
    given: dict[str, Any] = {}
    if style is not None:
        given |= _style_options(style)
    if photos is not None:
        given |= {"data": "folder", "data.root": str(photos)}
    if run_dir is not None:
        given["run_dir"] = str(run_dir)
    if max_steps is not None:
        given["trainer.max_steps"] = max_steps
    if experiment is not None:
        given["experiment"] = experiment
    given |= _flatten(options)
    with compose_experiment("train", given) as composed:
        return train_experiment(composed)


def _style_options(style: str | Path) -> dict[str, str]:
    path = Path(style)
    if isinstance(style, Path) or path.suffix.lower() in SUFFIXES or path.is_file():
        return {"style": "custom", "style.name": path.stem, "style.image": str(style)}
    return {"style": style}


def _flatten(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested options by dotted names."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
