"""All supported formats: what they keep and which errors they report."""

import importlib.util
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from stylenet.errors import StyleNetError
from stylenet.image import (
    READABLE_SUFFIXES,
    SUFFIXES,
    UNREAD_SUFFIXES,
    WRITABLE_SUFFIXES,
    LoadedImage,
    check_writable_suffix,
    load_image,
    open_image,
    save_image,
    to_image,
    to_tensor,
)

LOSSLESS = {".png", ".bmp", ".tif", ".tiff"}
WITH_ALPHA = WRITABLE_SUFFIXES - {".jpg", ".jpeg", ".jpe", ".jfif", ".bmp"}
HEIC = importlib.util.find_spec("pillow_heif") is not None
# Thresholds that separate a JPEG or AVIF file of `gradient` from a wrong one.
CLOSE = 12


def gradient(width, height):
    y, x = np.mgrid[:height, :width].astype(float)
    channels = [255 * x / max(1, width - 1), 255 * y / max(1, height - 1), np.full_like(x, 90)]
    return Image.fromarray(np.stack(channels, -1).round().astype(np.uint8))


def mean_difference(image, expected):
    return np.abs(np.asarray(image, int) - np.asarray(expected, int)).mean()


# Sizes and modes


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from(sorted(WRITABLE_SUFFIXES)),
    st.booleans(),
)
def test_every_format_keeps_size_and_transparency(tmp_path_factory, width, height, suffix, alpha):
    path = tmp_path_factory.getbasetemp() / f"round_trip{suffix}"
    rgb = gradient(width, height)
    mask = Image.fromarray(np.where(np.asarray(rgb)[..., 0] > 127, 255, 0).astype(np.uint8))
    save_image(LoadedImage(rgb, mask if alpha else None), path)
    loaded = load_image(path)
    assert loaded.rgb.mode == "RGB"
    assert loaded.rgb.size == (width, height)
    assert (loaded.alpha is not None) == (alpha and suffix in WITH_ALPHA)
    if alpha and suffix not in WITH_ALPHA:
        rgb = Image.composite(rgb, Image.new("RGB", rgb.size, "white"), mask)
    if loaded.alpha is not None and suffix not in (".heic", ".heif", ".hif"):
        assert mean_difference(loaded.alpha, mask) <= (2 if suffix == ".avif" else 0)
    elif suffix in LOSSLESS:
        assert mean_difference(loaded.rgb, rgb) == 0
    elif min(width, height) >= 16 and not (alpha and suffix not in WITH_ALPHA):
        # WebP merges two pixels of opposite colors into one color.
        assert mean_difference(loaded.rgb, rgb) <= CLOSE


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"]),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([".png", ".tif"]),
)
def test_every_mode_of_a_file_is_read(tmp_path_factory, mode, width, height, suffix):
    path = tmp_path_factory.getbasetemp() / f"mode{suffix}"
    image = gradient(width, height)
    if mode == "I;16":
        gray = np.asarray(image.convert("L")).astype(np.uint16) * 257
        image, expected = Image.fromarray(gray), image.convert("L").convert("RGB")
    else:
        image = image.convert(mode)
        expected = image.convert("RGB")
    if mode == "CMYK" and suffix == ".png":
        return
    image.save(path)
    loaded = load_image(path)
    assert loaded.rgb.size == (width, height)
    assert mean_difference(loaded.rgb, expected) <= 1
    assert (loaded.alpha is not None) == (mode in ("LA", "RGBA"))


def test_the_supported_formats_are_those_of_the_installed_pillow():
    assert {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"} <= SUFFIXES
    assert (".avif" in SUFFIXES) == bool(features.check("avif"))
    assert (".heic" in SUFFIXES) == HEIC
    assert {".jfif", ".jpe"} <= SUFFIXES < WRITABLE_SUFFIXES < READABLE_SUFFIXES
    assert {".jp2", ".mpo", ".tga"} <= READABLE_SUFFIXES
    assert {".heic", ".cr2", ".svg", ".jxl"} <= UNREAD_SUFFIXES | READABLE_SUFFIXES
    assert not UNREAD_SUFFIXES & READABLE_SUFFIXES
    assert {".gif"} == WRITABLE_SUFFIXES - SUFFIXES


def test_a_gif_keeps_shapes_and_colors(tmp_path):
    mask = Image.new("L", (60, 40))
    mask.paste(255, (10, 10, 50, 30))
    save_image(LoadedImage(gradient(60, 40), mask), tmp_path / "a.gif")
    loaded = load_image(tmp_path / "a.gif")
    assert mean_difference(loaded.alpha, mask) == 0
    inside = (10, 10, 50, 30)
    assert mean_difference(loaded.rgb.crop(inside), gradient(60, 40).crop(inside)) < CLOSE


# Rare types


@pytest.mark.parametrize(
    ("bits", "compression", "masks"),
    [
        (2, 0, b""),  # four colors, from Windows CE
        (16, 3, struct.pack("<III", 0xF00, 0xF0, 0xF)),  # four bits per channel
        (32, 3, struct.pack("<III", 0xFF << 20, 0xFF << 10, 0xFF)),
    ],
)
def test_a_rare_bmp_is_not_reported_as_damaged(bits, compression, masks, tmp_path):
    width, height = 8, 4
    pixels = bytes(width * height * bits // 8)
    start = 14 + 40 + len(masks)
    file = b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start)
    file += struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    (tmp_path / "a.bmp").write_bytes(file + masks + pixels)
    with pytest.raises(StyleNetError, match=r"a\.bmp is an image that Pillow cannot read") as error:
        load_image(tmp_path / "a.bmp")
    assert "damaged" not in str(error.value)
    assert str(error.value).endswith("; save it as .png")


# Missing codecs


@pytest.mark.skipif(HEIC, reason="pillow-heif is installed")
def test_a_missing_heic_codec_names_the_package_to_install(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64)
    with pytest.raises(StyleNetError, match=r"a\.heic is a HEIC .*: pip install pillow-heif$"):
        load_image(tmp_path / "a.heic")
    with pytest.raises(StyleNetError, match=r"b\.heic: \.heic needs pip install pillow-heif$"):
        check_writable_suffix(tmp_path / "b.heic")


# Quality


@pytest.mark.parametrize("suffix", sorted(SUFFIXES & {".jpg", ".webp", ".avif", ".heic"}))
def test_lower_quality_gives_smaller_files_and_larger_errors(suffix, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    rgb = Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC)
    sizes, errors = [], []
    for quality in (20, 60, None, 100):
        save_image(LoadedImage(rgb), tmp_path / f"a{suffix}", quality)
        sizes.append((tmp_path / f"a{suffix}").stat().st_size)
        errors.append(mean_difference(load_image(tmp_path / f"a{suffix}").rgb, rgb))
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 3


def test_fine_colored_lines_survive_in_a_jpeg(tmp_path):
    lines = np.zeros((64, 64, 3), dtype=np.uint8)
    lines[:, ::2, 0], lines[:, 1::2, 2] = 220, 220
    save_image(LoadedImage(Image.fromarray(lines)), tmp_path / "a.jpg")
    assert mean_difference(load_image(tmp_path / "a.jpg").rgb, lines) < 5


# Limits


@pytest.mark.parametrize(("height", "words"), [(30_000, "damaged"), (30_001, "more than 900 meg")])
def test_sides_up_to_30000_pixels_are_allowed(height, words, tmp_path):
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, height, 1, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT")
    with pytest.raises(StyleNetError, match=words):
        open_image(tmp_path / "a.png")


def test_an_impossibly_long_side_is_refused_at_once(tmp_path):
    Image.new("RGB", (2**20 + 1, 1)).save(tmp_path / "a.png")
    with pytest.raises(StyleNetError, match=r"1048577x1 pixels, but a side has at most 1,048,576"):
        open_image(tmp_path / "a.png")


@pytest.mark.parametrize(("suffix", "limit"), [("jpg", 65_500), ("webp", 16_383), ("gif", 65_535)])
def test_the_longest_side_of_a_format_works_and_a_longer_one_is_refused(suffix, limit, tmp_path):
    path = tmp_path / f"a.{suffix}"
    save_image(LoadedImage(Image.new("RGB", (limit, 1))), path)
    assert load_image(path).rgb.size == (limit, 1)
    with pytest.raises(StyleNetError, match=rf"{limit + 1}x1 pixels, .* at most {limit:,} a side"):
        save_image(LoadedImage(Image.new("RGB", (limit + 1, 1))), path)


class Huge(LoadedImage):
    """Image that claims to be larger than any test could hold."""

    class _Image:
        size = (50_000, 40_000)

    rgb = _Image()

    def __init__(self):
        pass


def test_a_tiff_beyond_4_gib_is_refused(tmp_path):
    with pytest.raises(StyleNetError, match=r"5\.6 GiB, but a TIFF file holds at most 4"):
        save_image(Huge(), tmp_path / "a.tif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", sorted(WRITABLE_SUFFIXES))
def test_a_full_disk_ends_in_one_clear_line_and_leaves_no_file(suffix, tmp_path):
    resource = pytest.importorskip("resource")
    old = LoadedImage(Image.new("RGB", (2, 2), "red"))
    save_image(old, tmp_path / f"a{suffix}")
    before = (tmp_path / f"a{suffix}").read_bytes()
    pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(StyleNetError, match=f"^cannot write .*a{suffix}: ") as error:
            save_image(LoadedImage(Image.fromarray(pixels)), tmp_path / f"a{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(error.value)
    assert "too large" in str(error.value)  # the system's message for this limit
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]
    assert (tmp_path / f"a{suffix}").read_bytes() == before


# Tensors


@pytest.mark.parametrize("size", [(1, 1), (3000, 700), (1, 3000), (2_500_000, 1)])
def test_bands_join_without_a_seam(size):
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    tensor = to_tensor(image)
    expected = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    assert torch.equal(tensor, expected)
    assert np.array_equal(np.asarray(to_image(tensor)), pixels)


# Threads


def test_warnings_are_shown_again_after_reading_in_threads(tmp_path):
    gradient(40, 30).save(tmp_path / "a.png")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(load_image, [tmp_path / "a.png"] * 40))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        load_image(tmp_path / "a.png")
        warnings.warn("hear me", UserWarning, stacklevel=1)
    assert [str(warning.message) for warning in heard] == ["hear me"]
