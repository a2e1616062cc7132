import os

import pytest

from .conftest import blotches


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_files_are_listed_and_counted(run, photos, workers):
    (photos / "deep").mkdir()
    (photos / "deep" / "empty.jpg").write_bytes(b"")
    blotches(photos / "tiny.png", 5, 4)
    data = (photos / "0.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(data[: len(data) // 2])
    options = ["data.crop_size=16", "data.min_size=8", f"data.workers={workers}"]
    result = run("check_data", "data=folder", f"data.root={photos}", *options)
    assert result.status == 0, result.err
    assert "4 of 7 photos usable, 3 would be skipped" in result.out
    for name in ("empty.jpg is empty", "tiny.png is too small: 5x4", "cut.jpg is damaged"):
        assert name in result.out


def test_mostly_bad_files_are_an_error(run, tmp_path):
    blotches(tmp_path / "a.jpg", 80, 80)
    for name in ("b", "c"):
        (tmp_path / f"{name}.jpg").write_bytes(b"x")
    result = run("check_data", "data=folder", f"data.root={tmp_path}", "data.workers=0")
    assert "most files are unusable" in result.error


def test_all_real_photos_are_usable(run, shared):
    result = run("check_data", "data=coco", f"data.root={shared / 'data/coco'}")
    assert result.status == 0, result.err
    assert "98 of 98 photos usable" in result.out


def test_a_missing_folder_is_an_error(run, tmp_path):
    assert "no such folder" in run("check_data", "data=folder", f"data.root={tmp_path / 'x'}").error


@pytest.mark.slow
def test_a_file_name_that_is_not_utf_8_is_listed(script, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:strict")  # the default in most locales
    blotches(tmp_path / "a.jpg", 80, 80)
    blotches(tmp_path / "b.jpg", 80, 80)
    try:
        (tmp_path / os.fsdecode(b"bad\xff.jpg")).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes only names that are text")
    overrides = ["data=folder", f"data.root={tmp_path}", "data.workers=0"]
    result = script("check_data", *overrides)
    assert result.status == 0, result.err
    assert "bad\\udcff.jpg" in result.out
    assert "2 of 3 photos usable" in result.out
