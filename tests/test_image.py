import io
import os
import random
import struct
import warnings
import zlib
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from stylenet.errors import StyleNetError
from stylenet.image import (
    SUFFIXES,
    LoadedImage,
    check_background,
    check_writable_suffix,
    flatten,
    load_image,
    open_image,
    resize_short_side,
    save_image,
    to_image,
    to_tensor,
    upright_image,
)

ColorS = [(200, 30, 40), (20, 180, 60), (10, 40, 220), (128, 128, 128), (0, 0, 0), (255,) * 3]
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF", "bmp": "BMP"}
if ".avif" in SUFFIXES:
    FORMATS["avif"] = "AVIF"
LOSSLESS = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
ORIENTATIONS = {  # EXIF's numbers, and what makes the stored pixels upright
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels),
}


def stripes():
    """Columns of all ColorS, 16 px wide each so that JPEG keeps them."""
    row = np.repeat(np.array(ColorS, dtype=np.uint8), 16, axis=0)
    return Image.fromarray(np.broadcast_to(row, (32, *row.shape)).copy())


def noise(width=24, height=16, channels=3):
    shape = (height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def exif(orientation):
    data = Image.Exif()
    data[ExifTags.Base.Make] = "maker"
    data[ExifTags.Base.Orientation] = orientation
    return data.tobytes()


def icc(swapped=False):
    """SRGB's profile, or one in which red means blue."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if swapped:
        parts = profile.split(b"rXYZ")
        profile = b"bXYZ".join(part.replace(b"bXYZ", b"rXYZ") for part in parts)
    return profile


def png(width, height, bits, color_type, data):
    """A PNG file of a kind that Pillow does not write."""

    def chunk(name, body):
        body = name + body
        return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def encoded(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **LOSSLESS.get(form, {}), **options)
    return buffer.getvalue()


def assert_close(image, expected, tolerance):
    difference = np.asarray(image, dtype=int) - np.asarray(expected, dtype=int)
    assert np.abs(difference).max() <= tolerance


def assert_refused(path, *words):
    with pytest.raises(StyleNetError) as error:
        load_image(path)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    for word in words:
        assert word in message


# Modes


@pytest.mark.parametrize(
    ("mode", "tolerance"),
    [*((mode, 0) for mode in ("RGB", "RGBA", "RGBa", "RGBX", "P", "PA", "CMYK")), ("YCbCr", 2)],
)
def test_colors_of_every_mode_are_kept(mode, tolerance):
    source = stripes()
    if mode in ("P", "PA"):
        image = source.quantize(8).convert(mode)
    else:
        image = source.convert("RGBA").convert(mode) if mode == "RGBa" else source.convert(mode)
    picture = upright_image(image)
    assert picture.rgb.mode == "RGB"
    assert_close(picture.rgb, source, tolerance)
    if picture.alpha is not None:
        assert picture.alpha.getextrema() == (255, 255)


@pytest.mark.parametrize(("suffix", "tolerance"), [("jpg", 8), ("tif", 0)])
def test_cmyk_file_keeps_its_colors(suffix, tolerance, tmp_path):
    (tmp_path / "a").write_bytes(encoded(stripes().convert("CMYK"), FORMATS[suffix]))
    assert_close(load_image(tmp_path / "a").rgb, stripes(), tolerance)


@pytest.mark.parametrize("mode", ["L", "LA", "La", "1"])
def test_gray_of_every_mode_is_kept(mode):
    gray = stripes().convert("L")
    if mode == "1":
        gray = gray.point(lambda value: 255 * (value > 127))
    image = gray.convert("LA").convert(mode) if mode == "La" else gray.convert(mode)
    picture = upright_image(image)
    assert picture.rgb.mode == "RGB"
    assert_close(picture.rgb, gray.convert("RGB"), 0)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGBa", "La"])
def test_alpha_is_kept_apart(mode):
    image = Image.new(mode.upper(), (3, 2), (90, 90, 90, 0)[-len(mode) :])
    image.putpixel((1, 1), (90, 90, 90, 200)[-len(mode) :])
    picture = upright_image(image.convert(mode) if mode != image.mode else image)
    assert picture.alpha.mode == "L"
    assert list(np.asarray(picture.alpha).flat) == [0, 0, 0, 0, 200, 0]
    assert picture.rgb.getpixel((1, 1)) == pytest.approx((90, 90, 90), abs=1)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_color_marked_as_transparent_becomes_alpha(mode, tmp_path):
    image = Image.new("RGB", (2, 1), "white")
    image.putpixel((0, 0), (0, 0, 0))
    image = image.convert(mode)
    mark = (0, 0, 0) if mode == "RGB" else image.getpixel((0, 0))
    image.save(tmp_path / "a.png", transparency=mark)
    picture = load_image(tmp_path / "a.png")
    assert list(np.asarray(picture.alpha).flat) == [0, 255]
    assert picture.rgb.getpixel((1, 0)) == (255, 255, 255)


def test_one_transparent_level_of_16_bits_becomes_alpha(tmp_path):
    values = (np.arange(12, dtype=np.uint16) * 5000).reshape(3, 4)
    Image.fromarray(values).save(tmp_path / "a.png", transparency=15000)
    picture = load_image(tmp_path / "a.png")
    assert np.array_equal(np.asarray(picture.alpha), np.where(values == 15000, 0, 255))
    assert np.array_equal(np.asarray(picture.rgb)[..., 0], np.round(values / 257))


def test_palette_with_shades_of_transparency_becomes_alpha(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8)).convert("P")
    image.save(tmp_path / "a.png", transparency=bytes([0, 100, 255]))
    assert list(np.asarray(load_image(tmp_path / "a.png").alpha).flat) == [0, 100, 255]


@pytest.mark.parametrize(
    ("suffix", "dtype"), [("png", "<u2"), ("tif", "<u2"), ("tif", ">u2"), ("tif", "<i4")]
)
def test_16_bits_of_gray_become_8(suffix, dtype, tmp_path):
    values = np.linspace(0, 65535, 300).reshape(10, 30).round()
    Image.fromarray(values.astype(dtype)).save(tmp_path / f"a.{suffix}")
    picture = load_image(tmp_path / f"a.{suffix}")
    assert picture.alpha is None
    assert_close(picture.rgb, (values / 257).round()[..., None].repeat(3, -1), 1)


@pytest.mark.parametrize(("color_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bits_a_color_become_8(color_type, channels, tmp_path):
    values = np.linspace(0, 65535, 12 * channels).round().reshape(3, 4, channels)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    (tmp_path / "a.png").write_bytes(png(4, 3, 16, color_type, rows))
    picture = load_image(tmp_path / "a.png")
    expected = values / 257
    if channels in (2, 4):
        assert_close(picture.alpha, expected[..., -1], 1)
    colors = expected[..., :1].repeat(3, -1) if channels == 2 else expected[..., :3]
    assert_close(picture.rgb, colors, 1)


@pytest.mark.parametrize(
    "values", [[0.0, 0.5, 1.0], [-1.0, 0.0, 1.0], [0.0, 5e4, 1e5], [0.0, 1e38, 2e38]]
)
def test_floating_point_gray_is_stretched_to_its_range(values):
    picture = upright_image(Image.fromarray(np.array([values], dtype=np.float32)))
    assert_close(picture.rgb, [[[0] * 3, [128] * 3, [255] * 3]], 1)


@pytest.mark.parametrize("values", [[-100, 0, 100], [0, 10**5, 2 * 10**5]])
def test_32_bit_gray_beyond_16_bits_is_stretched(values):
    picture = upright_image(Image.fromarray(np.array([values], dtype=np.int32)))
    assert_close(picture.rgb, [[[0] * 3, [128] * 3, [255] * 3]], 1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0])
def test_floating_point_gray_without_a_number_is_black(value):
    picture = upright_image(Image.fromarray(np.full((2, 2), value, dtype=np.float32)))
    assert picture.rgb.getextrema() == ((0, 0),) * 3


def test_mode_that_cannot_be_converted_is_named(monkeypatch):
    def refuse(*_, **__):
        raise ValueError("not supported\nat all")

    monkeypatch.setattr(Image.Image, "convert", refuse)
    with pytest.raises(StyleNetError, match=r"^an image of mode CMYK .* not supported$"):
        upright_image(Image.new("CMYK", (2, 2)))


# Orientation


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_exif_orientation_is_applied(orientation, form, tmp_path):
    pixels = np.asarray(stripes())[:, :48].copy()
    pixels[:16] //= 2  # neither axis symmetric
    data = encoded(Image.fromarray(pixels), form, exif=exif(orientation))
    (tmp_path / "a").write_bytes(data)
    expected = ORIENTATIONS[orientation](pixels)
    picture = load_image(tmp_path / "a")
    assert picture.rgb.size == expected.shape[1::-1]
    assert_close(picture.rgb, expected, 4 if form == "JPEG" else 0)


@pytest.mark.parametrize("channels", [4, 2])
def test_alpha_is_turned_along(channels, tmp_path):
    pixels = noise(channels=channels)
    Image.fromarray(pixels, "LA" if channels == 2 else "RGBA").save(
        tmp_path / "a.png", exif=exif(6)
    )
    assert_close(load_image(tmp_path / "a.png").alpha, np.rot90(pixels[..., -1], -1), 0)


def test_16_bit_photo_is_turned(tmp_path):
    pixels = noise(channels=1)[..., 0].astype(np.uint16) * 257
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif(6))
    picture = load_image(tmp_path / "a.png")
    assert_close(picture.rgb.getchannel(0), np.rot90(pixels // 257, -1), 0)


@pytest.mark.parametrize("suffix", FORMATS)
def test_saved_photo_is_not_turned_again(suffix, tmp_path):
    Image.fromarray(noise(24, 16)).save(tmp_path / "a.png", exif=exif(6))
    save_image(load_image(tmp_path / "a.png"), tmp_path / f"b.{suffix}")
    assert load_image(tmp_path / f"b.{suffix}").rgb.size == (16, 24)


@pytest.mark.parametrize(
    ("data", "turned"),
    [
        (exif(9), False),
        (exif(0), False),
        (exif(6)[:25], False),
        (b"Exif\0\0nonsense", False),
        # Another tag with a value that does not fit it.
        (exif(6).replace(b"\x01\x0f", b"\x01\x4e"), True),
    ],
)
@pytest.mark.filterwarnings("error")
def test_damaged_exif_does_not_cost_the_photo(data, turned, tmp_path):
    Image.fromarray(noise(24, 16)).save(tmp_path / "a.jpg", exif=data)
    assert load_image(tmp_path / "a.jpg").rgb.size == ((16, 24) if turned else (24, 16))


# Color profiles


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_color_profile_is_applied(form, tmp_path):
    image = Image.new("RGB", (16, 16), "red")
    (tmp_path / "a").write_bytes(encoded(image, form, icc_profile=icc(swapped=True)))
    assert_close(load_image(tmp_path / "a").rgb, Image.new("RGB", (16, 16), "blue"), 4)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_color_profile_is_applied_to_every_color_mode(mode):
    image = Image.new("RGB", (2, 2), "red").convert(mode)
    image.info["icc_profile"] = icc(swapped=True)
    picture = upright_image(image)
    assert_close(picture.rgb, Image.new("RGB", (2, 2), "blue"), 4)
    assert (picture.alpha is not None) == (mode == "RGBA")


def test_srgb_profile_changes_nothing():
    image = stripes()
    image.info["icc_profile"] = icc()
    assert_close(upright_image(image).rgb, stripes(), 1)


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        (mode, profile)
        for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")
        for profile in (b"nonsense", icc()[:200], icc()[:-100])
    ]
    + [(mode, icc(swapped=True)) for mode in ("1", "L", "LA", "CMYK", "YCbCr")],
)
def test_damaged_or_unfitting_profile_is_ignored(mode, profile):
    plain = Image.new("RGB", (2, 2), "red").convert(mode)
    tagged = plain.copy()
    tagged.info["icc_profile"] = profile
    assert_close(upright_image(tagged).rgb, upright_image(plain).rgb, 0)


@pytest.mark.parametrize("profile", [icc(swapped=True), b"nonsense"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_profile_is_not_applied_again_to_a_saved_copy(mode, profile, tmp_path):
    image = stripes().convert(mode)
    image.save(tmp_path / "a.png", icc_profile=profile)
    picture = load_image(tmp_path / "a.png")
    save_image(picture, tmp_path / "b.png")
    assert_close(load_image(tmp_path / "b.png").rgb, picture.rgb, 0)
    assert "icc_profile" not in open_image(tmp_path / "b.png").info


# Tensors


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("batched", [True, False])
def test_all_256_values_survive_the_round_trip(dtype, batched):
    pixels = np.stack([np.roll(np.arange(256, dtype=np.uint8), i) for i in range(3)], -1)
    image = Image.fromarray(pixels.reshape(8, 32, 3))
    tensor = to_tensor(image).to(dtype)
    back = to_image(tensor if batched else tensor[0])
    assert back.mode == "RGB"
    assert_close(back, image, 0)


def test_tensor_is_float_rgb_in_0_to_1_height_before_width():
    image = Image.new("RGB", (5, 3), (255, 0, 51))
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, 3, 5)
    assert tensor.dtype == torch.float32
    assert tensor[0, :, 0, 0].tolist() == pytest.approx([1, 0, 0.2])


def test_values_outside_0_to_1_are_clamped():
    tensor = torch.tensor([-9.0, 0.5, 9.0], requires_grad=True).view(1, 3, 1, 1)
    assert to_image(tensor).getpixel((0, 0)) == (0, 128, 255)


# Opening


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 400), st.sampled_from("LR"))
def test_jpeg_is_never_decoded_below_the_size_asked(tmp_path_factory, width, height, least, mode):
    path = tmp_path_factory.getbasetemp() / "draft.jpg"
    Image.new("L" if mode == "L" else "RGB", (width, height)).save(path)
    image = open_image(path, least)
    assert image.width >= min(width, least)
    assert image.height >= min(height, least)


@pytest.mark.parametrize(("suffix", "size"), [("jpg", (100, 75)), ("png", (800, 600))])
def test_large_jpeg_is_decoded_smaller(suffix, size, tmp_path):
    Image.new("RGB", (800, 600)).save(tmp_path / f"a.{suffix}")
    assert open_image(tmp_path / f"a.{suffix}", 64).size == size
    assert open_image(tmp_path / f"a.{suffix}").size == (800, 600)


def test_missing_file_is_named(tmp_path):
    assert_refused(tmp_path / "a.png", "no such file")


def test_folder_is_named(tmp_path):
    assert_refused(tmp_path, "is a folder")


def test_empty_file_is_named(tmp_path):
    (tmp_path / "a.png").touch()
    assert_refused(tmp_path / "a.png", "is empty")


@pytest.mark.parametrize("data", [b"\0", b"<html>not found</html>\n", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_is_named(data, tmp_path):
    (tmp_path / "a.png").write_bytes(data)
    assert_refused(tmp_path / "a.png", "is not an image")


@pytest.mark.parametrize("form", FORMATS.values())
@pytest.mark.parametrize("part", [0.5, 0.95])
def test_truncated_file_is_named(form, part, tmp_path):
    data = encoded(Image.fromarray(noise(64, 64)), form)
    (tmp_path / "a").write_bytes(data[: int(len(data) * part)])
    assert_refused(tmp_path / "a")


@pytest.mark.parametrize("name", ["a.png/b.png", "x" * 300 + ".png", "loop.png"])
def test_place_that_cannot_be_read_is_not_called_damaged(name, tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    assert_refused(tmp_path / name, "cannot be read")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read anything")
def test_file_without_permission_is_named(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    assert_refused(tmp_path / "a.png", "cannot be read: Permission denied")


def test_decompression_bomb_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(png(60_000, 60_000, 8, 2, b""))
    assert_refused(tmp_path / "a.png", "is too large")


@pytest.mark.filterwarnings("error")
def test_large_photo_opens_without_a_warning(tmp_path, monkeypatch):
    Image.new("RGB", (15, 10)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert open_image(tmp_path / "a.png").size == (15, 10)


def test_error_in_converting_names_the_file(tmp_path, monkeypatch):
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "convert", lambda *_: 1 // 0)
    assert_refused(tmp_path / "a.png", "cannot be converted")


@pytest.mark.parametrize("form", FORMATS.values())
def test_corrupted_bytes_raise_nothing_but_stylenet_error(form, tmp_path):
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
            for _ in range(rng.choice([1, 2, 5, 20])):
                broken[rng.randrange(reach)] = rng.randrange(256)
            path.write_bytes(broken[: rng.choice([len(data), rng.randrange(len(data))])])
            with suppress(StyleNetError):
                assert upright_image(open_image(path)).rgb.mode == "RGB"
                opened += 1
    assert 0 < opened < 120  # both ways were gone
    assert not heard


# Saving


@pytest.mark.parametrize("suffix", ["png", "tif", "TIFF", "bmp"])
def test_lossless_formats_keep_every_pixel(suffix, tmp_path):
    picture = LoadedImage(Image.fromarray(noise()))
    save_image(picture, tmp_path / f"a.{suffix}")
    loaded = load_image(tmp_path / f"a.{suffix}")
    assert_close(loaded.rgb, picture.rgb, 0)
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
def test_transparent_parts_are_laid_on_a_color_where_the_format_has_no_alpha(suffix, tmp_path):
    alpha = Image.new("L", (48, 32))
    alpha.paste(255, (16, 0, 32, 32))
    alpha.paste(100, (32, 0, 48, 32))
    picture = LoadedImage(Image.new("RGB", alpha.size, "magenta"), alpha)
    share = 100 / 255
    for background, color in ((None, (255, 255, 255)), ("#204060", (32, 64, 96))):
        options = {} if background is None else {"background": background}
        save_image(picture, tmp_path / f"a.{suffix}", **options)
        loaded = load_image(tmp_path / f"a.{suffix}")
        assert loaded.alpha is None
        mixed = [255 * share + color[0] * (1 - share), color[1] * (1 - share)]
        for x, expected in ((8, color), (24, (255, 0, 255)), (40, mixed)):
            assert loaded.rgb.getpixel((x, 16))[: len(expected)] == pytest.approx(expected, abs=4)


@pytest.mark.parametrize("background", ["", "whiteish", "#12", 7, True, "#ff000080", [255, 0, 0]])
def test_what_is_no_background_is_refused(background):
    with pytest.raises(StyleNetError, match="is no color; expected a name such as white"):
        check_background(background)


def test_interrupted_save_leaves_the_old_picture(tmp_path, monkeypatch):
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
def test_unknown_suffix_is_refused_with_the_known_ones(name, tmp_path):
    for attempt in (check_writable_suffix, lambda p: save_image(LoadedImage(stripes()), p)):
        with pytest.raises(StyleNetError, match=r"suffix is none of .*\.bmp, \.gif, .*\.jpg"):
            attempt(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "side"), [("webp", 16_384), ("jpg", 65_501)])
def test_picture_too_large_for_the_format_is_one_clear_error(suffix, side, tmp_path):
    path = tmp_path / f"a.{suffix}"
    with pytest.raises(StyleNetError, match=f"^cannot write {path}: ") as error:
        save_image(LoadedImage(Image.new("RGB", (side, 1))), path)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["file/a.png", "folder.png"])
def test_unwritable_place_is_named(name, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(StyleNetError, match=f"^cannot write {tmp_path / name}: "):
        save_image(LoadedImage(stripes()), tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 2


def test_missing_folders_are_made(tmp_path):
    save_image(LoadedImage(stripes()), tmp_path / "new" / "folder" / "a.png")
    assert load_image(tmp_path / "new" / "folder" / "a.png").rgb.size == stripes().size


# Flattening


def test_transparent_parts_become_white():
    alpha = Image.fromarray(np.array([[0, 51, 255]], dtype=np.uint8))
    flat = flatten(LoadedImage(Image.new("RGB", (3, 1), "black"), alpha))
    assert [flat.getpixel((x, 0)) for x in range(3)] == [(255,) * 3, (204,) * 3, (0,) * 3]


def test_opaque_picture_is_flat_already():
    assert_close(flatten(LoadedImage(stripes())), stripes(), 0)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_what_the_camera_wrote_is_kept(tmp_path, suffix):
    written = Image.Exif()
    written[ExifTags.Base.Model] = "Box Camera"
    written[ExifTags.Base.Orientation] = 6
    written[ExifTags.IFD.Exif] = {ExifTags.Base.DateTimeOriginal: "2026:11:21 02:03:04"}
    written[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    source, target = tmp_path / "a.jpg", tmp_path / f"b{suffix}"
    Image.fromarray(noise(24, 16)).save(source, exif=written)
    picture = load_image(source)
    save_image(picture, target)
    with Image.open(target) as image:
        found = image.getexif()
        assert image.size == picture.rgb.size == (16, 24)
        assert found[ExifTags.Base.Model] == "Box Camera"
        assert found.get(ExifTags.Base.Orientation, 1) == 1
        exif, gps = found.get_ifd(ExifTags.IFD.Exif), found.get_ifd(ExifTags.IFD.GPSInfo)
        assert exif[ExifTags.Base.DateTimeOriginal] == "2026:11:21 02:03:04"
        assert gps[ExifTags.GPS.GPSLatitudeRef] == "N"


def test_a_tiffs_layout_is_no_metadata(tmp_path):
    source, target = tmp_path / "a.tif", tmp_path / "b.tif"
    Image.fromarray(noise(24, 16)).convert("L").save(source, compression="tiff_lzw")
    save_image(load_image(source), target)
    with Image.open(target) as image:
        assert image.mode == "RGB"
        image.load()


def test_quality_makes_files_smaller(tmp_path):
    picture = LoadedImage(Image.fromarray(noise(64, 64)))
    for suffix in (".jpg", ".webp"):
        for quality in (20, 90):
            save_image(picture, tmp_path / f"{quality}{suffix}", quality)
        low, high = (tmp_path / f"{quality}{suffix}" for quality in (20, 90))
        assert low.stat().st_size < 0.7 * high.stat().st_size


# Sizes


@pytest.mark.parametrize("size", [(1, 2000), (2000, 1), (3, 40_000), (1, 1_000_000)])
def test_thin_image_is_enlarged_within_bounds(size):
    width, height = resize_short_side(Image.new("L", size), 512).size
    assert width * height <= max(8.5 * 512**2, size[0] * size[1] * 1.01)
    assert min(width, height) >= min(size)


@pytest.mark.parametrize("size", [(100, 700), (640, 480), (30, 20), (2000, 5000), (700, 40_000)])
def test_ordinary_image_gets_its_shorter_side(size):
    result = resize_short_side(Image.new("L", size), 512).size
    assert min(result) == 512
    assert max(result) == pytest.approx(512 * max(size) / min(size), abs=1)
