"""PNG files of every bit depth: transparent levels, significant bits, code points."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from stylenet.image import load_image, read_animation, upright_image

from . import images

GRAY, RGB = 0, 2


def png(values, bits, chunks=()):
    """Return a PNG file of samples (H, W) or (H, W, 3), with extra chunks before its pixels."""
    height, width = values.shape[:2]
    channels = 1 if values.ndim == 2 else 3

    rows = values.reshape(height, width * channels)
    if bits < 8:
        high_first = np.arange(bits)[::-1]
        packed = np.packbits((rows[..., np.newaxis] >> high_first & 1).reshape(height, -1), axis=1)
    else:
        packed = rows.astype(f">u{bits // 8}").view(np.uint8)
    data = b"".join(b"\0" + row.tobytes() for row in packed)
    color_type = GRAY if channels == 1 else RGB
    return images.png(width, height, bits, color_type, data, chunks)


def samples(bits, channels=()):
    generator = np.random.default_rng(bits)
    return generator.integers(0, 2**bits, (6, 40, *channels), dtype=np.uint16)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_gray_level_becomes_alpha(bits, tmp_path):
    values = samples(bits)
    for level in {0, int(values[0, 0]), 2**bits - 1}:
        file = png(values, bits, [(b"tRNS", struct.pack(">H", level))])
        (tmp_path / "a.png").write_bytes(file)
        expected = np.where(values == level, 0, 255)
        with Image.open(tmp_path / "a.png") as lazy:
            images = [load_image(tmp_path / "a.png"), upright_image(lazy)]
        for loaded in images:
            assert np.array_equal(np.asarray(loaded.alpha), expected)
            gray = (values * (255 / (2**bits - 1))).round()
            assert np.array_equal(np.asarray(loaded.rgb), gray[..., np.newaxis].repeat(3, -1))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_transparent_color_becomes_alpha(bits, tmp_path):
    values = samples(bits, (3,))
    color = values[2, 3]
    values[2, 4] = color ^ 1  # differs only in the lowest bits
    (tmp_path / "a.png").write_bytes(png(values, bits, [(b"tRNS", struct.pack(">3H", *color))]))
    loaded = load_image(tmp_path / "a.png")
    expected = np.full(values.shape[:2], 255)
    expected[2, 3] = 0
    assert np.array_equal(np.asarray(loaded.alpha), expected)
    assert np.array_equal(np.asarray(loaded.rgb), values >> (bits - 8))


@pytest.mark.parametrize("bits", [2, 4])
def test_a_transparent_level_is_kept_in_an_animation(bits, tmp_path):
    level = 2**bits - 1
    values = np.zeros((4, 8), dtype=np.uint16)
    values[:, 4:] = level
    packed = png(values, bits, [(b"tRNS", struct.pack(">H", level))])
    control = (b"acTL", struct.pack(">II", 2, 0))
    frame = struct.pack(">5I2H2B", 0, 8, 4, 0, 0, 1, 10, 0, 0)
    second = struct.pack(">5I2H2B", 1, 8, 4, 0, 0, 1, 10, 0, 0)
    start = packed.index(b"IDAT") - 4
    (length,) = struct.unpack_from(">I", packed, start)
    data = packed[start + 8 : start + 8 + length]

    def chunk(name, body):
        body = name + body
        return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

    (tmp_path / "a.png").write_bytes(
        packed[:start]
        + chunk(*control)
        + chunk(b"fcTL", frame)
        + chunk(b"IDAT", data)
        + chunk(b"fcTL", second)
        + chunk(b"fdAT", struct.pack(">I", 2) + data)
        + chunk(b"IEND", b"")
    )
    frames = list(read_animation(tmp_path / "a.png"))
    assert len(frames) == 2
    for one in frames:
        assert np.array_equal(np.asarray(one.image.alpha), np.where(values == level, 0, 255))


@pytest.mark.parametrize("significant", [10, 12, 14])
def test_significant_bits_do_not_scale_the_samples(significant, tmp_path):
    """Fill all 16 bits however many are significant (PNG specification, 13.12)."""
    levels = np.linspace(0, 2**significant - 1, 240).round().astype(np.uint16).reshape(6, 40)
    values = levels << (16 - significant) | levels >> (2 * significant - 16)
    (tmp_path / "a.png").write_bytes(png(values, 16, [(b"sBIT", bytes([significant]))]))
    gray = np.asarray(load_image(tmp_path / "a.png").rgb)[..., 0]
    assert np.abs(gray - levels * (255 / (2**significant - 1))).max() <= 0.51


# Code points


def with_code_points(values, bits, primaries, transfer, full_range=1):
    return png(values, bits, [(b"cICP", bytes([primaries, transfer, 0, full_range]))])


@pytest.mark.parametrize("bits", [8, 16])
def test_an_hdr_png_is_mapped_to_sdr(bits, tmp_path):
    """Map 75 % of HLG, the reference white (BT.2408), to 229 of 255 with the tone curve."""
    white = 2**bits - 1
    values = np.tile(np.array([0, round(white * 0.75), white], np.uint16), (2, 1))
    for pixels in (values, values[..., np.newaxis].repeat(3, -1)):
        (tmp_path / "a.png").write_bytes(with_code_points(pixels, bits, 9, 18))
        row = np.asarray(load_image(tmp_path / "a.png").rgb)[0]
        assert np.abs(row - [[0], [229], [255]]).max() <= 1


def test_wide_colors_of_a_png_are_converted(tmp_path):
    pixel = np.array([[[128, 128, 51]]], np.uint16)
    (tmp_path / "a.png").write_bytes(with_code_points(pixel, 8, 12, 13))  # Display P3
    result = np.asarray(load_image(tmp_path / "a.png").rgb)[0, 0]
    assert result == pytest.approx([129, 128, 33], abs=1)


@pytest.mark.parametrize("bits", [8, 16])
def test_the_narrow_range_of_a_png_is_expanded(bits, tmp_path):
    values = np.array([[0, 16, 235, 255]], np.uint16) << (bits - 8)
    (tmp_path / "a.png").write_bytes(with_code_points(values, bits, 1, 1, full_range=0))
    assert list(np.asarray(load_image(tmp_path / "a.png").rgb)[0, :, 0]) == [0, 0, 255, 255]


def test_srgb_code_points_change_nothing(tmp_path):
    values = samples(8, (3,))
    (tmp_path / "a.png").write_bytes(with_code_points(values, 8, 1, 13))
    assert np.array_equal(np.asarray(load_image(tmp_path / "a.png").rgb), values)
