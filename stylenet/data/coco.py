"""COCO: training from its folder; unpacking its zip files, and room on the disk for them."""

import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from stylenet.data.module import PhotoData
from stylenet.errors import StyleNetError
from stylenet.files import reason


class CocoData(PhotoData):
    """COCO's training photos (Lin et al. 2014, arXiv:1405.0312), laid out as COCO unpacks."""

    def photo_folder(self) -> Path:
        """Says which folder is searched.

        Returns:
            ``train2017`` below the root.

        Raises:
            StyleNetError: It is not there.
        """
        folder = self.root / "train2017"
        if not folder.is_dir():
            there = self.root.is_dir()
            ways = [
                "for photos of your own: data=folder data.root=PATH",
                f"for COCO: python scripts/prepare_coco.py output={self.root} downloads "
                f"train2017.zip and unpacks it there (see data/README.md), or set data.root or "
                f"STYLENET_COCO to where it is",
            ]
            raise StyleNetError(
                f"COCO was asked for, but data.root={self.root} "
                f"{'holds no folder train2017' if there else 'does not exist'}; "
                f"{'; '.join(ways if there else ways[::-1])}"
            )
        return folder


def unpack_photos(archive: Path, folder: Path) -> Iterator[Path]:
    """Unpacks the photos of a zip file; after an interruption a new call goes on where it was.

    A photo gets its name when it is whole and its checksum right. Nothing else in the zip file is
    unpacked, and nothing outside the folder is written.

    Args:
        archive: A zip file with photos ``FOLDER/NAME.jpg``, FOLDER having the name of ``folder``.
        folder: Where they go; made where missing.

    Yields:
        The path of each photo, in order; those that are there at the right size are not unpacked.

    Raises:
        StyleNetError: The file is no zip file or damaged, the photos do not fit on the disk, or
            cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            # COCO's names are numbers; the pattern keeps paths out that lead elsewhere.
            wanted = re.compile(re.escape(folder.name) + r"/(\w[\w-]*\.jpg)")
            photos = [
                (member, folder / found[1])
                for member in zipped.infolist()
                if (found := wanted.fullmatch(member.filename))
            ]
            missing = {path for member, path in photos if not _is_there(member, path)}
            needed = sum(member.file_size for member, path in photos if path in missing)
            check_space(folder, needed, f"unpacking {archive}")
            folder.mkdir(parents=True, exist_ok=True)
            for member, path in photos:
                if path in missing:
                    _unpack(zipped, member, path)
                yield path
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise StyleNetError(
            f"{archive} is not a whole zip file ({error}); delete it and run the same command "
            f"again, which keeps the photos that are unpacked"
        ) from error
    except OSError as error:
        raise StyleNetError(
            f"cannot unpack {archive} to {folder}: {reason(error)}; run the same command again "
            f"once that is mended, it goes on where it was"
        ) from error


def count_photos(folder: Path) -> int:
    """Counts the unpacked photos.

    Args:
        folder: Of :func:`unpack_photos`.

    Returns:
        How many there are, 0 where there is no such folder.
    """
    return sum(1 for _ in folder.glob("[!.]*.jpg"))


def check_space(folder: Path, needed: int, what: str) -> None:
    """Refuses to begin what would not fit on the disk.

    Args:
        folder: Where it is to go; it need not exist.
        needed: Bytes.
        what: For the message: ``unpacking a.zip``.

    Raises:
        StyleNetError: Less is free.
    """
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StyleNetError(
            f"{what} needs {needed / 1e9:.1f} GB, but {folder} has {free / 1e9:.1f} GB free; make "
            f"room or give another output, then run the same command again"
        )


def _is_there(member: zipfile.ZipInfo, path: Path) -> bool:
    """Whether a photo was unpacked before."""
    return path.is_file() and path.stat().st_size == member.file_size


def _unpack(zipped: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """Unpacks one photo; zipfile compares its checksum when it comes to its end.

    Without ``files.atomic_path``, which waits for the disk twice a file: 118,287 times that is
    hours on a network disk. What a power failure cuts short has another size, and is unpacked again
    by the next call.
    """
    temporary = path.with_name(f".{path.name}")
    try:
        with zipped.open(member) as source, temporary.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
