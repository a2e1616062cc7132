"""Writing files so that a reader never sees half of one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stylenet.errors import StyleNetError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path to write to, which becomes ``path`` only when all went well.

    The temporary file lies in the same folder (made where missing), is flushed to the disk and
    then renamed, so after a crash ``path`` is the old file or the new one, whole.

    Args:
        path: Where the file is to be in the end.

    Yields:
        The path to write to. It has the same suffix as ``path``.

    Raises:
        StyleNetError: The folder or the file cannot be written (permission, no space …).
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix
        )
        temporary = Path(name)
        os.close(descriptor)
        yield temporary
        # mkstemp makes files private; what a command writes gets the user's usual permissions.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        _flush_to_disk(temporary)
        os.replace(temporary, path)
        _flush_to_disk(path.parent)
    except OSError as error:
        raise StyleNetError(f"cannot write {path}: {reason(error)}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def reason(error: OSError) -> str:
    """Says in a few words why the operating system refused.

    Args:
        error: The error that it raised.

    Returns:
        Its plain description, such as ``No space left on device``.
    """
    return error.strerror or str(error)


def _flush_to_disk(path: Path) -> None:
    """Waits until the file, or the folder's list of names, is on the disk itself."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open folders.
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
