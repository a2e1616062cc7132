"""Training from shards: a few large tar files in place of many small photos.

A file system of a cluster opens each of 118,000 files with a request to a server that all users
share, and often counts files against a quota. Shards are few, and large enough to be read and
copied at full speed.

They have the WebDataset format, so other programs can stream them. Training here does not stream:
the manifest knows where in its tar file each photo lies, so a photo is read by itself, from a file
that stays open. That keeps all that the folder's samples promise: the order is a shuffle of the
whole set, each device and process reads its own share and nothing else, and a run that resumes at
sample n sees exactly what it would have seen. A stream would shuffle within a buffer, whose state
would have to be saved, and would deal whole shards out to processes, so that the samples would
depend on their number. The price is that reads are not sequential: tens of kilobytes each, for
which decoding, milliseconds a photo, leaves ample time. For a disk where it does not, copy the
shards to the machine's own disk before the run.
"""

import io
import os
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, UnidentifiedImageError

from stylenet.data.manifest import MANIFEST, Manifest
from stylenet.data.module import PhotoData
from stylenet.errors import StyleNetError, first_line
from stylenet.files import reason

# Open tar files in each process: more than COCO's shards, and far below the 1,024 open files that
# Linux allows a process by default.
_OPEN = 64


class ShardReader:
    """Photos inside tar files, each found by its path ``SHARD/PHOTO`` as if in a folder.

    Attributes:
        size: The shorter side that larger photos were reduced to.
        photos: The paths, relative to the folder of the shards.
    """

    def __init__(self, root: Path) -> None:
        """Reads the manifest and looks whether the shards are whole.

        Args:
            root: The folder of the shards.

        Raises:
            StyleNetError: There is no finished set of shards, or a shard is missing or cut short.
        """
        name = f"data.root={root}"
        if not (root / MANIFEST).is_file():
            state = f"holds no {MANIFEST}" if root.is_dir() else "is no folder"
            raise StyleNetError(
                f"{name} {state}; make shards with: python scripts/make_shards.py "
                f"data=folder data.root=photos/ output={root}"
            )
        manifest = Manifest.read(root)
        if manifest.shards is None:
            raise StyleNetError(
                f"{name} holds shards that are not finished; run the same "
                f"scripts/make_shards.py command again, which goes on where it was"
            )
        self.size = manifest.options.size
        self._places: dict[str, tuple[int, int]] = {}
        for shard in manifest.shards:
            _check_whole(root / shard.name, shard.bytes)
            for photo, offset, size in shard.photos:
                self._places[f"{shard.name}/{photo}"] = (offset, size)
        self.photos = list(self._places)
        self._files: OrderedDict[Path, BinaryIO] = OrderedDict()
        self._process = os.getpid()

    def open(self, path: Path, smallest: int) -> Image.Image:
        """Decodes a photo.

        Args:
            path: The folder of the shards, a shard and a photo: ``shards/shard-000000.tar/1.jpg``.
            smallest: It may be decoded at 1/2, 1/4 or 1/8 of its size as long as both sides stay
                at least this many pixels.

        Returns:
            The image, as :func:`stylenet.image.open_image` would.

        Raises:
            StyleNetError: The shard cannot be read, or the photo is damaged.
        """
        try:
            data = self._read(path)
        except OSError as error:
            raise StyleNetError(f"{path} cannot be read: {reason(error)}") from error
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # odd metadata, of no matter here
                with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
                    image.draft(None, (smallest, smallest))
                    image.load()
                    return image
        except UnidentifiedImageError as error:
            raise StyleNetError(f"{path} is damaged: not a JPEG file") from error
        except Exception as error:  # damage makes Pillow raise anything, struct.error for one
            raise StyleNetError(f"{path} is damaged: {first_line(error)}") from error

    def __getstate__(self) -> dict[str, Any]:
        # For a loader's process that is started anew; open files stay behind.
        return {**self.__dict__, "_files": OrderedDict()}

    def _read(self, path: Path) -> bytes:
        """The bytes of a photo."""
        if self._process != os.getpid():
            # A forked process shares the place in an open file with its parent and sisters.
            while self._files:
                self._files.popitem()[1].close()
            self._process = os.getpid()
        shard = path.parent
        file = self._files.pop(shard, None) or shard.open("rb")
        self._files[shard] = file  # as the last one used
        if len(self._files) > _OPEN:
            self._files.popitem(last=False)[1].close()
        offset, size = self._places[f"{shard.name}/{path.name}"]
        file.seek(offset)
        return file.read(size)


class ShardData(PhotoData):
    """Crops of photos in shards; see :mod:`stylenet.data.shards` for how they are read."""

    _choice = "shards"

    def list_photos(self) -> list[str]:
        """Lists the photos, and has them read from the shards from now on.

        Returns:
            Paths relative to the folder of the shards, as if these were folders.

        Raises:
            StyleNetError: There is no finished set of shards, a shard is missing or cut short, or
                the photos are smaller than the crops need.
        """
        reader = ShardReader(self.root)
        # The largest that PhotoDataset asks for.
        largest = round(self.dataset.crop_size * self.dataset.max_scale)
        if largest > reader.size:
            raise StyleNetError(
                f"data.root={self.root} holds photos reduced to {reader.size} pixels, but "
                f"data.crop_size={self.dataset.crop_size} times "
                f"data.max_scale={self.dataset.max_scale} needs {largest}: make shards with "
                f"size={largest}, or lower one of the two"
            )
        self.dataset.open_photo = reader.open
        return reader.photos


def _check_whole(path: Path, size: int) -> None:
    """Refuses a shard that is missing or was not copied to its end.

    Raises:
        StyleNetError: It is.
    """
    try:
        found = path.stat().st_size
    except OSError as error:
        raise StyleNetError(f"{path} cannot be read: {reason(error)}; copy it again") from error
    if found != size:
        raise StyleNetError(f"{path} has {found:,} bytes, expected {size:,}; copy it again")
