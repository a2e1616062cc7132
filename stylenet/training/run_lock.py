"""One run, one process that writes: two jobs never share a run folder."""

import os
import socket
import time
import warnings
from types import TracebackType

from filelock import FileLock, Timeout

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path
from stylenet.training.run_folder import RunFolder

# Seconds in which the processes of a killed job, its loaders among them, are surely gone: PyTorch's
# loaders look for their parent every 5 (torch.utils.data's MP_STATUS_CHECK_INTERVAL).
_PATIENCE = 10.0


class RunLock:
    """Holds a run folder; the operating system lets go of it when the process ends, however."""

    def __init__(self, folder: RunFolder) -> None:
        """Takes nothing yet.

        Args:
            folder: What to hold.
        """
        self._folder = folder
        self._lock = FileLock(folder.path / ".lock")
        self._holder = folder.path / ".holder"

    def __enter__(self) -> "RunLock":
        """Takes the folder, makes it where it is missing, and clears what a killed run left.

        Raises:
            StyleNetError: Another process holds it, or it cannot be written.
        """
        try:
            self._folder.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=_PATIENCE)
        except Timeout as error:
            raise StyleNetError(
                f"run_dir={self._folder.path} is in use by {self._read()}; wait for its end, or "
                f"choose another run_dir"
            ) from error
        except NotImplementedError:
            warnings.warn(
                f"{self._folder.path} is on a file system without locks: see to it yourself that "
                f"no other job writes there",
                stacklevel=2,
            )
        except OSError as error:
            raise StyleNetError(
                f"run_dir={self._folder.path} cannot be written: {error.strerror or error}"
            ) from error
        for leftover in self._folder.leftovers():
            leftover.unlink(missing_ok=True)
        with atomic_path(self._holder) as temporary:
            temporary.write_text(_describe())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Lets go of the folder."""
        self._holder.unlink(missing_ok=True)
        self._lock.release()

    def _read(self) -> str:
        """The holder's words, which may be just about to be written."""
        try:
            return self._holder.read_text()
        except OSError:
            return "another process"


def _describe() -> str:
    """This process, for others to find it."""
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    job = os.environ.get("SLURM_JOB_ID")
    slurm = f"Slurm job {job}, " if job else ""
    return f"{slurm}process {os.getpid()} on {socket.gethostname()} since {since}"
