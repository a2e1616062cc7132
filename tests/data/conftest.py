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
    """A cache of the test's own, so that the user's stays as it is."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("STYLENET_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Ten photos, each of one shade, so that a sample tells which one it is of."""
    folder = tmp_path_factory.mktemp("photos")
    for i in range(10):
        place = folder / "even" if i % 2 == 0 else folder
        place.mkdir(exist_ok=True)
        Image.new("RGB", (20 + i, 24), (20 * i,) * 3).save(place / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def paintings(tmp_path_factory):
    """Three paintings, each of one shade of red."""
    folder = tmp_path_factory.mktemp("paintings")
    for i in range(3):
        Image.new("RGB", (30, 26), (50 + 60 * i, 0, 0)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def which():
    """Tells which of the ``photos`` each image of a batch is of."""
    return lambda images: [round(float(image.mean()) * 255 / 20) for image in images]


@pytest.fixture(scope="session")
def ramp():
    """A photo that brightens from left to right, from 0 to 255."""
    row = np.linspace(0, 255, 64).round().astype(np.uint8)
    return Image.fromarray(np.broadcast_to(row[None, :, None], (64, 64, 3)).copy())


def _encoded(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def bad_files():
    """Files that no photo can be had from, by name."""
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
    """Files end at a size, as they would on a full disk; the system does refuse to write."""
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
    """Ten JPEG photos, small enough to go in as they are."""
    folder = tmp_path_factory.mktemp("jpegs")
    random = np.random.default_rng(0)
    for i in range(10):
        place = folder / "even" if i % 2 == 0 else folder
        place.mkdir(exist_ok=True)
        small = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        small.resize((20 + i, 24), Image.Resampling.BICUBIC).save(place / f"{i}.jpg")
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
