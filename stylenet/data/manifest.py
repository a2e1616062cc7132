"""The list of what a folder of shards holds, which makes every photo in them findable at once."""

import json
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stylenet.errors import StyleNetError, check_number
from stylenet.files import atomic_path, reason

MANIFEST = "manifest.json"
# Counted up when a manifest of today could not be understood any more.
_VERSION = 1


@dataclass(frozen=True)
class ShardOptions:
    """How photos become shards.

    Attributes:
        size: Photos with a longer shorter side are reduced to it, in pixels.
        quality: Of the JPEG files, as Pillow counts it.
        per_shard: Photos a shard.
    """

    size: int
    quality: int
    per_shard: int

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            StyleNetError: A value is impossible.
        """
        check_number("size", self.size, minimum=16, integer=True)
        check_number("quality", self.quality, minimum=1, integer=True)
        # Pillow's documentation: above 95 files grow and hardly gain.
        if self.quality > 95:
            raise StyleNetError(f"quality={self.quality} is above 95, the best there is use for")
        check_number("per_shard", self.per_shard, minimum=1, integer=True)


@dataclass(frozen=True)
class Shard:
    """One tar file.

    Attributes:
        name: Of the file.
        bytes: Its size, by which a copy that broke off is noticed.
        count: Photos in it.
        photos: Of each photo its file name in the tar file, where its bytes begin and how many
            they are.
    """

    name: str
    bytes: int
    count: int
    photos: list[tuple[str, int, int]]


@dataclass(frozen=True)
class Manifest:
    """What a folder of shards holds.

    Attributes:
        options: How the shards were made.
        source: How many photos they are made of, and a fingerprint of the photos' names.
        shards: In order; ``None`` while the set is being made.
    """

    options: ShardOptions
    source: dict[str, Any]
    shards: list[Shard] | None = None

    def write(self, folder: Path) -> None:
        """Writes it; the file appears whole or not at all.

        Args:
            folder: Of the shards.

        Raises:
            StyleNetError: It cannot be written.
        """
        with atomic_path(folder / MANIFEST) as temporary:
            temporary.write_text(json.dumps({"version": _VERSION, **asdict(self)}))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Reads the manifest of a folder.

        Args:
            folder: Of the shards.

        Returns:
            The manifest.

        Raises:
            StyleNetError: The file is unreadable, damaged or of another version.
        """
        path = folder / MANIFEST
        try:
            content = json.loads(path.read_text())
            version = content["version"]
            if version != _VERSION:
                raise StyleNetError(
                    f"{path} is of version {version}, this StyleNet reads version {_VERSION}; make "
                    f"the shards again with: python scripts/make_shards.py"
                )
            shards = content["shards"]
            if shards is not None:
                shards = [
                    Shard(shard["name"], shard["bytes"], shard["count"], list(shard["photos"]))
                    for shard in shards
                ]
            return cls(ShardOptions(**content["options"]), dict(content["source"]), shards)
        except OSError as error:
            raise StyleNetError(f"{path} cannot be read: {reason(error)}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise StyleNetError(
                f"{path} is damaged; copy it again, or make the shards again with: "
                f"python scripts/make_shards.py"
            ) from error


def read_shard(path: Path) -> Shard:
    """Lists what a tar file holds, from its headers alone.

    Args:
        path: The tar file, uncompressed.

    Returns:
        Its part of a manifest.

    Raises:
        StyleNetError: It is unreadable or no whole tar file.
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
