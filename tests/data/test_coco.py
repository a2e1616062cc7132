import os
import shutil
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from stylenet.data.coco import check_space, count_photos, unpack_photos
from stylenet.errors import StyleNetError

from .conftest import no_large_files


def zip_of(path, files, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    return path


PHOTOS = {f"train2017/{i:012}.jpg": bytes([i]) * (1000 + i) for i in range(1, 5)}


@pytest.fixture
def archive(tmp_path):
    return zip_of(tmp_path / "train2017.zip", PHOTOS)


def unpack(archive):
    return list(unpack_photos(archive, archive.with_suffix("")))


def assert_unpacked(tmp_path):
    unpacked = {f"train2017/{p.name}": p.read_bytes() for p in (tmp_path / "train2017").iterdir()}
    assert unpacked == PHOTOS


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_photos_are_unpacked(tmp_path, compression):
    archive = zip_of(tmp_path / "train2017.zip", {"train2017/": b"", **PHOTOS}, compression)
    assert [path.name for path in unpack(archive)] == [name[10:] for name in PHOTOS]
    assert_unpacked(tmp_path)
    assert count_photos(tmp_path / "train2017") == 4


def test_existing_photos_stay_and_truncated_ones_are_replaced(tmp_path, archive):
    unpack(archive)
    whole, cut, gone, _ = sorted((tmp_path / "train2017").iterdir())
    os.utime(whole, (1, 1))
    cut.write_bytes(b"cut")
    gone.unlink()
    unpack(archive)
    assert whole.stat().st_mtime == 1
    assert_unpacked(tmp_path)


def test_interrupted_unpacking_resumes(tmp_path, archive):
    steps = unpack_photos(archive, tmp_path / "train2017")
    next(steps)
    next(steps)
    steps.close()
    assert count_photos(tmp_path / "train2017") == 2
    unpack(archive)
    assert_unpacked(tmp_path)


def test_only_photos_of_the_folder_are_unpacked(tmp_path):
    strange = {
        "../up.jpg": b"x",
        "/root.jpg": b"x",
        "train2017/../../up.jpg": b"x",
        "train2017/deep/a.jpg": b"x",
        "train2017/.hidden.jpg": b"x",
        "train2017/a\\b.jpg": b"x",
        "train2017/readme.txt": b"x",
        "val2017/1.jpg": b"x",
    }
    inside = tmp_path / "inside"
    inside.mkdir()
    unpack(zip_of(inside / "train2017.zip", {**strange, **PHOTOS}))
    assert_unpacked(inside)
    assert list(tmp_path.iterdir()) == [inside]
    assert {path.name for path in inside.iterdir()} == {"train2017", "train2017.zip"}


def damaged(data, damage):
    middle = data.index(b"\3" * 100) + 50  # within the third photo
    return {
        "empty": b"",
        "page": b"<html>log in</html>",
        "cut": data[: len(data) // 2],
        "flipped": data[:middle] + b"\0" + data[middle + 1 :],
    }[damage]


@pytest.mark.parametrize("damage", ["empty", "page", "cut", "flipped"])
def test_a_damaged_zip_ends_in_one_line_that_says_how_to_proceed(tmp_path, archive, damage):
    whole = archive.read_bytes()
    archive.write_bytes(damaged(whole, damage))
    with pytest.raises(StyleNetError) as error:
        unpack(archive)
    assert str(error.value).startswith(f"{archive} is not a complete zip file")
    assert "delete it and run the same command again" in str(error.value)
    assert "\n" not in str(error.value)
    assert count_photos(tmp_path / "train2017") == (2 if damage == "flipped" else 0)
    archive.write_bytes(whole)
    unpack(archive)
    assert_unpacked(tmp_path)


def test_damage_within_compressed_data_ends_in_one_line(tmp_path):
    noise = np.random.default_rng(1).integers(0, 4, 5000, dtype=np.uint8).tobytes()
    archive = zip_of(tmp_path / "a.zip", {"a/1.jpg": noise}, zipfile.ZIP_DEFLATED)
    data = archive.read_bytes()
    archive.write_bytes(data[:300] + b"\xff" * 50 + data[350:])
    with pytest.raises(StyleNetError, match="is not a complete zip file"):
        unpack(archive)
    assert not any((tmp_path / "a").iterdir())


def test_a_missing_zip_ends_in_one_line(tmp_path):
    with pytest.raises(StyleNetError, match=r"cannot unpack .*No such file"):
        unpack(tmp_path / "no.zip")


def test_a_full_disk_during_unpacking_ends_in_one_line_and_leaves_no_partial_photo(
    tmp_path, archive
):
    with (
        no_large_files(1002),  # the first two photos fit
        pytest.raises(StyleNetError, match=r"^cannot unpack .*File too large.*resumes"),
    ):
        unpack(archive)
    assert count_photos(tmp_path / "train2017") == 2
    unpack(archive)
    assert_unpacked(tmp_path)


def test_disk_space_is_required_only_for_missing_photos(tmp_path, archive, monkeypatch):
    unpack(archive)
    (tmp_path / "train2017" / "000000000001.jpg").unlink()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(StyleNetError, match=r"^unpacking .* needs 0\.0 GB"):
        unpack(archive)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1001))
    unpack(archive)
    assert_unpacked(tmp_path)


def test_disk_space_is_measured_where_the_folder_will_be(tmp_path):
    check_space(tmp_path / "not" / "yet", 1, "it")
    with pytest.raises(StyleNetError, match=rf"^it needs 1000000000.0 GB, but {tmp_path} has"):
        check_space(tmp_path / "not" / "yet", 10**18, "it")
