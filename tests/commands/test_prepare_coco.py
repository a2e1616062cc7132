import io
import shutil
import time
import zipfile
from types import SimpleNamespace

import pytest

from ..web import serving
from .conftest import blotches


@pytest.fixture
def body(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for i in range(6):
            zipped.write(blotches(tmp_path / "x.jpg", 80, 64, seed=i), f"train2017/{i:012}.jpg")
    return buffer.getvalue()


@pytest.fixture
def server(body, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with serving(body, monkeypatch) as server:
        yield server


@pytest.fixture
def coco(server, tmp_path):
    return [f"url={server.url}/zips/train2017.zip", "images=6", f"output={tmp_path / 'coco'}"]


def test_photos_are_downloaded_unpacked_and_used_for_training(run, server, coco, tmp_path):
    server.cuts = [3000]  # the connection breaks once
    result = run("prepare_coco", *coco)
    assert result.status == 0, result.err
    assert f"6 photos in {tmp_path / 'coco/train2017'}" in result.out
    assert len(server.requests) == 2
    assert {p.name for p in (tmp_path / "coco").iterdir()} == {"train2017", "train2017.zip"}
    options = ["data.crop_size=32", "data.min_size=8", "data.workers=0"]
    checked = run("check_data", "data=coco", f"data.root={tmp_path / 'coco'}", *options)
    assert "6 of 6 photos usable" in checked.out


def test_a_finished_download_is_not_repeated_with_or_without_the_zip(run, server, coco, tmp_path):
    run("prepare_coco", *coco)
    assert run("prepare_coco", *coco, "keep_zip=false").status == 0
    assert not (tmp_path / "coco/train2017.zip").exists()
    again = run("prepare_coco", *coco)
    assert again.status == 0
    assert "holds all 6 photos already" in again.out
    assert len(server.requests) == 1


def test_a_zip_copied_by_hand_needs_no_network(run, server, coco, body, tmp_path):
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco/train2017.zip").write_bytes(body)
    assert run("prepare_coco", *coco).status == 0
    assert not server.requests


def test_an_offline_machine_gets_the_alternatives_listed(run, server, coco, tmp_path):
    url = "url=http://127.0.0.1:9/train2017.zip"
    error = run("prepare_coco", *coco[1:], url).error
    assert "could not be downloaded" in error
    assert f"copy train2017.zip to {tmp_path / 'coco'}" in error
    assert "data=folder data.root=PATH" in error
    server.statuses = [404]
    error = run("prepare_coco", *coco).error
    assert "was refused: 404" in error
    assert "copy train2017.zip" in error


def test_a_too_small_disk_is_reported_before_the_download(run, coco, body, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * len(body) - 1))
    error = run("prepare_coco", *coco).error
    assert "downloading and unpacking train2017.zip needs" in error
    assert "offline" not in error
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * len(body)))
    assert run("prepare_coco", *coco).status == 0


def test_a_web_page_instead_of_the_zip_and_a_wrong_image_count_are_errors(
    run, server, coco, tmp_path
):
    whole, server.body = server.body, b"<html>log in</html>"
    assert "is not a complete zip file" in run("prepare_coco", *coco).error
    (tmp_path / "coco/train2017.zip").unlink()
    server.body = whole
    assert "holds 6 photos, expected 7" in run("prepare_coco", *coco, "images=7").error
    assert run("prepare_coco", *coco, "images=null").status == 0


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("images=0", "images=0 is not a whole number"),
        ("keep_zip=maybe", "keep_zip=maybe is neither true nor false"),
        ("url=http://a/b.tar", "url=http://a/b.tar does not name a zip file"),
    ],
)
def test_an_invalid_option_ends_in_one_line(run, coco, mistake, message):
    assert message in run("prepare_coco", *coco, mistake).error
