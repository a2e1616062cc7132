"""Cached search for the photos of a folder."""

import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, cache_folder, reason, user_path, walk_files
from stylenet.image import SUFFIXES


def scan_photos(root: str | Path, option: str = "data.root") -> list[str]:
    """List the image files of a folder and its subfolders, see :func:`scan_files`."""
    return scan_files(root, SUFFIXES, "image", option)


def scan_files(
    root: str | Path, suffixes: Collection[str], kind: str, option: str = "data.root"
) -> list[str]:
    """List files of a folder and its subfolders by their suffixes.

    The list is cached in the user's cache folder and reused as long as no folder has changed, which
    avoids listing COCO's 118,000 names on a network disk.

    Args:
        root: Folder to search.
        suffixes: Suffixes of the files, such as ``.jpg``.
        kind: Name of such a file in messages and in the cache: ``image`` or ``video``.
        option: Option that names the folder, for messages.

    Returns:
        Paths relative to ``root``, in the same order on every machine. Files and folders whose
        names start with a dot are skipped.

    Raises:
        StyleNetError: The folder is missing, unreadable, or holds no such file.
    """
    root = user_path(root)
    if not root.is_dir():
        files = "photos" if kind == "image" else f"{kind}s"
        problem = f"is a file, expected a folder of {files}" if root.is_file() else "no such folder"
        raise StyleNetError(f"{option}={root}: {problem}; set {option} to a folder of {files}")
    cache = cache_folder() / "scans" / _cache_name(root, kind)
    photos = _from_cache(cache, root)
    if photos is None:
        try:
            photos, folders = walk_files(root, suffixes)
        except OSError as error:
            raise StyleNetError(f"{option}={root} cannot be read: {reason(error)}") from error
        try:
            with atomic_path(cache) as temporary:
                temporary.write_text(json.dumps({"folders": folders, "photos": photos}))
        except StyleNetError:
            pass  # without a cache the next start only takes longer
    if not photos:
        raise StyleNetError(
            f"{option}={root} holds no {kind}; expected {', '.join(sorted(suffixes))} files in it "
            f"or its subfolders"
        )
    return photos


def _cache_name(root: Path, kind: str) -> str:
    return f"{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:32]}.{kind}s.json"


def _from_cache(cache: Path, root: Path) -> list[str] | None:
    """Return the cached list; ``None`` if there is none or a folder has changed since."""
    try:
        known = json.loads(cache.read_text())
        folders, photos = known["folders"], known["photos"]
        if all(os.stat(root / name).st_mtime_ns == time for name, time in folders.items()):
            return list(photos)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None
