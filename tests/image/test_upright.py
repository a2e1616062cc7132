import numpy as np
import pytest
from PIL import Image

from stylenet.errors import StyleNetError
from stylenet.image import (
    load_image,
    open_image,
    save_image,
    upright_image,
)

from .images import FORMATS, ORIENTATIONS, assert_close, encoded, exif, icc, noise, png, stripes

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
    loaded = upright_image(image)
    assert loaded.rgb.mode == "RGB"
    assert_close(loaded.rgb, source, tolerance)
    if loaded.alpha is not None:
        assert loaded.alpha.getextrema() == (255, 255)


@pytest.mark.parametrize(("suffix", "tolerance"), [("jpg", 8), ("tif", 0)])
def test_a_cmyk_file_keeps_its_colors(suffix, tolerance, tmp_path):
    (tmp_path / "a").write_bytes(encoded(stripes().convert("CMYK"), FORMATS[suffix]))
    assert_close(load_image(tmp_path / "a").rgb, stripes(), tolerance)


@pytest.mark.parametrize("mode", ["L", "LA", "La", "1"])
def test_gray_of_every_mode_is_kept(mode):
    gray = stripes().convert("L")
    if mode == "1":
        gray = gray.point(lambda value: 255 * (value > 127))
    image = gray.convert("LA").convert(mode) if mode == "La" else gray.convert(mode)
    loaded = upright_image(image)
    assert loaded.rgb.mode == "RGB"
    assert_close(loaded.rgb, gray.convert("RGB"), 0)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "RGBa", "La"])
def test_alpha_is_returned_separately(mode):
    image = Image.new(mode.upper(), (3, 2), (90, 90, 90, 0)[-len(mode) :])
    image.putpixel((1, 1), (90, 90, 90, 200)[-len(mode) :])
    loaded = upright_image(image.convert(mode) if mode != image.mode else image)
    assert loaded.alpha.mode == "L"
    assert list(np.asarray(loaded.alpha).flat) == [0, 0, 0, 0, 200, 0]
    assert loaded.rgb.getpixel((1, 1)) == pytest.approx((90, 90, 90), abs=1)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_color_marked_as_transparent_becomes_alpha(mode, tmp_path):
    image = Image.new("RGB", (2, 1), "white")
    image.putpixel((0, 0), (0, 0, 0))
    image = image.convert(mode)
    mark = (0, 0, 0) if mode == "RGB" else image.getpixel((0, 0))
    image.save(tmp_path / "a.png", transparency=mark)
    loaded = load_image(tmp_path / "a.png")
    assert list(np.asarray(loaded.alpha).flat) == [0, 255]
    assert loaded.rgb.getpixel((1, 0)) == (255, 255, 255)


def test_a_single_transparent_level_of_16_bits_becomes_alpha(tmp_path):
    values = (np.arange(12, dtype=np.uint16) * 5000).reshape(3, 4)
    Image.fromarray(values).save(tmp_path / "a.png", transparency=15000)
    loaded = load_image(tmp_path / "a.png")
    assert np.array_equal(np.asarray(loaded.alpha), np.where(values == 15000, 0, 255))
    assert np.array_equal(np.asarray(loaded.rgb)[..., 0], np.round(values / 257))


def test_a_palette_with_partial_transparency_becomes_alpha(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8)).convert("P")
    image.save(tmp_path / "a.png", transparency=bytes([0, 100, 255]))
    assert list(np.asarray(load_image(tmp_path / "a.png").alpha).flat) == [0, 100, 255]


@pytest.mark.parametrize(
    ("suffix", "dtype"), [("png", "<u2"), ("tif", "<u2"), ("tif", ">u2"), ("tif", "<i4")]
)
def test_16_bit_gray_becomes_8_bit(suffix, dtype, tmp_path):
    values = np.linspace(0, 65535, 300).reshape(10, 30).round()
    Image.fromarray(values.astype(dtype)).save(tmp_path / f"a.{suffix}")
    loaded = load_image(tmp_path / f"a.{suffix}")
    assert loaded.alpha is None
    assert_close(loaded.rgb, (values / 257).round()[..., None].repeat(3, -1), 1)


@pytest.mark.parametrize(("color_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bits_per_channel_become_8(color_type, channels, tmp_path):
    values = np.linspace(0, 65535, 12 * channels).round().reshape(3, 4, channels)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    (tmp_path / "a.png").write_bytes(png(4, 3, 16, color_type, rows))
    loaded = load_image(tmp_path / "a.png")
    expected = values / 257
    if channels in (2, 4):
        assert_close(loaded.alpha, expected[..., -1], 1)
    colors = expected[..., :1].repeat(3, -1) if channels == 2 else expected[..., :3]
    assert_close(loaded.rgb, colors, 1)


@pytest.mark.parametrize(
    "values", [[0.0, 0.5, 1.0], [-1.0, 0.0, 1.0], [0.0, 5e4, 1e5], [0.0, 1e38, 2e38]]
)
def test_floating_point_gray_is_stretched_to_its_range(values):
    loaded = upright_image(Image.fromarray(np.array([values], dtype=np.float32)))
    assert_close(loaded.rgb, [[[0] * 3, [128] * 3, [255] * 3]], 1)


@pytest.mark.parametrize("values", [[-100, 0, 100], [0, 10**5, 2 * 10**5]])
def test_32_bit_gray_beyond_16_bits_is_stretched(values):
    loaded = upright_image(Image.fromarray(np.array([values], dtype=np.int32)))
    assert_close(loaded.rgb, [[[0] * 3, [128] * 3, [255] * 3]], 1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0])
def test_floating_point_gray_without_finite_values_is_black(value):
    loaded = upright_image(Image.fromarray(np.full((2, 2), value, dtype=np.float32)))
    assert loaded.rgb.getextrema() == ((0, 0),) * 3


def test_a_mode_that_cannot_be_converted_is_named(monkeypatch):
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
    pixels[:16] //= 2  # symmetric along neither axis
    data = encoded(Image.fromarray(pixels), form, exif=exif(orientation))
    (tmp_path / "a").write_bytes(data)
    expected = ORIENTATIONS[orientation](pixels)
    loaded = load_image(tmp_path / "a")
    assert loaded.rgb.size == expected.shape[1::-1]
    assert_close(loaded.rgb, expected, 4 if form == "JPEG" else 0)


@pytest.mark.parametrize("channels", [4, 2])
def test_alpha_is_rotated_with_the_colors(channels, tmp_path):
    pixels = noise(channels=channels)
    Image.fromarray(pixels, "LA" if channels == 2 else "RGBA").save(
        tmp_path / "a.png", exif=exif(6)
    )
    assert_close(load_image(tmp_path / "a.png").alpha, np.rot90(pixels[..., -1], -1), 0)


def test_a_16_bit_photo_is_rotated(tmp_path):
    pixels = noise(channels=1)[..., 0].astype(np.uint16) * 257
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif(6))
    loaded = load_image(tmp_path / "a.png")
    assert_close(loaded.rgb.getchannel(0), np.rot90(pixels // 257, -1), 0)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_saved_photo_is_not_rotated_again(suffix, tmp_path):
    Image.fromarray(noise(24, 16)).save(tmp_path / "a.png", exif=exif(6))
    save_image(load_image(tmp_path / "a.png"), tmp_path / f"b.{suffix}")
    assert load_image(tmp_path / f"b.{suffix}").rgb.size == (16, 24)


@pytest.mark.parametrize(
    ("data", "rotated"),
    [
        (exif(9), False),
        (exif(0), False),
        (exif(6)[:25], False),
        (b"Exif\0\0nonsense", False),
        # Another tag whose value does not fit its type.
        (exif(6).replace(b"\x01\x0f", b"\x01\x4e"), True),
    ],
)
@pytest.mark.filterwarnings("error")
def test_a_photo_with_damaged_exif_is_still_read(data, rotated, tmp_path):
    Image.fromarray(noise(24, 16)).save(tmp_path / "a.jpg", exif=data)
    assert load_image(tmp_path / "a.jpg").rgb.size == ((16, 24) if rotated else (24, 16))


# Color profiles


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_the_color_profile_is_applied(form, tmp_path):
    image = Image.new("RGB", (16, 16), "red")
    (tmp_path / "a").write_bytes(encoded(image, form, icc_profile=icc(swapped=True)))
    assert_close(load_image(tmp_path / "a").rgb, Image.new("RGB", (16, 16), "blue"), 4)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_the_color_profile_is_applied_in_every_color_mode(mode):
    image = Image.new("RGB", (2, 2), "red").convert(mode)
    image.info["icc_profile"] = icc(swapped=True)
    loaded = upright_image(image)
    assert_close(loaded.rgb, Image.new("RGB", (2, 2), "blue"), 4)
    assert (loaded.alpha is not None) == (mode == "RGBA")


def test_an_srgb_profile_changes_nothing():
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
def test_a_damaged_or_unsuitable_profile_is_ignored(mode, profile):
    plain = Image.new("RGB", (2, 2), "red").convert(mode)
    tagged = plain.copy()
    tagged.info["icc_profile"] = profile
    assert_close(upright_image(tagged).rgb, upright_image(plain).rgb, 0)


@pytest.mark.parametrize("profile", [icc(swapped=True), b"nonsense"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_profile_is_not_applied_again_to_a_saved_copy(mode, profile, tmp_path):
    image = stripes().convert(mode)
    image.save(tmp_path / "a.png", icc_profile=profile)
    loaded = load_image(tmp_path / "a.png")
    save_image(loaded, tmp_path / "b.png")
    assert_close(load_image(tmp_path / "b.png").rgb, loaded.rgb, 0)
    assert "icc_profile" not in open_image(tmp_path / "b.png").info
