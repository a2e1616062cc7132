import os

import numpy as np
import pytest
from PIL import ExifTags, Image

from stylenet.errors import StyleNetError
from stylenet.image import (
    LoadedImage,
    check_background,
    check_writable_suffix,
    flatten,
    load_image,
    save_image,
)

from .images import assert_close, noise, stripes


@pytest.mark.parametrize("suffix", ["png", "tif", "TIFF", "bmp"])
def test_lossless_formats_keep_every_pixel(suffix, tmp_path):
    original = LoadedImage(Image.fromarray(noise()))
    save_image(original, tmp_path / f"a.{suffix}")
    loaded = load_image(tmp_path / f"a.{suffix}")
    assert_close(loaded.rgb, original.rgb, 0)
    assert loaded.alpha is None


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "webp"])
def test_lossy_formats_come_close(suffix, tmp_path):
    save_image(LoadedImage(stripes()), tmp_path / f"a.{suffix}")
    inner = np.arange(96) % 16 // 4 % 3 > 0  # without the edges of the stripes
    loaded = np.asarray(load_image(tmp_path / f"a.{suffix}").rgb)[:, inner]
    assert_close(loaded, np.asarray(stripes())[:, inner], 24)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "tiff", "PNG"])
def test_alpha_is_kept_where_the_format_has_it(suffix, tmp_path):
    alpha = Image.linear_gradient("L").resize((32, 32))
    save_image(LoadedImage(Image.new("RGB", (32, 32), "teal"), alpha), tmp_path / f"a.{suffix}")
    assert_close(load_image(tmp_path / f"a.{suffix}").alpha, alpha, 0)


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "jfif", "JPG", "bmp"])
def test_transparent_parts_get_the_background_color_in_formats_without_alpha(suffix, tmp_path):
    alpha = Image.new("L", (48, 32))
    alpha.paste(255, (16, 0, 32, 32))
    alpha.paste(100, (32, 0, 48, 32))
    original = LoadedImage(Image.new("RGB", alpha.size, "magenta"), alpha)
    opacity = 100 / 255
    for background, color in ((None, (255, 255, 255)), ("#204060", (32, 64, 96))):
        options = {} if background is None else {"background": background}
        save_image(original, tmp_path / f"a.{suffix}", **options)
        loaded = load_image(tmp_path / f"a.{suffix}")
        assert loaded.alpha is None
        mixed = [255 * opacity + color[0] * (1 - opacity), color[1] * (1 - opacity)]
        for x, expected in ((8, color), (24, (255, 0, 255)), (40, mixed)):
            assert loaded.rgb.getpixel((x, 16))[: len(expected)] == pytest.approx(expected, abs=4)


@pytest.mark.parametrize("background", ["", "whiteish", "#12", 7, True, "#ff000080", [255, 0, 0]])
def test_an_invalid_background_is_refused(background):
    with pytest.raises(StyleNetError, match="is not a color; expected a name such as white"):
        check_background(background)


def test_an_interrupted_save_keeps_the_old_image(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    path = tmp_path / "a.png"
    save_image(LoadedImage(Image.new("RGB", (2, 2), "red")), path)
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_image(LoadedImage(Image.new("RGB", (2, 2), "blue")), path)
    assert load_image(path).rgb.getpixel((0, 0)) == (255, 0, 0)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a", "a.xyz", "a.psd", ".png", "a.png.part"])
def test_an_unknown_suffix_is_refused_and_the_known_ones_are_listed(name, tmp_path):
    for attempt in (check_writable_suffix, lambda p: save_image(LoadedImage(stripes()), p)):
        with pytest.raises(StyleNetError, match=r"suffix is none of .*\.bmp, \.gif, .*\.jpg"):
            attempt(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "side"), [("webp", 16_384), ("jpg", 65_501)])
def test_an_image_too_large_for_the_format_ends_in_one_clear_error(suffix, side, tmp_path):
    path = tmp_path / f"a.{suffix}"
    with pytest.raises(StyleNetError, match=f"^cannot write {path}: ") as error:
        save_image(LoadedImage(Image.new("RGB", (side, 1))), path)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["file/a.png", "folder.png"])
def test_an_unwritable_path_is_named(name, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(StyleNetError, match=f"^cannot write {tmp_path / name}: "):
        save_image(LoadedImage(stripes()), tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 2


def test_missing_folders_are_created(tmp_path):
    save_image(LoadedImage(stripes()), tmp_path / "new" / "folder" / "a.png")
    assert load_image(tmp_path / "new" / "folder" / "a.png").rgb.size == stripes().size


# Flattening


def test_transparent_parts_become_white():
    alpha = Image.fromarray(np.array([[0, 51, 255]], dtype=np.uint8))
    flat = flatten(LoadedImage(Image.new("RGB", (3, 1), "black"), alpha))
    assert [flat.getpixel((x, 0)) for x in range(3)] == [(255,) * 3, (204,) * 3, (0,) * 3]


def test_an_opaque_image_is_unchanged_by_flattening():
    assert_close(flatten(LoadedImage(stripes())), stripes(), 0)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_camera_metadata_is_kept(tmp_path, suffix):
    written = Image.Exif()
    written[ExifTags.Base.Model] = "Box Camera"
    written[ExifTags.Base.Orientation] = 6
    written[ExifTags.IFD.Exif] = {ExifTags.Base.DateTimeOriginal: "2026:11:21 02:03:04"}
    written[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    source, target = tmp_path / "a.jpg", tmp_path / f"b{suffix}"
    Image.fromarray(noise(24, 16)).save(source, exif=written)
    original = load_image(source)
    save_image(original, target)
    with Image.open(target) as image:
        tags = image.getexif()
        assert image.size == original.rgb.size == (16, 24)
        assert tags[ExifTags.Base.Model] == "Box Camera"
        assert tags.get(ExifTags.Base.Orientation, 1) == 1
        exif, gps = tags.get_ifd(ExifTags.IFD.Exif), tags.get_ifd(ExifTags.IFD.GPSInfo)
        assert exif[ExifTags.Base.DateTimeOriginal] == "2026:11:21 02:03:04"
        assert gps[ExifTags.GPS.GPSLatitudeRef] == "N"


def test_layout_tags_of_a_tiff_are_not_kept_as_metadata(tmp_path):
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    Image.fromarray(noise(24, 16)).convert("L").save(source, compression="tiff_lzw")
    save_image(load_image(source), target)
    with Image.open(target) as image:
        assert image.mode == "RGB"
        image.load()


def test_lower_quality_makes_files_smaller(tmp_path):
    original = LoadedImage(Image.fromarray(noise(64, 64)))
    for suffix in (".jpg", ".webp"):
        for quality in (20, 90):
            save_image(original, tmp_path / f"{quality}{suffix}", quality)
        low, high = (tmp_path / f"{quality}{suffix}" for quality in (20, 90))
        assert low.stat().st_size < 0.7 * high.stat().st_size
