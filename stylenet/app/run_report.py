"""Progress of a run, read from the files of its run directory."""

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class RunReport:
    """Progress of a run.

    Attributes:
        step: Last step whose losses were logged.
        losses: Pairs of step and loss, by the name of the loss.
        preview: Newest image of photos and stylized photos.
        has_checkpoint: Whether the run holds a network to stylize with.
    """

    step: int = 0
    losses: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    preview: Path | None = None
    has_checkpoint: bool = False


def read_run(folder: Path) -> RunReport:
    """Read the progress of a run that logs to CSV files (``logger=csv``).

    Args:
        folder: The run directory; may be missing or empty.
    """
    losses: dict[str, dict[int, float]] = {"style": {}, "content": {}}
    # Each start or resume has a table of its own; later ones repeat steps that were not saved.
    tables = sorted(folder.glob("csv/version_*/metrics.csv"), key=lambda path: _number(path.parent))
    for table in tables:
        for row in _rows(table):
            for name, values in losses.items():
                value = row.get(f"loss/{name}")
                if value and row.get("step"):
                    values[int(row["step"]) + 1] = float(value)
    series = {name: sorted(values.items()) for name, values in losses.items()}
    previews = sorted(folder.glob("previews/step_*.png"))
    return RunReport(
        step=max((values[-1][0] for values in series.values() if values), default=0),
        losses=series,
        preview=previews[-1] if previews else None,
        has_checkpoint=any(find_networks(folder)),
    )


def find_networks(folder: Path) -> list[Path]:
    """Return the checkpoints for inference in a run directory."""
    patterns = ("[!.]*.safetensors", "checkpoints/[!.]*.safetensors")
    return [path for pattern in patterns for path in folder.glob(pattern)]


def _rows(table: Path) -> list[dict[str, str]]:
    """Read a table that another process is writing, up to its last complete line."""
    try:
        text = table.read_text(encoding="utf-8")
    except OSError:  # Lightning replaces the file when a column is added
        return []
    return list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))


def _number(path: Path) -> int:
    digits = re.search(r"\d+$", path.name)
    return int(digits[0]) if digits else -1
