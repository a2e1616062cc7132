"""Making shards for training out of a folder of photos; see :mod:`stylenet.data.shards`."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import webdataset
from torch.utils.data import DataLoader, Dataset

from stylenet.data.loading import leave_signals_to_the_trainer
from stylenet.data.manifest import MANIFEST, Manifest, ShardOptions, read_shard
from stylenet.errors import StyleNetError, first_line
from stylenet.files import atomic_path, reason, walk_files
from stylenet.image import SUFFIXES, at_shorter_side, flatten, open_image, upright_image


class ShardMaker:
    """A set of shards in the making.

    Shard k holds the usable ones of photos k * ``per_shard`` onwards, in the order of their paths,
    so the shards are the same however often the work was interrupted. A shard gets its name when it
    is whole; the manifest gets its list of shards when all of them are. Photos are known by their
    paths alone: a file that gets other contents after its shard was made goes unnoticed.

    Attributes:
        total: Photos found.
        remaining: Those whose shards are still to be made.
    """

    def __init__(self, photos: Path, output: Path, options: ShardOptions) -> None:
        """Looks at what there is to do, and notes in the output what it is for.

        Args:
            photos: A folder, searched with its subfolders.
            output: The folder for the shards, new or with a part of the same set.
            options: How photos become shards.

        Raises:
            StyleNetError: The photos cannot be found, or the output holds something else.
        """
        self._photos, self._output, self._settings = photos, output, options
        self._names = _find(photos)
        self.total = len(self._names)
        listed = hashlib.sha256("\n".join(self._names).encode("utf-8", "surrogateescape"))
        self._manifest = Manifest(
            options, {"photos": self.total, "fingerprint": listed.hexdigest()}
        )
        self._finished = self._claim()
        self._shards = [
            range(start, min(start + options.per_shard, self.total))
            for start in range(0, self.total, options.per_shard)
        ]
        self._missing = [k for k in range(len(self._shards)) if not self._path(k).is_file()]
        self.remaining = sum(len(self._shards[k]) for k in self._missing)

    def make(self, workers: int) -> Iterator[str | None]:
        """Makes the shards that are missing, then the manifest.

        Args:
            workers: Processes that decode and encode.

        Yields:
            For each of the remaining photos in order, why it is left out, or ``None``.

        Raises:
            StyleNetError: A shard cannot be written, or no photo is usable.
        """
        if self._finished and not self._missing:
            return
        for leftover in self._output.glob(".shard-*.tar"):  # of a run that was killed
            leftover.unlink()
        todo = [self._photos / self._names[i] for k in self._missing for i in self._shards[k]]
        # The loader brings its processes, order and error handling along.
        encoded = iter(
            DataLoader(
                _Encoded(todo, self._settings),
                batch_size=None,
                num_workers=workers,
                worker_init_fn=leave_signals_to_the_trainer,
            )
        )
        for k in self._missing:
            yield from self._write(k, encoded)
        shards = [read_shard(self._path(k)) for k in range(len(self._shards))]
        if not sum(shard.count for shard in shards):
            raise StyleNetError(f"data.root={self._photos}: none of {self.total:,} files is usable")
        Manifest(self._settings, self._manifest.source, shards).write(self._output)

    def _write(self, k: int, encoded: Iterator[bytes | str]) -> Iterator[str | None]:
        """Makes one shard out of what the loader hands over."""
        with (
            atomic_path(self._path(k)) as temporary,
            temporary.open("wb") as file,
            # A time would make two shards of the same photos differ.
            webdataset.TarWriter(file, encoder=False, mtime=0) as tar,
        ):
            for i in self._shards[k]:
                photo = next(encoded)
                if isinstance(photo, bytes):
                    # Not the photo's own name: WebDataset takes what follows its first dot for the
                    # kind of data, and takes a.jpg and a.png for the same sample.
                    tar.write({"__key__": f"{i:09d}", "jpg": photo})
                yield photo if isinstance(photo, str) else None

    def _path(self, k: int) -> Path:
        """Where a shard lies."""
        return self._output / f"shard-{k:06d}.tar"

    def _claim(self) -> bool:
        """Makes sure that the output is for this very set; says whether that is finished."""
        where = f"output={self._output}"
        if not (self._output / MANIFEST).is_file():
            if self._output.is_dir() and any(self._output.glob("[!.]*")):
                raise StyleNetError(f"{where} holds other files; give a new folder")
            self._manifest.write(self._output)
            return False
        known = Manifest.read(self._output)
        if known.options != self._settings:
            raise StyleNetError(
                f"{where} holds shards made with {_in_words(known.options)}, not "
                f"{_in_words(self._settings)}; give those options, or another output"
            )
        if known.source != self._manifest.source:
            raise StyleNetError(
                f"{where} holds shards of {known.source.get('photos')} other photos than the "
                f"{self.total} that data.root={self._photos} holds now; give another output"
            )
        return known.shards is not None


class _Encoded(Dataset[bytes | str]):
    """The photos as JPEG files for a shard, or why a photo is left out."""

    def __init__(self, paths: list[Path], options: ShardOptions) -> None:
        """Takes the photos."""
        self._paths = paths
        self._settings = options

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> bytes | str:
        path = self._paths[index]
        try:
            return _encode(path, self._settings)
        except StyleNetError as error:
            return str(error)
        except OSError as error:  # it vanished meanwhile
            return f"{path} cannot be read: {reason(error)}"


def _encode(path: Path, options: ShardOptions) -> bytes:
    """A photo as a JPEG file: reduced, upright, in sRGB.

    Raises:
        StyleNetError: It is unusable.
    """
    image = open_image(path)
    if image.format == "JPEG" and min(image.size) <= options.size:
        return path.read_bytes()  # to encode it again would only cost quality
    try:
        image = flatten(upright_image(image))
    except StyleNetError as error:
        raise StyleNetError(f"{path}: {error}") from error
    if min(image.size) > options.size:
        image = at_shorter_side(image, options.size)
    buffer = io.BytesIO()
    try:
        image.save(buffer, "JPEG", quality=options.quality)
    except (OSError, ValueError) as error:  # JPEG ends at 65,500 pixels a side
        raise StyleNetError(f"{path} cannot be a JPEG file: {first_line(error)}") from error
    return buffer.getvalue()


def _find(photos: Path) -> list[str]:
    """The image files of a folder, in order.

    Raises:
        StyleNetError: There are none.
    """
    try:
        names = walk_files(photos, SUFFIXES)[0] if photos.is_dir() else []
    except OSError as error:
        raise StyleNetError(f"data.root={photos} cannot be read: {reason(error)}") from error
    if not names:
        what = "holds no image" if photos.is_dir() else "is no folder"
        raise StyleNetError(f"data.root={photos} {what}; expected a folder of photos")
    return names


def _in_words(options: ShardOptions) -> str:
    """Options as a user writes them."""
    return f"size={options.size} quality={options.quality} per_shard={options.per_shard}"
