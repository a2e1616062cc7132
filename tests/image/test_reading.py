import os
import random
import warnings
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from stylenet.errors import StyleNetError
from stylenet.image import (
    open_image,
    upright_image,
)

from .images import FORMATS, assert_refused, encoded, exif, icc, noise, png


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 400), st.sampled_from("LR"))
def test_a_jpeg_is_never_decoded_below_the_requested_size(
    tmp_path_factory, width, height, least, mode
):
    path = tmp_path_factory.getbasetemp() / "draft.jpg"
    Image.new("L" if mode == "L" else "RGB", (width, height)).save(path)
    image = open_image(path, least)
    assert image.width >= min(width, least)
    assert image.height >= min(height, least)


@pytest.mark.parametrize(("suffix", "size"), [("jpg", (100, 75)), ("png", (800, 600))])
def test_a_large_jpeg_is_decoded_at_a_reduced_size(suffix, size, tmp_path):
    Image.new("RGB", (800, 600)).save(tmp_path / f"a.{suffix}")
    assert open_image(tmp_path / f"a.{suffix}", 64).size == size
    assert open_image(tmp_path / f"a.{suffix}").size == (800, 600)


def test_a_missing_file_is_named(tmp_path):
    assert_refused(tmp_path / "a.png", "no such file")


def test_a_folder_is_named(tmp_path):
    assert_refused(tmp_path, "is a folder")


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "a.png").touch()
    assert_refused(tmp_path / "a.png", "is empty")


@pytest.mark.parametrize("data", [b"\0", b"<html>not found</html>\n", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_not_an_image_is_named(data, tmp_path):
    (tmp_path / "a.png").write_bytes(data)
    assert_refused(tmp_path / "a.png", "is not an image")


@pytest.mark.parametrize("form", FORMATS.values())
@pytest.mark.parametrize("part", [0.5, 0.95])
def test_a_truncated_file_is_named(form, part, tmp_path):
    data = encoded(Image.fromarray(noise(64, 64)), form)
    (tmp_path / "a").write_bytes(data[: int(len(data) * part)])
    assert_refused(tmp_path / "a")


@pytest.mark.parametrize("name", ["a.png/b.png", "x" * 300 + ".png", "loop.png"])
def test_an_unreadable_path_is_not_reported_as_damaged(name, tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    assert_refused(tmp_path / name, "cannot be read")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read anything")
def test_a_file_without_permission_is_named(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    assert_refused(tmp_path / "a.png", "cannot be read: Permission denied")


def test_a_decompression_bomb_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(png(60_000, 60_000, 8, 2, b""))
    assert_refused(tmp_path / "a.png", "is too large")


@pytest.mark.filterwarnings("error")
def test_a_large_photo_opens_without_a_warning(tmp_path, monkeypatch):
    Image.new("RGB", (15, 10)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert open_image(tmp_path / "a.png").size == (15, 10)


def test_a_conversion_error_names_the_file(tmp_path, monkeypatch):
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "convert", lambda *_: 1 // 0)
    assert_refused(tmp_path / "a.png", "cannot be converted")


@pytest.mark.parametrize("form", FORMATS.values())
def test_corrupted_bytes_raise_only_stylenet_error(form, tmp_path):
    rng = random.Random(form)
    extras = {"exif": exif(6), "icc_profile": icc()} if form != "BMP" else {}
    data = encoded(Image.fromarray(noise()), form, **extras)
    path = tmp_path / "a"
    opened = 0
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        for _ in range(120):
            broken = bytearray(data)
            reach = rng.choice([100, len(data)])  # headers more often than pixels
            for _ in range(rng.choice([0, 1, 2, 5, 20])):
                broken[rng.randrange(reach)] = rng.randrange(256)
            path.write_bytes(broken[: rng.choice([len(data), rng.randrange(len(data))])])
            with suppress(StyleNetError):
                assert upright_image(open_image(path)).rgb.mode == "RGB"
                opened += 1
    assert 0 < opened < 120  # some files open and some are refused
    assert not heard
