import base64
import hashlib
import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylenet.data.manifest import Manifest, ShardOptions
from stylenet.data.sharding import ShardMaker
from stylenet.data.shards import ShardReader
from stylenet.errors import StyleNetError

from .conftest import PER_SHARD, make, no_large_files

# A gray image of 8x8 pixels.
TINY_JPEG = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP//////////////////////////////////////////////////////"
    "////////////////////////////////wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAf/EABQQAQAA"
    "AAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AH//Z"
)


def content(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def tar_members(folder):
    """Return headers and contents of all files in the shards of a folder, in order."""
    members = []
    for path in sorted(Path(folder).glob("*.tar")):
        with tarfile.open(path) as tar:
            members += [(header, tar.extractfile(header).read()) for header in tar]
    return members


def photos_of(folder):
    """Return photos by key: WebDataset splits a name at its first dot into key and extension."""
    photos = {}
    for header, photo in tar_members(folder):
        key, _, extension = header.name.partition(".")
        assert extension == "jpg"
        assert key not in photos
        photos[key] = photo
    return photos


def test_shards_hold_the_photos_in_order(jpegs, shards):
    files = sorted(str(path.relative_to(jpegs)) for path in jpegs.rglob("*.jpg"))
    photos = photos_of(shards)
    assert list(photos) == [f"{i:09d}" for i in range(10)]
    # Small JPEG files are copied byte for byte.
    assert list(photos.values()) == [(jpegs / name).read_bytes() for name in files]
    assert [shard.count for shard in Manifest.read(shards).shards] == [4, 4, 2]


def test_tar_headers_depend_only_on_name_and_size(shards):
    for header, photo in tar_members(shards):
        assert header.isreg()
        assert header.size == len(photo)
        assert (header.mtime, header.uid, header.gid, header.mode) == (0, 0, 0, 0o444)
        assert header.uname == header.gname == "bigdata"


def test_shards_equal_those_of_the_webdataset_package_byte_for_byte(tmp_path):
    photo = base64.b64decode(TINY_JPEG)
    (tmp_path / "photos").mkdir()
    for name, contents in (("0.jpg", photo), ("1.jpg", b"no photo"), ("2.jpg", photo)):
        (tmp_path / "photos" / name).write_bytes(contents)
    make(tmp_path / "photos", tmp_path / "out")
    shard = (tmp_path / "out/shard-000000.tar").read_bytes()
    # webdataset 1.0: TarWriter(file, encoder=False, mtime=0), keys 000000000 and 000000002.
    expected = "5c1a0e0f890fcda21431354781ffaa38433cb7d4a25fec656ae7508ab1342b50"
    assert hashlib.sha256(shard).hexdigest() == expected


@pytest.mark.parametrize("workers", [1, 2])
def test_shards_do_not_depend_on_the_number_of_workers(jpegs, shards, tmp_path, workers):
    make(jpegs, tmp_path, workers=workers)
    assert content(tmp_path) == content(shards)


@pytest.mark.parametrize("done", [0, 1, 3, 4, 5, 9, 10])
def test_resumed_sharding_ends_in_the_same_files(jpegs, shards, tmp_path, done):
    options = ShardOptions(24, 90, PER_SHARD)
    steps = ShardMaker(jpegs, tmp_path, options).make(0)
    for _ in range(done):
        next(steps)
    steps.close()
    assert len(list(tmp_path.glob("shard-*.tar"))) in (done // PER_SHARD, (done - 1) // PER_SHARD)
    with pytest.raises(StyleNetError, match="not finished; run the same"):
        ShardReader(tmp_path)
    (tmp_path / ".shard-000001-x.tar").write_bytes(b"left by a killed process")
    maker = ShardMaker(jpegs, tmp_path, options)
    assert maker.remaining < 10 or done <= PER_SHARD
    assert list(maker.make(0)) == [None] * maker.remaining
    assert content(tmp_path) == content(shards)


def test_finished_shards_are_left_unchanged(jpegs, copy):
    before = {path: path.stat().st_mtime_ns for path in copy.iterdir()}
    assert make(jpegs, copy) == []
    assert {path: path.stat().st_mtime_ns for path in copy.iterdir()} == before


def test_a_missing_shard_is_made_again(jpegs, shards, copy):
    (copy / "shard-000001.tar").unlink()
    assert make(jpegs, copy) == [None] * 4
    assert content(copy) == content(shards)


@pytest.mark.parametrize("change", [{"size": 20}, {"quality": 80}, {"per_shard": 3}])
@pytest.mark.parametrize("finished", [True, False])
def test_other_options_for_existing_shards_are_refused(jpegs, copy, change, finished):
    if not finished:
        manifest = Manifest.read(copy)
        Manifest(manifest.options, manifest.source).write(copy)
    before = content(copy)
    with pytest.raises(StyleNetError) as error:
        make(jpegs, copy, **change)
    assert f"output={copy} holds shards made with size=24 quality=90 per_shard=4" in str(
        error.value
    )
    assert content(copy) == before


def test_other_photos_for_existing_shards_are_refused(jpegs, copy, tmp_path):
    shutil.copytree(jpegs, tmp_path / "photos")
    (tmp_path / "photos/1.jpg").rename(tmp_path / "photos/new.jpg")
    with pytest.raises(StyleNetError, match="give another output"):
        make(tmp_path / "photos", copy)


def test_a_folder_with_other_files_is_refused_and_left_unchanged(jpegs, tmp_path):
    (tmp_path / "mine.tar").touch()
    with pytest.raises(StyleNetError, match=f"^output={tmp_path} holds other files"):
        make(jpegs, tmp_path)
    assert content(tmp_path) == {"mine.tar": b""}


def test_large_and_unusual_photos_become_upright_rgb_jpegs_of_the_size(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (200, 100), "red").save(photos / "0.large.jpg")
    Image.new("RGB", (30, 200), "red").save(photos / "1.png")
    Image.new("RGBA", (20, 24), (0, 0, 0, 0)).save(photos / "2.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("L", (90, 60), 77).save(photos / "3.jpg", exif=turned)
    Image.new("CMYK", (90, 60), (0, 0, 0, 255)).save(photos / "4.tif")
    assert make(photos, tmp_path / "out") == [None] * 5
    opened = [Image.open(io.BytesIO(data)) for data in photos_of(tmp_path / "out").values()]
    assert all((image.mode, image.format) == ("RGB", "JPEG") for image in opened)
    assert [image.size for image in opened] == [(48, 24), (24, 160), (20, 24), (24, 36), (36, 24)]
    colors = [image.getpixel((9, 9)) for image in opened]
    expected = [(254, 0, 0), (254, 0, 0), (255,) * 3, (77,) * 3, (0,) * 3]
    assert np.abs(np.subtract(colors, expected)).max() <= 1


def test_unusable_files_are_skipped_and_named(jpegs, tmp_path):
    photos = tmp_path / "photos"
    shutil.copytree(jpegs, photos)
    (photos / "0_empty.jpg").touch()
    (photos / "5_text.png").write_text("no image")
    whole = (photos / "9.jpg").read_bytes()
    (photos / "9.jpg").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (70_000, 24)).save(photos / "long.png")
    messages = make(photos, tmp_path / "out")
    bad = [message for message in messages if message]
    assert len(messages) == 13
    for message, name in zip(bad, ["0_empty", "5_text", "9.jpg", "long"], strict=True):
        assert message.startswith(str(photos / name))
    assert len(photos_of(tmp_path / "out")) == 9
    reader = ShardReader(tmp_path / "out")
    assert len(reader.photos) == 9
    assert [reader.open(tmp_path / "out" / name, 24).height for name in reader.photos] == [24] * 9


def test_photos_with_the_same_name_are_all_kept(tmp_path):
    for name in ("a.jpg", "a.png", "a.b.png", "deep/a.jpg"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (24, 24)).save(tmp_path / "photos" / name)
    make(tmp_path / "photos", tmp_path / "out")
    assert len(photos_of(tmp_path / "out")) == 4


def test_a_shard_of_bad_files_only_is_empty(jpegs, tmp_path):
    shutil.copytree(jpegs, tmp_path / "photos")
    for i in range(PER_SHARD):
        (tmp_path / "photos" / f".{i}").touch()  # not a photo
        (tmp_path / "photos" / f"0_{i}.jpg").touch()
    make(tmp_path / "photos", tmp_path / "out")
    assert [s.count for s in Manifest.read(tmp_path / "out").shards] == [0, 4, 4, 2]
    assert len(photos_of(tmp_path / "out")) == 10
    assert len(ShardReader(tmp_path / "out").photos) == 10


def test_bad_files_only_are_an_error(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").touch()
    with pytest.raises(StyleNetError, match="none of 1 files is usable"):
        make(tmp_path / "photos", tmp_path / "out")


@pytest.mark.parametrize(("name", "message"), [("no", "is not a folder"), (".", "holds no image")])
def test_a_folder_without_photos_is_named(tmp_path, name, message):
    with pytest.raises(StyleNetError, match=f"^data.root={tmp_path / name} {message}"):
        make(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_ends_in_one_line_and_keeps_finished_shards(jpegs, shards, tmp_path):
    make(jpegs, tmp_path / "large", per_shard=9)
    limit = max(path.stat().st_size for path in shards.glob("*.tar"))
    with (
        no_large_files(limit),
        pytest.raises(StyleNetError, match=r"cannot write .*shard-000000.tar: File too"),
    ):
        make(jpegs, tmp_path / "small", per_shard=9)
    assert [path.name for path in (tmp_path / "small").iterdir()] == ["manifest.json"]
    make(jpegs, tmp_path / "small", per_shard=9)
    assert content(tmp_path / "small") == content(tmp_path / "large")


@pytest.mark.parametrize(
    ("option", "value"),
    [("size", value) for value in (0, 15, 1.5, "abc", None, True)]
    + [("quality", value) for value in (0, 96, 1.5, "abc", None)]
    + [("per_shard", value) for value in (0, -1, 1.5, "abc", None)],
)
def test_an_invalid_option_is_named(option, value):
    with pytest.raises(StyleNetError, match=f"^{option}={value} is "):
        ShardOptions(**{"size": 24, "quality": 90, "per_shard": 4, option: value})
