"""Training from shards: a few large tar files instead of many small photos.

On the file system of a cluster, opening each of 118,000 files is a request to a server that all
users share, and files often count against a quota. Shards are few, and large enough to be read and
copied at full speed.

Shards have the WebDataset format, so that other programs can stream them. Training does not stream
them: the manifest holds the position of each photo, so that a photo can be read by itself from an
open file. Samples are then the same as from a folder: the order is a shuffle of the whole set, each
rank and worker reads only its own photos, and a run resumed at sample n continues with the same
samples. A stream would shuffle within a buffer, whose state would have to be saved, and distribute
whole shards to processes, so that the samples would depend on the number of processes. The price
is that reads are not sequential but of tens of kilobytes each; decoding a photo takes milliseconds.
If a disk is too slow for this, copy the shards to the machine's own disk before the run.
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
from stylenet.program import command

# Open tar files per process: more than COCO's shards, and far below Linux's default limit of 1,024
# open files.
_MAX_OPEN = 64


class ShardReader:
    """Reader of photos in tar files by their paths ``SHARD/PHOTO``, as if shards were folders.

    Attributes:
        size: Largest short side of the photos, in pixels.
        photos: Paths relative to the folder of the shards.
    """

    def __init__(self, root: Path) -> None:
        """Read the manifest and check that the shards are complete.

        Args:
            root: Folder of the shards.

        Raises:
            StyleNetError: There is no finished set of shards, or a shard is missing or cut short.
        """
        option = f"data.root={root}"
        if not (root / MANIFEST).is_file():
            problem = f"holds no {MANIFEST}" if root.is_dir() else "is not a folder"
            raise StyleNetError(
                f"{option} {problem}; make shards with: {command('data shards')} "
                f"data=folder data.root=photos/ output={root}"
            )
        manifest = Manifest.read(root)
        if manifest.shards is None:
            raise StyleNetError(
                f"{option} holds shards that are not finished; run the same "
                f"{command('data shards')} command again, which resumes"
            )
        self.size = manifest.options.size
        self._positions: dict[str, tuple[int, int]] = {}
        for shard in manifest.shards:
            _check_complete(root / shard.name, shard.bytes)
            for photo, offset, size in shard.photos:
                self._positions[f"{shard.name}/{photo}"] = (offset, size)
        self.photos = list(self._positions)
        self._files: OrderedDict[Path, BinaryIO] = OrderedDict()
        self._process = os.getpid()

    def open(self, path: Path, smallest: int) -> Image.Image:
        """Decode a photo, as :func:`stylenet.image.open_image` does for a file.

        Args:
            path: Path of the photo, such as ``shards/shard-000000.tar/000000001.jpg``.
            smallest: The photo is decoded at 1/2, 1/4 or 1/8 of its size where both sides keep at
                least this many pixels.

        Raises:
            StyleNetError: The shard cannot be read, or the photo is damaged.
        """
        try:
            data = self._read(path)
        except OSError as error:
            raise StyleNetError(f"{path} cannot be read: {reason(error)}") from error
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # about unusual metadata
                with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
                    image.draft(None, (smallest, smallest))
                    image.load()
                    return image
        except UnidentifiedImageError as error:
            raise StyleNetError(f"{path} is damaged: not a JPEG file") from error
        except Exception as error:  # damage makes Pillow raise any exception, such as struct.error
            raise StyleNetError(f"{path} is damaged: {first_line(error)}") from error

    def __getstate__(self) -> dict[str, Any]:
        # Open files cannot be pickled for the workers of a loader.
        return {**self.__dict__, "_files": OrderedDict()}

    def _read(self, path: Path) -> bytes:
        if self._process != os.getpid():
            # Forked processes share the position in an open file, so each opens its own.
            while self._files:
                self._files.popitem()[1].close()
            self._process = os.getpid()
        shard = path.parent
        file = self._files.pop(shard, None) or shard.open("rb")
        self._files[shard] = file  # the most recently used is last
        if len(self._files) > _MAX_OPEN:
            self._files.popitem(last=False)[1].close()
        offset, size = self._positions[f"{shard.name}/{path.name}"]
        file.seek(offset)
        return file.read(size)


class ShardData(PhotoData):
    """Crops of photos in shards, with the same samples as from a folder."""

    _config = "shards"

    def list_photos(self) -> list[str]:
        """List the photos as paths ``SHARD/PHOTO``, and let the dataset read them from the shards.

        Raises:
            StyleNetError: There is no finished set of shards, a shard is missing or cut short, or
                the photos are smaller than the crops need.
        """
        reader = ShardReader(self.root)
        # The largest short side that PhotoDataset asks for.
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


def _check_complete(path: Path, size: int) -> None:
    """Check that a shard has its full size in bytes.

    Raises:
        StyleNetError: The shard is missing or was not copied completely.
    """
    try:
        actual = path.stat().st_size
    except OSError as error:
        raise StyleNetError(f"{path} cannot be read: {reason(error)}; copy it again") from error
    if actual != size:
        raise StyleNetError(f"{path} has {actual:,} bytes, expected {size:,}; copy it again")
