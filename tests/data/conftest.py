import io
import shutil
import struct
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylenet.data.manifest import ShardOptions
from stylenet.data.sharding import ShardMaker


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """The test's own cache, which leaves the user's untouched."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("STYLENET_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Folder of ten photos, each in its own shade of gray, which identifies it in a batch."""
    folder = tmp_path_factory.mktemp("photos")
    for i in range(10):
        subfolder = folder / "even" if i % 2 == 0 else folder
        subfolder.mkdir(exist_ok=True)
        Image.new("RGB", (20 + i, 24), (20 * i,) * 3).save(subfolder / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def paintings(tmp_path_factory):
    """Folder of three style images, each in its own shade of red."""
    folder = tmp_path_factory.mktemp("paintings")
    for i in range(3):
        Image.new("RGB", (30, 26), (50 + 60 * i, 0, 0)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def photo_numbers():
    """Return the numbers of the ``photos`` from which the images of a batch come."""
    return lambda images: [round(float(image.mean()) * 255 / 20) for image in images]


@pytest.fixture(scope="session")
def ramp():
    """Photo that brightens from left to right, from 0 to 255."""
    row = np.linspace(0, 255, 64).round().astype(np.uint8)
    return Image.fromarray(np.broadcast_to(row[None, :, None], (64, 64, 3)).copy())


def _encoded(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def bad_files():
    """Contents of files that yield no photo, by name."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    jpeg, png = _encoded(noise, "JPEG"), _encoded(noise, "PNG")
    header = struct.pack(">4sIIBBBBB", b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = png[:8] + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return {
        "bomb.png": bomb + png[33:],
        "corrupt.png": png[:60] + bytes(200) + png[260:],
        "empty.jpg": b"",
        "text.jpg": b"<html>not found</html>",
        "tiny.png": _encoded(Image.new("RGB", (40, 7)), "PNG"),
        "truncated.jpg": jpeg[: len(jpeg) // 2],
        "truncated.png": png[: len(png) // 2],
    }


@contextmanager
def no_large_files(limit):
    """Limit the size of files, so that the system refuses to write as on a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# Shards

PER_SHARD = 4


@pytest.fixture(scope="session")
def jpegs(tmp_path_factory):
    """Folder of ten JPEG photos, small enough for shards to copy them byte for byte."""
    folder = tmp_path_factory.mktemp("jpegs")
    random = np.random.default_rng(0)
    for i in range(10):
        subfolder = folder / "even" if i % 2 == 0 else folder
        subfolder.mkdir(exist_ok=True)
        small = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        small.resize((20 + i, 24), Image.Resampling.BICUBIC).save(subfolder / f"{i}.jpg")
    return folder


def make(photos, output, workers=0, size=24, quality=90, per_shard=PER_SHARD):
    maker = ShardMaker(Path(photos), Path(output), ShardOptions(size, quality, per_shard))
    return list(maker.make(workers))


@pytest.fixture(scope="session")
def shards(jpegs, tmp_path_factory):
    output = tmp_path_factory.mktemp("shards")
    assert make(jpegs, output) == [None] * 10
    return output


@pytest.fixture
def copy(shards, tmp_path):
    shutil.copytree(shards, tmp_path / "copy")
    return tmp_path / "copy"
