"""EXIF data that survives reading and saving unchanged."""

import io
import random
import struct

import numpy as np
import pytest
from PIL import ExifTags, Image

from stylenet.image import (
    SUFFIXES,
    LoadedImage,
    load_image,
    open_image,
    save_image,
    upright_image,
)

Tag = ExifTags.Base
KEPT = sorted(SUFFIXES & {".jpg", ".png", ".webp", ".tif", ".avif"})
MAKER_NOTE = b"a note with \0 and addresses" * 3


def photo(width=24, height=16):
    shape = (height, width, 3)
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def camera_exif(orientation=6, size=(24, 16)):
    exif = Image.Exif()
    exif[Tag.Make] = "maker"
    exif[Tag.Orientation] = orientation
    exif[Tag.XResolution] = 72.0
    exif[ExifTags.IFD.Exif] = {
        Tag.FNumber: 2.8,
        Tag.MakerNote: MAKER_NOTE,
        Tag.ColorSpace: 65535,
        Tag.ExifImageWidth: size[0],
        Tag.ExifImageHeight: size[1],
    }
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    return exif.tobytes()


def with_thumbnail(block, thumbnail):
    """Return the block with a second directory, as cameras append it."""
    data = bytearray(block[6:])
    order = "<" if data[:2] == b"II" else ">"
    (first,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, first)
    data += b"\0" * (len(data) % 2)
    struct.pack_into(order + "I", data, first + 2 + 12 * count, len(data))
    at = len(data) + 2 + 24 + 4
    data += struct.pack(order + "HHHIIHHIII", 2, 0x201, 4, 1, at, 0x202, 4, 1, len(thumbnail), 0)
    return b"Exif\0\0" + bytes(data) + thumbnail


def jpeg(block):
    buffer = io.BytesIO()
    photo().save(buffer, "JPEG", exif=block)
    return buffer.getvalue()


def read_back(path):
    exif = open_image(path).getexif()
    return exif, exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("suffix", KEPT)
def test_exif_data_is_kept(source, suffix, tmp_path):
    photo().save(tmp_path / "a", source, exif=camera_exif())
    target = tmp_path / f"b{suffix}"
    save_image(load_image(tmp_path / "a"), target)
    exif, inner, gps = read_back(target)
    assert exif[Tag.Make] == "maker"
    assert exif.get(Tag.Orientation, 1) == 1
    assert float(inner[Tag.FNumber]) == pytest.approx(2.8)
    assert inner[Tag.MakerNote] == MAKER_NOTE
    assert inner[Tag.ColorSpace] == 1
    assert (inner[Tag.ExifImageWidth], inner[Tag.ExifImageHeight]) == (16, 24)
    assert gps[ExifTags.GPS.GPSLatitudeRef] == "N"
    assert load_image(target).rgb.size == (16, 24)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", KEPT)
def test_orientation_is_applied_exactly_once(orientation, suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    (tmp_path / "a").write_bytes(jpeg(camera_exif(orientation)))
    loaded = load_image(tmp_path / "a")
    for _ in range(2):
        save_image(loaded, path, quality=100)
        again = load_image(path)
        assert again.rgb.size == loaded.rgb.size
        assert again.exif is not None
        difference = np.asarray(again.rgb, int) - np.asarray(loaded.rgb, int)
        assert np.abs(difference).mean() < 25  # 85 for noise in the wrong orientation
        loaded = again


@pytest.mark.parametrize("suffix", KEPT)
def test_the_thumbnail_is_dropped(suffix, tmp_path):
    thumbnail = b"\xff\xd8 a small image, sideways \xff\xd9" * 20
    (tmp_path / "a.jpg").write_bytes(jpeg(with_thumbnail(camera_exif(), thumbnail)))
    assert thumbnail in (tmp_path / "a.jpg").read_bytes()
    loaded = load_image(tmp_path / "a.jpg")
    assert b"sideways" not in loaded.exif
    assert len(loaded.exif) <= len(camera_exif()) + 1
    save_image(loaded, tmp_path / f"b{suffix}")
    assert b"sideways" not in (tmp_path / f"b{suffix}").read_bytes()
    assert read_back(tmp_path / f"b{suffix}")[0][Tag.Make] == "maker"


def test_the_maker_note_keeps_its_position(tmp_path):
    # Its internal offsets count from the start of the block.
    block = with_thumbnail(camera_exif(), b"x" * 100)
    (tmp_path / "a.jpg").write_bytes(jpeg(block))
    save_image(load_image(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    kept = open_image(tmp_path / "b.jpg").info["exif"]
    assert kept.index(MAKER_NOTE) == block.index(MAKER_NOTE)


def test_the_adobe_rgb_tag_is_removed(tmp_path):
    block = camera_exif()
    exif = Image.Exif()
    exif.load(block)
    inner = dict(exif.get_ifd(ExifTags.IFD.Exif))
    exif[ExifTags.IFD.Exif] = inner | {ExifTags.IFD.Interop: {1: "R03"}}
    block = exif.tobytes()
    assert b"R03\0" in block
    (tmp_path / "a.jpg").write_bytes(jpeg(block))
    kept = load_image(tmp_path / "a.jpg").exif
    assert b"R03\0" not in kept
    assert b"R98\0" in kept


def test_the_saved_size_is_the_images_own(tmp_path):
    image = photo()
    image.info["exif"] = camera_exif()
    exif = upright_image(image).exif
    save_image(LoadedImage(Image.new("RGB", (70_000, 2)), None, exif), tmp_path / "a.png")
    inner = read_back(tmp_path / "a.png")[1]
    assert (inner[Tag.ExifImageWidth], inner[Tag.ExifImageHeight]) == (70_000, 2)


@pytest.mark.parametrize("suffix", KEPT)
def test_layout_tags_do_not_break_a_file(suffix, tmp_path):
    exif = Image.Exif()
    exif.load(camera_exif())
    exif[Tag.ImageWidth], exif[Tag.ImageLength] = 7, 7
    exif[Tag.PhotometricInterpretation] = 6
    exif[Tag.BitsPerSample] = (8, 8, 8, 8)
    exif[Tag.Compression] = 6
    (tmp_path / "a.jpg").write_bytes(jpeg(exif.tobytes()))
    save_image(load_image(tmp_path / "a.jpg"), tmp_path / f"b{suffix}")
    loaded = load_image(tmp_path / f"b{suffix}")
    assert loaded.rgb.size == (16, 24)
    assert read_back(tmp_path / f"b{suffix}")[0][Tag.Make] == "maker"


@pytest.mark.parametrize("suffix", [".bmp", ".gif"])
def test_formats_without_exif_drop_it(suffix, tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(camera_exif()))
    save_image(load_image(tmp_path / "a.jpg"), tmp_path / f"b{suffix}")
    loaded = load_image(tmp_path / f"b{suffix}")
    assert loaded.exif is None
    assert loaded.rgb.size == (16, 24)


@pytest.mark.parametrize("suffix", KEPT)
def test_an_image_without_exif_gets_none(suffix, tmp_path):
    save_image(LoadedImage(photo()), tmp_path / f"a{suffix}")
    assert load_image(tmp_path / f"a{suffix}").exif is None


def test_an_image_with_exif_too_long_for_jpeg_is_still_saved(tmp_path):
    exif = Image.Exif()
    exif[Tag.ImageDescription] = "long " * 20_000
    photo().save(tmp_path / "a.png", exif=exif)
    loaded = load_image(tmp_path / "a.png")
    assert len(loaded.exif) > 100_000
    save_image(loaded, tmp_path / "b.jpg")
    assert load_image(tmp_path / "b.jpg").exif is None


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("suffix", KEPT)
def test_an_image_with_damaged_exif_is_still_saved(suffix, tmp_path):
    rng = random.Random(suffix)
    block = with_thumbnail(camera_exif(), b"x" * 50)
    dropped = kept = 0
    for _ in range(40):
        broken = bytearray(block)
        for _ in range(rng.choice([1, 3, 20])):
            broken[rng.randrange(6, len(broken))] = rng.randrange(256)
        image = photo()
        image.info["exif"] = bytes(broken[: rng.choice([len(broken), rng.randrange(len(broken))])])
        loaded = upright_image(image)
        save_image(loaded, tmp_path / f"a{suffix}")
        again = load_image(tmp_path / f"a{suffix}")
        assert again.rgb.size == loaded.rgb.size
        dropped += loaded.exif is None
        kept += again.exif is not None
    assert dropped
    assert kept


@pytest.mark.parametrize("block", [b"", b"Exif\0\0", b"nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_invalid_exif_is_dropped(block):
    image = photo()
    image.info["exif"] = block
    assert upright_image(image).exif is None
