"""Manifest of a folder of shards: the position of every photo in its tar file."""

import json
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stylenet.errors import StyleNetError, check_number
from stylenet.files import atomic_path, reason
from stylenet.program import command

MANIFEST = "manifest.json"
# Increase it when older manifests can no longer be read.
_VERSION = 1


@dataclass(frozen=True)
class ShardOptions:
    """Options of ``stylenet data shards``.

    Attributes:
        size: Largest short side of a photo, in pixels; larger photos are reduced to it.
        quality: JPEG quality from 1 to 95, on Pillow's scale.
        per_shard: Photos per shard.
    """

    size: int
    quality: int
    per_shard: int

    def __post_init__(self) -> None:
        """Check every option.

        Raises:
            StyleNetError: An option is invalid.
        """
        check_number("size", self.size, minimum=16, integer=True)
        check_number("quality", self.quality, minimum=1, integer=True)
        # Pillow's documentation: above 95 files grow with hardly any gain in quality.
        if self.quality > 95:
            raise StyleNetError(
                f"quality={self.quality} is above 95, where files only grow; give 95 or less"
            )
        check_number("per_shard", self.per_shard, minimum=1, integer=True)


@dataclass(frozen=True)
class Shard:
    """One tar file.

    Attributes:
        name: File name.
        bytes: File size; it reveals a copy that was cut short.
        count: Number of photos.
        photos: For each photo its name in the tar file, its offset and its size in bytes.
    """

    name: str
    bytes: int
    count: int
    photos: list[tuple[str, int, int]]


@dataclass(frozen=True)
class Manifest:
    """Contents of a folder of shards.

    Attributes:
        options: Options that the shards were made with.
        source: Number of source photos (``photos``) and the SHA-256 of their names
            (``fingerprint``).
        shards: All shards in order; ``None`` until the last one is written.
    """

    options: ShardOptions
    source: dict[str, Any]
    shards: list[Shard] | None = None

    def write(self, folder: Path) -> None:
        """Write the manifest atomically.

        Raises:
            StyleNetError: The folder cannot be written.
        """
        content = {
            "version": _VERSION,
            "settings": asdict(self.options),
            "source": self.source,
            "shards": None if self.shards is None else [asdict(shard) for shard in self.shards],
        }
        with atomic_path(folder / MANIFEST) as temporary:
            temporary.write_text(json.dumps(content))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read the manifest of a folder of shards.

        Raises:
            StyleNetError: The manifest is missing, damaged or of another version.
        """
        path = folder / MANIFEST
        try:
            content = json.loads(path.read_text())
            version = content["version"]
            if version != _VERSION:
                raise StyleNetError(
                    f"{path} has version {version}, but this StyleNet reads version {_VERSION}. "
                    f"Make the shards again: {command('data shards')}"
                )
            shards = content["shards"]
            if shards is not None:
                shards = [
                    Shard(shard["name"], shard["bytes"], shard["count"], list(shard["photos"]))
                    for shard in shards
                ]
            return cls(ShardOptions(**content["settings"]), dict(content["source"]), shards)
        except OSError as error:
            raise StyleNetError(f"{path} cannot be read: {reason(error)}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise StyleNetError(
                f"{path} is damaged; copy it again, or make the shards again with: "
                f"{command('data shards')}"
            ) from error


def read_shard(path: Path) -> Shard:
    """Read the manifest entry of an uncompressed tar file from its headers.

    Raises:
        StyleNetError: The file is unreadable or not a complete tar file.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            photos = [(member.name, member.offset_data, member.size) for member in tar]
        return Shard(path.name, path.stat().st_size, len(photos), photos)
    except tarfile.TarError as error:
        raise StyleNetError(
            f"{path} is damaged: {error}; delete it and run the same command again"
        ) from error
    except OSError as error:
        raise StyleNetError(f"{path} cannot be read: {reason(error)}") from error
