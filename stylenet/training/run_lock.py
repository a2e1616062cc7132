"""Lock of a run directory, so that two jobs never write to the same one."""

import os
import socket
import time
import warnings
from types import TracebackType

from filelock import FileLock, Timeout

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path
from stylenet.training.run_folder import RunFolder

# Seconds until all processes of a killed job have ended. PyTorch's loader workers check for their
# parent every 5 seconds (torch.utils.data's MP_STATUS_CHECK_INTERVAL).
_PATIENCE = 10.0


class RunLock:
    """Lock of a run directory, which the operating system releases when the process ends."""

    def __init__(self, folder: RunFolder) -> None:
        """Prepare the lock without taking it."""
        self._folder = folder
        self._lock = FileLock(folder.path / ".lock")
        self._holder = folder.path / ".holder"

    def __enter__(self) -> "RunLock":
        """Take the lock, make the directory if it is missing, and delete files of a killed run.

        Raises:
            StyleNetError: Another process holds the lock, or the directory cannot be written.
        """
        try:
            self._folder.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=_PATIENCE)
        except Timeout as error:
            raise StyleNetError(
                f"run_dir={self._folder.path} is in use by {self._read()}; wait until it ends, or "
                f"choose another run_dir"
            ) from error
        except NotImplementedError:
            warnings.warn(
                f"{self._folder.path} is on a file system without locks; make sure yourself that "
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
        """Release the lock."""
        self._holder.unlink(missing_ok=True)
        self._lock.release()

    def _read(self) -> str:
        """Return the description of the process that holds the lock, if it is written already."""
        try:
            return self._holder.read_text()
        except OSError:
            return "another process"


def _describe() -> str:
    """Describe this process for messages of others."""
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    job = os.environ.get("SLURM_JOB_ID")
    slurm = f"Slurm job {job}, " if job else ""
    return f"{slurm}process {os.getpid()} on {socket.gethostname()} since {since}"
