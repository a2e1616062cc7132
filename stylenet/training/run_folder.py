"""What lies where in the folder of a run."""

import itertools
import re
from pathlib import Path

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, reason, unfinished

_STEP = re.compile(r"step_(\d+)\.ckpt")


class RunFolder:
    """The paths of one run.

    Attributes:
        path: The folder itself.
        config: The composed options.
        checkpoints: Folder of training checkpoints and the checkpoints beside them.
        previews: Folder of before/after images.
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
        self._origin = self.checkpoints / "origin"

    def checkpoint(self, step: int) -> Path:
        """Names the training checkpoint of a step.

        Args:
            step: Training steps taken.

        Returns:
            Its path; the checkpoint beside it has the suffix ``.safetensors``.
        """
        return self.checkpoints / f"step_{step:07d}.ckpt"

    def saved_checkpoints(self) -> list[Path]:
        """Lists the training checkpoints there are.

        Returns:
            Their paths, oldest first.
        """
        return sorted(p for p in self.checkpoints.glob("step_*.ckpt") if _STEP.fullmatch(p.name))

    def origin(self) -> Path | None:
        """Says which checkpoint, named by the user, the saved ones have gone on from.

        Returns:
            Its absolute path; ``None`` where no checkpoint was named.
        """
        try:
            return Path(self._origin.read_text(encoding="utf-8"))
        except OSError:
            return None

    def forget_origin(self) -> None:
        """Notes that what is saved from now on has no origin: the run begins anew."""
        self._origin.unlink(missing_ok=True)

    def branch_off(self, origin: Path) -> Path | None:
        """Makes a checkpoint the newest of this folder and notes it, so that the next is its own.

        Args:
            origin: The checkpoint, here or elsewhere.

        Returns:
            The folder within ``checkpoints/`` to which those went that do not lead to it, with the
            checkpoints beside them; ``None`` where there are none.

        Raises:
            StyleNetError: The folder cannot be written.
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
                # The final networks, too, which would else be taken for this run's.
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
        """Lists what a run that was killed was just writing.

        Returns:
            Files that have not got their names and never will; of no use once no process runs.
        """
        return [
            *unfinished(self.path, r"config\.yaml|\.holder|.+\.safetensors"),
            *unfinished(self.checkpoints, r"origin|step_\d+\.(ckpt|safetensors)"),
            *unfinished(self.previews, r"step_\d+\.png"),
        ]

    def final_checkpoint(self, name: str) -> Path:
        """Names the final checkpoint.

        Args:
            name: Of the style, or of what else was trained.

        Returns:
            Its path.
        """
        return self.path / f"{name}.safetensors"

    def preview(self, step: int) -> Path:
        """Names the before/after image of a step.

        Args:
            step: Training steps taken.

        Returns:
            Its path.
        """
        return self.previews / f"step_{step:07d}.png"
