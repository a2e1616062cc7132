"""Paths inside the directory of a run."""

import itertools
import re
from pathlib import Path

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, reason, unfinished

_STEP = re.compile(r"step_(\d+)\.ckpt")


class RunFolder:
    """Paths inside one run directory.

    Attributes:
        path: The directory.
        config: File of the composed options.
        checkpoints: Directory of resume checkpoints and the checkpoints beside them.
        previews: Directory of before/after images.
        tensorboard: Directory of TensorBoard's event files.
    """

    def __init__(self, path: str | Path) -> None:
        """Set the paths, without touching the disk."""
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.checkpoints = self.path / "checkpoints"
        self.previews = self.path / "previews"
        self.tensorboard = self.path / "tensorboard"
        self._origin = self.checkpoints / "origin"

    def checkpoint(self, step: int) -> Path:
        """Return the path of the resume checkpoint of a step.

        The checkpoint beside it has the suffix ``.safetensors``.
        """
        return self.checkpoints / f"step_{step:07d}.ckpt"

    def saved_checkpoints(self) -> list[Path]:
        """Return the paths of the existing resume checkpoints, oldest first."""
        return sorted(p for p in self.checkpoints.glob("step_*.ckpt") if _STEP.fullmatch(p.name))

    def origin(self) -> Path | None:
        """Return the resume checkpoint that the user named, from which the saved ones derive.

        Returns:
            The absolute path; ``None`` if the user named none.
        """
        try:
            return Path(self._origin.read_text(encoding="utf-8"))
        except OSError:
            return None

    def forget_origin(self) -> None:
        """Record that the run starts without a checkpoint."""
        self._origin.unlink(missing_ok=True)

    def branch_off(self, origin: Path) -> Path | None:
        """Record a checkpoint as the origin of the run, and move later checkpoints aside.

        Args:
            origin: A resume checkpoint, in this run directory or elsewhere.

        Returns:
            The directory in ``checkpoints/`` with the moved checkpoints: the later ones, or all if
            the origin is elsewhere. ``None`` if no checkpoint was moved.

        Raises:
            StyleNetError: The run directory cannot be written.
        """
        origin = origin.resolve()
        here = origin.parent == self.checkpoints.resolve()
        others = [p for p in self.saved_checkpoints() if not here or p.name > origin.name]
        aside = None
        if others:
            names = (self.checkpoints / f"abandoned_{number}" for number in itertools.count(1))
            aside = next(folder for folder in names if not folder.exists())
            try:
                aside.mkdir()
                # Final checkpoints, too, which would otherwise seem to come from this run.
                files = [*self.path.glob("[!.]*.safetensors")]
                for path in reversed(others):
                    files += [path.with_suffix(".safetensors"), path]
                for file in files:
                    if file.exists():
                        file.rename(aside / file.name)
            except OSError as error:
                raise StyleNetError(f"cannot write {aside}: {reason(error)}") from error
        with atomic_path(self._origin) as temporary:
            temporary.write_text(str(origin), encoding="utf-8")
        return aside

    def leftovers(self) -> list[Path]:
        """Return temporary files of a killed run. They are useless when no process uses the run."""
        return [
            *unfinished(self.path, r"config\.yaml|\.holder|.+\.safetensors"),
            *unfinished(self.checkpoints, r"origin|step_\d+\.(ckpt|safetensors)"),
            *unfinished(self.previews, r"step_\d+\.png"),
        ]

    def final_checkpoint(self, name: str) -> Path:
        """Return the path of the final checkpoint with a name."""
        return self.path / f"{name}.safetensors"

    def preview(self, step: int) -> Path:
        """Return the path of the before/after image of a step."""
        return self.previews / f"step_{step:07d}.png"
