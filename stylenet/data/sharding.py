"""Writing of shards from a folder of photos; :mod:`stylenet.data.shards` reads them."""

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from torch.utils.data import DataLoader, Dataset

from stylenet.data.loading import leave_signals_to_the_trainer
from stylenet.data.manifest import MANIFEST, Manifest, ShardOptions, read_shard
from stylenet.errors import StyleNetError, first_line
from stylenet.files import atomic_path, reason, walk_files
from stylenet.image import SUFFIXES, flatten, open_image, resize_short_side, upright_image
from stylenet.program import command


class ShardMaker:
    """Writer of a set of shards, which can be interrupted and resumed.

    Shard k holds the usable photos among those from index k * ``per_shard``, in the order of their
    paths, so interruptions do not change the shards. Each shard appears when it is complete; the
    manifest lists the shards when all of them are. Photos are identified by their paths: a photo
    whose contents change after its shard is written goes unnoticed.

    Attributes:
        total: Number of photos found.
        remaining: Number of photos whose shards are missing.
    """

    def __init__(self, photos: Path, output: Path, options: ShardOptions) -> None:
        """Find the photos and the missing shards, and write an unfinished manifest.

        Args:
            photos: Folder with photos, searched with its subfolders.
            output: Folder for the shards: new, or with some shards of the same set.
            options: Size, quality and photos per shard.

        Raises:
            StyleNetError: No photos are found, or the output holds other files.
        """
        self._photos, self._output, self._options = photos, output, options
        self._names = _find_photos(photos)
        self.total = len(self._names)
        names_hash = hashlib.sha256("\n".join(self._names).encode("utf-8", "surrogateescape"))
        self._manifest = Manifest(
            options, {"photos": self.total, "fingerprint": names_hash.hexdigest()}
        )
        self._finished = self._check_output()
        self._shards = [
            range(start, min(start + options.per_shard, self.total))
            for start in range(0, self.total, options.per_shard)
        ]
        self._missing = [k for k in range(len(self._shards)) if not self._path(k).is_file()]
        self.remaining = sum(len(self._shards[k]) for k in self._missing)

    def make(self, workers: int) -> Iterator[str | None]:
        """Write the missing shards, then the manifest.

        Args:
            workers: Number of processes that decode and encode photos; 0 for this process.

        Yields:
            For each remaining photo in order, the reason why it is left out, or ``None``.

        Raises:
            StyleNetError: A shard cannot be written, or no photo is usable.
        """
        if self._finished and not self._missing:
            return
        for leftover in self._output.glob(".shard-*.tar"):  # from a killed run
            leftover.unlink()
        paths = [self._photos / self._names[i] for k in self._missing for i in self._shards[k]]
        # DataLoader provides processes, order and error handling.
        encoded = iter(
            DataLoader(
                _EncodedPhotos(paths, self._options),
                batch_size=None,
                num_workers=workers,
                worker_init_fn=leave_signals_to_the_trainer,
            )
        )
        for k in self._missing:
            yield from self._write(k, encoded)
        shards = [read_shard(self._path(k)) for k in range(len(self._shards))]
        if not sum(shard.count for shard in shards):
            raise StyleNetError(
                f"data.root={self._photos}: none of {self.total:,} files is usable; "
                f"{command('data check')} data=folder data.root={self._photos} lists the reasons"
            )
        Manifest(self._options, self._manifest.source, shards).write(self._output)

    def _write(self, k: int, encoded: Iterator[bytes | str]) -> Iterator[str | None]:
        """Write shard k from the loader's results."""
        with (
            atomic_path(self._path(k)) as temporary,
            tarfile.open(temporary, "w:") as tar,
        ):
            for i in self._shards[k]:
                photo = next(encoded)
                if isinstance(photo, bytes):
                    # WebDataset splits names at the first dot, so that a.jpg and a.png would be one
                    # sample. Hence a number instead of the photo's own name.
                    tar.addfile(_tar_header(f"{i:09d}.jpg", len(photo)), io.BytesIO(photo))
                yield photo if isinstance(photo, str) else None

    def _path(self, k: int) -> Path:
        return self._output / f"shard-{k:06d}.tar"

    def _check_output(self) -> bool:
        """Check that the output belongs to this set of shards; return whether it is finished."""
        option = f"output={self._output}"
        if not (self._output / MANIFEST).is_file():
            if self._output.is_dir() and any(self._output.glob("[!.]*")):
                raise StyleNetError(f"{option} holds other files; give a new folder")
            self._manifest.write(self._output)
            return False
        existing = Manifest.read(self._output)
        if existing.options != self._options:
            raise StyleNetError(
                f"{option} holds shards made with {_overrides(existing.options)}, not "
                f"{_overrides(self._options)}; give those options, or another output"
            )
        if existing.source != self._manifest.source:
            raise StyleNetError(
                f"{option} holds shards of {existing.source.get('photos')} photos, and not of the "
                f"{self.total} in data.root={self._photos}; give another output"
            )
        return existing.shards is not None


class _EncodedPhotos(Dataset[bytes | str]):
    """Photos encoded as JPEG files, or the reasons why they are left out."""

    def __init__(self, paths: list[Path], options: ShardOptions) -> None:
        self._paths = paths
        self._options = options

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> bytes | str:
        path = self._paths[index]
        try:
            return _encode(path, self._options)
        except StyleNetError as error:
            return str(error)
        except OSError as error:  # the file has vanished meanwhile
            return f"{path} cannot be read: {reason(error)}"


def _encode(path: Path, options: ShardOptions) -> bytes:
    """Encode a photo as a JPEG file: reduced, upright, in sRGB.

    Raises:
        StyleNetError: The photo is unusable.
    """
    image = open_image(path)
    if image.format == "JPEG" and min(image.size) <= options.size:
        return path.read_bytes()  # encoding it again would only lose quality
    try:
        image = flatten(upright_image(image))
    except StyleNetError as error:
        raise StyleNetError(f"{path}: {error}") from error
    if min(image.size) > options.size:
        image = resize_short_side(image, options.size)
    buffer = io.BytesIO()
    try:
        image.save(buffer, "JPEG", quality=options.quality)
    except (OSError, ValueError) as error:  # JPEG is limited to 65,500 pixels per side
        raise StyleNetError(f"{path} cannot be a JPEG file: {first_line(error)}") from error
    return buffer.getvalue()


def _tar_header(name: str, size: int) -> tarfile.TarInfo:
    """Return a tar header that depends on name and size alone, so that shards are reproducible.

    Mode and owner are those of WebDataset's own writer, which wrote earlier shards.
    """
    header = tarfile.TarInfo(name)
    header.size = size
    header.mode = 0o444
    header.uname = header.gname = "bigdata"
    header.mtime = header.uid = header.gid = 0
    return header


def _find_photos(folder: Path) -> list[str]:
    """List the image files of a folder, sorted.

    Raises:
        StyleNetError: There are none.
    """
    try:
        names = walk_files(folder, SUFFIXES)[0] if folder.is_dir() else []
    except OSError as error:
        raise StyleNetError(f"data.root={folder} cannot be read: {reason(error)}") from error
    if not names:
        problem = "holds no image" if folder.is_dir() else "is not a folder"
        raise StyleNetError(f"data.root={folder} {problem}; expected a folder of photos")
    return names


def _overrides(options: ShardOptions) -> str:
    return f"size={options.size} quality={options.quality} per_shard={options.per_shard}"
