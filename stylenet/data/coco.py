"""COCO 2017: data module, and extraction of the zip file of its photos."""

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
from stylenet.program import command


class CocoData(PhotoData):
    """Training photos of COCO (Lin et al. 2014, arXiv:1405.0312), in ``ROOT/train2017``."""

    def photo_folder(self) -> Path:
        """Return the folder ``train2017`` in the root.

        Raises:
            StyleNetError: The folder does not exist.
        """
        folder = self.root / "train2017"
        if not folder.is_dir():
            root_exists = self.root.is_dir()
            remedies = [
                "for photos of your own: data=folder data.root=PATH",
                f"for COCO: {command('data coco')} output={self.root} downloads "
                f"train2017.zip and unpacks it there (see data/README.md), or set data.root or "
                f"STYLENET_COCO to where it is",
            ]
            raise StyleNetError(
                f"data=coco needs COCO, but data.root={self.root} "
                f"{'holds no folder train2017' if root_exists else 'does not exist'}; "
                f"{'; '.join(remedies if root_exists else remedies[::-1])}"
            )
        return folder


def unpack_photos(archive: Path, folder: Path) -> Iterator[Path]:
    """Extract the photos of a zip file; another call resumes an interrupted extraction.

    Each photo appears when it is complete and its checksum is right. Other members of the zip file
    are ignored, and nothing is written outside the folder.

    Args:
        archive: Zip file with photos ``FOLDER/NAME.jpg``, where FOLDER is the name of ``folder``.
        folder: Target folder; created if missing.

    Yields:
        The path of each photo, in order. Photos that exist with the right size are not extracted.

    Raises:
        StyleNetError: The zip file is damaged, the disk has too little space, or a photo cannot be
            written.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            # COCO's names are numbers; the pattern excludes paths to other folders.
            pattern = re.compile(re.escape(folder.name) + r"/(\w[\w-]*\.jpg)")
            photos = [
                (member, folder / match[1])
                for member in zipped.infolist()
                if (match := pattern.fullmatch(member.filename))
            ]
            missing = {path for member, path in photos if not _is_extracted(member, path)}
            needed = sum(member.file_size for member, path in photos if path in missing)
            check_space(folder, needed, f"unpacking {archive}")
            folder.mkdir(parents=True, exist_ok=True)
            for member, path in photos:
                if path in missing:
                    _unpack(zipped, member, path)
                yield path
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise StyleNetError(
            f"{archive} is not a complete zip file ({error}); delete it and run the same command "
            f"again, which keeps the extracted photos"
        ) from error
    except OSError as error:
        raise StyleNetError(
            f"cannot unpack {archive} to {folder}: {reason(error)}; fix this and run the same "
            f"command again, which resumes"
        ) from error


def count_photos(folder: Path) -> int:
    """Count the extracted photos in a folder; 0 if it does not exist."""
    return sum(1 for _ in folder.glob("[!.]*.jpg"))


def check_space(folder: Path, needed: int, task: str) -> None:
    """Check that a disk has enough free space.

    Args:
        folder: Target folder; may be missing.
        needed: Bytes.
        task: Description of the task for the message, such as ``unpacking a.zip``.

    Raises:
        StyleNetError: The disk has less free space.
    """
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StyleNetError(
            f"{task} needs {needed / 1e9:.1f} GB, but {folder} has {free / 1e9:.1f} GB free; make "
            f"room or give another output, then run the same command again"
        )


def _is_extracted(member: zipfile.ZipInfo, path: Path) -> bool:
    return path.is_file() and path.stat().st_size == member.file_size


def _unpack(zipped: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """Extract one photo; zipfile verifies its checksum.

    This does not use ``files.atomic_path``, which flushes each file to the disk: for 118,287 photos
    that takes hours on a network disk. A photo cut short by a power failure has a wrong size, and
    the next call extracts it again.
    """
    temporary = path.with_name(f".{path.name}")
    try:
        with zipped.open(member) as source, temporary.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
