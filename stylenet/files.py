"""Atomic writing of files, and listing of folders."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from stylenet.errors import StyleNetError

# Names of the temporary files of atomic_path; mkstemp adds the eight characters.
_TEMPORARY = re.compile(r"\.(.+)-[a-z0-9_]{8}(\.[^.]+)?")
# Bytes of the target's stem in a temporary name. Names may have 255 bytes, and 143 on encrypted
# file systems.
_TEMPORARY_STEM = 100


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Write a file atomically: yield a temporary path and rename it to ``path`` on success.

    The temporary file is in the same folder, which is created if missing. It is flushed to disk
    before the renaming, so that even after a crash ``path`` is the complete old or new file.

    Args:
        path: Target file.

    Yields:
        The path to write to, with the suffix of ``path``.

    Raises:
        StyleNetError: The folder or the file cannot be written.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Shortened, because the whole name and what mkstemp adds may be too long.
        stem = os.fsencode(path.stem)[:_TEMPORARY_STEM].decode("utf-8", "ignore")
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{stem}-", suffix=path.suffix)
        temporary = Path(name)
        os.close(descriptor)
        yield temporary
        # mkstemp creates private files; this sets the user's default permissions.
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


def replace_folder(source: Path, target: Path) -> None:
    """Copy a folder to its place, where it appears complete and replaces an earlier one.

    Args:
        source: Folder to copy.
        target: Its new path; parents are created.

    Raises:
        StyleNetError: ``target`` is a file, or cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as folder:
            complete = shutil.copytree(source, Path(folder) / "complete")
            if target.exists():
                # A folder with files cannot be renamed over, only swapped.
                target.rename(Path(folder) / "earlier")
            complete.rename(target)
    except OSError as error:
        raise StyleNetError(f"cannot write {target}: {reason(error)}") from error


def user_path(text: object) -> Path:
    """Return the path that a user gave, with a leading ``~`` expanded to the home folder.

    Args:
        text: The path; may be a number, because Hydra parses ``2017`` as one.

    Returns:
        The path. Without such a home folder, as for a file named ``~x.jpg``, the ``~`` stays, as in
        a shell.
    """
    path = Path(str(text))
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def unfinished(folder: Path, name: str) -> list[Path]:
    """List the temporary files that killed processes left behind in :func:`atomic_path`.

    Args:
        folder: Folder to search without its subfolders; may be missing.
        name: Regular expression that matches the complete names of the target files.

    Returns:
        The temporary files, in no particular order.
    """
    matches = ((path, _TEMPORARY.fullmatch(path.name)) for path in folder.glob(".*-*"))
    return [path for path, m in matches if m and re.fullmatch(name, m[1] + (m[2] or ""))]


def refuse_input(target: Path, source: Path) -> None:
    """Check that an output file is not the input file.

    Raises:
        StyleNetError: ``target`` and ``source`` are the same file.
    """
    if target.exists() and source.exists() and target.samefile(source):
        raise StyleNetError(f"output={target} is the input itself; choose another name")


def check_output(target: Path, source: Path | None = None) -> None:
    """Check that an output file can be written, before minutes of work.

    Args:
        target: Output file; its folder may be missing.
        source: Input file, which must be another one.

    Raises:
        StyleNetError: The target is a folder or the source, or its folder is not writable.
    """
    if source is not None:
        refuse_input(target, source)
    existing = next(folder for folder in target.absolute().parents if folder.exists())
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise StyleNetError(f"cannot write output={target}: {reason(error)}") from error


def reason(error: OSError) -> str:
    """Return the system's description of an error, such as ``No space left on device``."""
    return error.strerror or str(error)


def walk_files(root: Path, suffixes: Collection[str]) -> tuple[list[str], dict[str, int]]:
    """List the files of a folder and its subfolders that have one of the suffixes.

    Args:
        root: Folder to search.
        suffixes: Lower-case suffixes with their dots.

    Returns:
        The files' sorted paths relative to ``root``, with ``/`` between folders, and the
        modification time of each folder in nanoseconds. Names that start with a dot are skipped.

    Raises:
        OSError: A folder cannot be read.
    """
    files: list[str] = []
    folders: dict[str, int] = {}
    pending = [""]
    seen: set[tuple[int, int]] = set()
    while pending:
        folder = pending.pop()
        stat = os.stat(root / folder)
        if (stat.st_dev, stat.st_ino) in seen:  # a link back up
            continue
        seen.add((stat.st_dev, stat.st_ino))
        # Read before listing, so that a file added meanwhile counts as a change next time.
        folders[folder] = stat.st_mtime_ns
        with os.scandir(root / folder) as entries:
            # Sorted, so that of several links to a folder the same one is used on every machine.
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.startswith("."):
                    continue
                name = f"{folder}/{entry.name}" if folder else entry.name
                # For broken links os.path.isdir() returns False, while is_dir() may raise.
                if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():
                    pending.append(name)
                elif os.path.splitext(entry.name)[1].lower() in suffixes:
                    files.append(name)
    return sorted(files), folders


def find_inputs(source: Path, target: Path, suffixes: Collection[str]) -> list[Path]:
    """List the input files of a folder and its subfolders, without results of earlier runs.

    Args:
        source: Folder to search.
        target: Folder of the results, which may be inside ``source``.
        suffixes: Lower-case suffixes with their dots.

    Returns:
        Paths relative to ``source``.

    Raises:
        OSError: The folder is unreadable.
    """
    results = target.resolve()
    names = map(Path, walk_files(source, suffixes)[0])
    return [name for name in names if results not in (source / name).resolve().parents]


def cache_folder() -> Path:
    """Return the folder for files that can be computed or downloaded again.

    Returns:
        ``STYLENET_CACHE`` if set, else the platform's cache folder for StyleNet; for users without
        a home folder, a folder among the temporary files.
    """
    folder = os.environ.get("STYLENET_CACHE")
    if folder:
        return user_path(folder)
    try:
        return Path(platformdirs.user_cache_dir("stylenet")).expanduser()
    except RuntimeError:  # no home folder, as with docker run --user
        return Path(tempfile.gettempdir()) / "stylenet"


def _flush_to_disk(path: Path) -> None:
    """Flush a file, or the list of names in a folder, to the disk."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open folders.
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
