"""Metadata of a checkpoint."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

import stylenet

# Increase it when an older version could misread the files of this one.
FORMAT_VERSION = 1

# safetensors metadata maps strings to strings, so all of ours is one JSON string under this key.
METADATA_KEY = "stylenet"


@dataclass(frozen=True)
class CheckpointInfo:
    """Metadata of a checkpoint.

    Attributes:
        style: Name of the style; for a network of several styles, their joint name.
        step: Training steps taken.
        recipe: The composed options of the run, as plain values.
        package_version: Version of StyleNet that wrote the file.
        description: The style in one line, for lists.
    """

    style: str
    step: int
    recipe: dict[str, Any] = field(default_factory=dict)
    package_version: str = stylenet.__version__
    description: str = ""


def read_step(path: Path) -> int:
    """Read the training steps from a checkpoint's header; -1 if it holds none."""
    try:
        with safe_open(path, framework="pt") as file:
            return int(json.loads((file.metadata() or {})[METADATA_KEY])["step"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return -1  # load_checkpoint reports the reason
