"""Files: written so that a reader never sees half of one, and found in folders."""

import errno
import os
import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from stylenet.errors import StyleNetError

# What atomic_path calls a file until it is whole; the eight characters are those of mkstemp.
_TEMPORARY = re.compile(r"\.(.+)-[a-z0-9_]{8}(\.[^.]+)?")
# In bytes; file systems take names of 255, encrypted ones of 143.
_TEMPORARY_STEM = 100


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
        # A part of the name is enough: with more beside it a long one would be too long.
        stem = os.fsencode(path.stem)[:_TEMPORARY_STEM].decode("utf-8", "ignore")
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{stem}-", suffix=path.suffix)
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


def user_path(text: object) -> Path:
    """Return the path that a user writes, with the home folder for a leading ``~``.

    Args:
        text: As it was written; a number is taken too, for Hydra makes one of ``2017``.

    Returns:
        The path. Where no such home folder is known, as for a file that is called ``~x.jpg``, the
        ``~`` stays, as it does in a shell.
    """
    path = Path(str(text))
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def unfinished(folder: Path, name: str) -> list[Path]:
    """Lists what processes that were killed left of :func:`atomic_path`'s files.

    Args:
        folder: Where to look, in itself alone; it need not be there.
        name: A regular expression for the whole names that the files were to get.

    Returns:
        The temporary files of these, in no order.
    """
    matches = ((path, _TEMPORARY.fullmatch(path.name)) for path in folder.glob(".*-*"))
    return [path for path, m in matches if m and re.fullmatch(name, m[1] + (m[2] or ""))]


def refuse_input(target: Path, source: Path) -> None:
    """Refuses to write over what is read.

    Args:
        target: Where a result is to go.
        source: What it is made of.

    Raises:
        StyleNetError: Both are the same file.
    """
    if target.exists() and source.exists() and target.samefile(source):
        raise StyleNetError(f"output={target} is the input itself; choose another name")


def check_output(target: Path, source: Path | None = None) -> None:
    """Refuses at once what could not be written after minutes of work.

    Args:
        target: The file that a result is to go to; its folder need not be there yet.
        source: See :func:`refuse_input`.

    Raises:
        StyleNetError: It is a folder or the source, or nothing can be written there.
    """
    if source is not None:
        refuse_input(target, source)
    there = next(folder for folder in target.absolute().parents if folder.exists())
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        raise StyleNetError(f"cannot write output={target}: {reason(error)}") from error


def reason(error: OSError) -> str:
    """Says in a few words why the operating system refused.

    Args:
        error: The error that it raised.

    Returns:
        Its plain description, such as ``No space left on device``.
    """
    return error.strerror or str(error)


def walk_files(root: Path, suffixes: Collection[str]) -> tuple[list[str], dict[str, int]]:
    """Lists the files of a folder and its subfolders by suffix, without opening any.

    Args:
        root: The folder.
        suffixes: Lower-case suffixes with their dots.

    Returns:
        The files' paths relative to ``root``, sorted, with ``/`` between folders, and the time of
        change of each folder in nanoseconds. What begins with a dot is left out.

    Raises:
        OSError: A folder cannot be read.
    """
    files: list[str] = []
    folders: dict[str, int] = {}
    waiting = [""]
    seen: set[tuple[int, int]] = set()
    while waiting:
        folder = waiting.pop()
        stat = os.stat(root / folder)
        if (stat.st_dev, stat.st_ino) in seen:  # a link back up
            continue
        seen.add((stat.st_dev, stat.st_ino))
        # Taken before listing: what is added meanwhile shows as a change next time.
        folders[folder] = stat.st_mtime_ns
        with os.scandir(root / folder) as entries:
            # In order, so that of a folder's several links the same one counts everywhere.
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.startswith("."):
                    continue
                name = f"{folder}/{entry.name}" if folder else entry.name
                # isdir() takes a link that leads nowhere for no folder, where is_dir() may raise.
                if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():
                    waiting.append(name)
                elif os.path.splitext(entry.name)[1].lower() in suffixes:
                    files.append(name)
    return sorted(files), folders


def find_inputs(source: Path, target: Path, suffixes: Collection[str]) -> list[Path]:
    """Lists the files of a folder and its subfolders that are no results of an earlier run.

    Args:
        source: The folder.
        target: The folder for the results, which may lie inside ``source``.
        suffixes: Which files, such as ``.png``.

    Returns:
        Paths relative to ``source``.

    Raises:
        OSError: The folder is unreadable.
    """
    results = target.resolve()
    names = map(Path, walk_files(source, suffixes)[0])
    return [name for name in names if results not in (source / name).resolve().parents]


def cache_folder() -> Path:
    """Return the folder for what can be made or downloaded again.

    Returns:
        ``STYLENET_CACHE``, or the platform's cache folder for StyleNet, or, where the user has no
        home folder, one among temporary files.
    """
    chosen = os.environ.get("STYLENET_CACHE")
    if chosen:
        return user_path(chosen)
    try:
        return Path(platformdirs.user_cache_dir("stylenet")).expanduser()
    except RuntimeError:  # a user without a home folder, as of docker run --user
        return Path(tempfile.gettempdir()) / "stylenet"


def _flush_to_disk(path: Path) -> None:
    """Waits until the file, or the folder's list of names, is on the disk itself."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open folders.
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
