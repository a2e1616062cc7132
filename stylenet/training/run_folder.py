"""What lies where in the folder of a run."""

import re
from pathlib import Path

from stylenet.files import unfinished

_STEP = re.compile(r"step_(\d+)\.ckpt")


class RunFolder:
    """The paths of one run.

    Attributes:
        path: The folder itself.
        config: The composed settings.
        checkpoints: Folder of training checkpoints and the artefacts beside them.
        previews: Folder of before/after pictures.
        tensorboard: Folder of TensorBoard's event files.
    """

    def __init__(self, path: str | Path) -> None:
        """Names the paths; touches nothing.

        Args:
            path: The folder of the run.
        """
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.checkpoints = self.path / "checkpoints"
        self.previews = self.path / "previews"
        self.tensorboard = self.path / "tensorboard"

    def checkpoint(self, step: int) -> Path:
        """Names the training checkpoint of a step.

        Args:
            step: Training steps taken.

        Returns:
            Its path; the artefact beside it has the suffix ``.safetensors``.
        """
        return self.checkpoints / f"step_{step:07d}.ckpt"

    def saved_checkpoints(self) -> list[Path]:
        """Lists the training checkpoints there are.

        Returns:
            Their paths, oldest first.
        """
        return sorted(p for p in self.checkpoints.glob("step_*.ckpt") if _STEP.fullmatch(p.name))

    def leftovers(self) -> list[Path]:
        """Lists what a run that was killed was just writing.

        Returns:
            Files that have not got their names and never will; of no use once no process runs.
        """
        return [
            *unfinished(self.path, r"config\.yaml|\.holder|.+\.safetensors"),
            *unfinished(self.checkpoints, r"step_\d+\.(ckpt|safetensors)"),
            *unfinished(self.previews, r"step_\d+\.png"),
        ]

    def artefact(self, name: str) -> Path:
        """Names the final artefact.

        Args:
            name: Of the style, or of what else was trained.

        Returns:
            Its path.
        """
        return self.path / f"{name}.safetensors"

    def preview(self, step: int) -> Path:
        """Names the before/after picture of a step.

        Args:
            step: Training steps taken.

        Returns:
            Its path.
        """
        return self.previews / f"step_{step:07d}.png"
