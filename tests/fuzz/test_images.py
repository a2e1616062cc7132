"""Image files of every format that Pillow and tifffile write, and of some more."""

import io
from itertools import count

import av
import numpy as np
import pytest
import tifffile
from hypothesis import assume, example, given
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from stylenet.image import READABLE_SUFFIXES
from stylenet.inference import StylizeOptions, stylize_file

from ..image.images import ORIENTATIONS
from ..image.test_png import png
from ..image.tiffs import ALPHA, BLACK_IS_0, CMYK, PREMULTIPLIED, RGB, WHITE_IS_0, tiff
from .conftest import fuzz_settings

pytestmark = pytest.mark.fuzz

SIDES = st.integers(1, 24)
numbers = count()


@pytest.fixture(scope="module")
def stylize(stylizer, tmp_path_factory):
    """Return a function that stylizes a file with strength 0 and returns RGBA, (H, W, 4)."""
    folder = tmp_path_factory.mktemp("fuzz")

    def stylize(data, suffix):
        source, target = folder / f"{next(numbers)}{suffix}", folder / "result.png"
        source.write_bytes(data)
        lost = stylize_file(stylizer, source, target, StylizeOptions(strength=0))
        assert lost == []
        with Image.open(target) as image:
            return np.asarray(image.convert("RGBA"))

    return stylize


def assert_same(result, expected, tolerance=1.01):
    """Compare RGBA pixels; the colors of fully transparent pixels are ignored."""
    assert result.shape == expected.shape
    difference = np.abs(result.astype(float) - expected)
    assert difference[..., 3].max() <= tolerance
    seen = expected[..., 3] > 0
    assert difference[..., :3][seen].max(initial=0) <= tolerance


def with_alpha(colors, alpha=None):
    """Return RGBA from gray or RGB and alpha, all in [0, 255]."""
    if colors.shape[-1] == 1:
        colors = colors.repeat(3, -1)
    if alpha is None:
        alpha = np.full((*colors.shape[:2], 1), 255.0)
    return np.concatenate([colors, alpha], -1)


def random_samples(seed, height, width, channels, bits):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 2**bits, (height, width, channels), dtype=np.uint16)


def decode_by_ffmpeg(data, codec):
    """Decode an image by FFmpeg to RGBA, (H, W, 4)."""
    if codec == "gif":  # its container has to be taken apart
        with av.open(io.BytesIO(data)) as container:
            frame = next(container.decode(video=0))
    else:
        decoder = av.CodecContext.create(codec, "r")
        frame, *_ = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    return frame.to_ndarray(format="rgba").astype(float)


@fuzz_settings(60)
@given(
    st.integers(0, 99),
    SIDES,
    SIDES,
    st.integers(1, 16),
    st.sampled_from([BLACK_IS_0, WHITE_IS_0, RGB, CMYK]),
    st.sampled_from([None, ALPHA, PREMULTIPLIED]),
    st.sampled_from("<>"),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, 1, 5]),
    st.sampled_from(sorted(ORIENTATIONS)),
)
@example(0, 9, 9, 10, BLACK_IS_0, None, "<", False, False, None, 1)
def test_tiff_files_of_any_layout_are_read(
    stylize,
    seed,
    height,
    width,
    bits,
    photometric,
    extra,
    order,
    separate,
    deflate,
    rows_per_strip,
    orientation,
):
    colors = {BLACK_IS_0: 1, WHITE_IS_0: 1, RGB: 3, CMYK: 4}[photometric]
    assume(extra is None or photometric in (BLACK_IS_0, RGB))
    assume(colors > 1 or not separate or extra is not None)
    samples = random_samples(seed, height, width, colors + (extra is not None), bits)
    if extra == PREMULTIPLIED:  # no color is brighter than its alpha allows
        samples[..., :-1] = np.minimum(samples[..., :-1], samples[..., -1:])
    data = tiff(
        samples, bits, photometric, order, separate, deflate, rows_per_strip, extra, orientation
    )
    levels = samples * (255 / (2**bits - 1))
    tolerance = 1.01
    if photometric == CMYK:
        image = Image.fromarray(levels.round().astype(np.uint8), "CMYK").convert("RGB")
        expected, tolerance = with_alpha(np.asarray(image, float)), 2.01
    elif extra is None:
        expected = with_alpha(255 - levels if photometric == WHITE_IS_0 else levels)
    elif extra == ALPHA:
        expected = with_alpha(levels[..., :-1], levels[..., -1:])
    else:
        alpha = levels[..., -1:]
        expected = with_alpha(levels[..., :-1] * 255 / np.maximum(alpha, 1e-9), alpha)
        # 8 bits of a premultiplied color are few where its alpha is low.
        tolerance = 1.01 + 255 / max(1.0, float(alpha[alpha > 0].min(initial=255)))
    assert_same(stylize(data, ".tif"), ORIENTATIONS[orientation](expected), tolerance)


@fuzz_settings(40)
@given(
    st.integers(0, 99),
    SIDES,
    SIDES,
    st.sampled_from(["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"]),
    st.sampled_from([1, 2, 3, 4]),
    st.sampled_from([None, "zlib"]),
    st.sampled_from([None, (16, 16), (32, 16)]),
    st.sampled_from("<>"),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_tiff_files_of_tifffile_are_read(
    stylize,
    seed,
    height,
    width,
    dtype_name,
    channels,
    compression,
    tile,
    order,
    separate,
    predictor,
    big,
):
    assume(order == "<" or not big)  # Pillow knows no BigTIFF with the highest byte first
    dtype = np.dtype(dtype_name)
    generator = np.random.default_rng(seed)
    if dtype.kind == "f":
        samples = generator.random((height, width, channels)).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        shape = (height, width, channels)
        samples = generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    options = {"photometric": "rgb" if channels > 2 else "minisblack", "metadata": None}
    if channels in (2, 4):
        options["extrasamples"] = ["unassalpha"]
    stored = samples[..., 0] if channels == 1 else samples
    if channels > 1:
        options["planarconfig"] = "separate" if separate else "contig"
        stored = np.moveaxis(samples, -1, 0) if separate else samples
    if predictor and compression and dtype.kind in "ui" and dtype.itemsize <= 2:
        options["predictor"] = 2
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        stored,
        compression=compression,
        tile=tile,
        byteorder=order,
        bigtiff=big,
        **options,
    )
    assert np.array_equal(tifffile.imread(io.BytesIO(buffer.getvalue())), stored)
    values = samples.astype(float)
    has_alpha = channels in (2, 4)
    colors = values[..., : channels - has_alpha]
    top = 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)
    low, high = 0.0, top
    if dtype.kind != "u" or (dtype.itemsize > 2 and colors.shape[-1] == 1):
        # No level is white by definition: stretched to their own range, or that of 16 bits.
        low, high = float(colors.min()), float(colors.max())
        if dtype.kind in "ui" and dtype.itemsize > 1 and low >= 0 and high <= 65535:
            low, high = 0.0, 65535.0
    levels = (colors - low) * (255 / max(high - low, 1e-12))
    alpha = (values[..., -1:] * (255 / top)).clip(0, 255) if has_alpha else None
    assert_same(stylize(buffer.getvalue(), ".tif"), with_alpha(levels, alpha))


@fuzz_settings(40)
@given(
    st.integers(0, 99),
    SIDES,
    SIDES,
    st.sampled_from([1, 2, 4, 8, 16]),
    st.sampled_from([1, 3]),
    st.booleans(),
)
def test_png_files_of_any_depth_are_read(stylize, seed, height, width, bits, channels, transparent):
    assume(channels == 1 or bits >= 8)
    samples = random_samples(seed, height, width, channels, bits)
    color = samples[height // 2, width // 2]
    chunks = [(b"tRNS", color.astype(">u2").tobytes())] if transparent else []
    data = png(samples[..., 0] if channels == 1 else samples, bits, chunks)
    result = stylize(data, ".png")
    alpha = np.where((samples == color).all(-1, keepdims=True), 0.0, 255.0)
    levels = samples * (255 / (2**bits - 1))
    assert_same(result, with_alpha(levels, alpha if transparent else None))
    if bits >= 8:
        assert_same(result, decode_by_ffmpeg(data, "png"))


# Pillow's and FFmpeg's names, Pillow's modes, options, and how far FFmpeg may be away.
WRITTEN = [
    (".png", "PNG", "png", ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), {}, 1.01),
    (".bmp", "BMP", "bmp", ("1", "L", "P", "RGB"), {}, 0),
    (".tga", "TGA", "targa", ("L", "P", "RGB", "RGBA"), {}, 0),
    (".tga", "TGA", "targa", ("L", "P", "RGB", "RGBA"), {"compression": "tga_rle"}, 0),
    (".ppm", "PPM", "ppm", ("1", "L", "RGB"), {}, 0),
    (".pcx", "PCX", "pcx", ("1", "L", "P", "RGB"), {}, 0),
    (".sgi", "SGI", "sgi", ("L", "RGB", "RGBA"), {}, 0),
    (".webp", "WEBP", "webp", ("L", "RGB", "RGBA"), {"lossless": True, "exact": True}, 0),
    (".gif", "GIF", "gif", ("1", "L", "P"), {}, 0),
    (".jp2", "JPEG2000", "jpeg2000", ("L", "RGB", "RGBA"), {}, 0),
    (".tif", "TIFF", "tiff", ("1", "L", "P", "RGB", "RGBA", "I;16"), {}, 1.01),
    (".tif", "TIFF", "tiff", ("1", "L", "P", "RGB", "RGBA"), {"compression": "tiff_lzw"}, 0),
    (".tif", "TIFF", "tiff", ("1", "L", "P", "RGB", "RGBA"), {"compression": "packbits"}, 0),
    (".tif", "TIFF", "tiff", ("1", "L", "P", "RGB"), {"compression": "tiff_adobe_deflate"}, 0),
    (".tif", "TIFF", "tiff", ("1",), {"compression": "group4"}, 0),
    (".jpg", "JPEG", "mjpeg", ("L", "RGB"), {"quality": 100, "subsampling": 0}, 6),
]


@fuzz_settings(60)
@given(
    st.integers(0, 99),
    SIDES,
    SIDES,
    st.sampled_from(
        [
            (suffix, name, codec, mode, options, tolerance)
            for suffix, name, codec, modes, options, tolerance in WRITTEN
            for mode in modes
            if suffix in READABLE_SUFFIXES
        ]
    ),
    st.sampled_from(sorted(ORIENTATIONS)),
    st.booleans(),
)
def test_files_of_pillow_are_read(stylize, seed, height, width, case, orientation, profiled):
    suffix, name, codec, mode, options, tolerance = case
    assume(codec != "sgi" or height > 1)  # FFmpeg refuses a single row
    options = dict(options)
    pixels = random_samples(seed, height, width, 4, 8).astype(np.uint8)
    if mode == "I;16":
        image = Image.fromarray(random_samples(seed, height, width, 1, 16)[..., 0])
    else:
        image = Image.fromarray(pixels, "RGBA").convert("LA" if mode == "LA" else mode)
    if mode == "RGBA" and suffix == ".tif":
        image.putalpha(255)
    turn = 1
    if name in ("PNG", "WEBP", "TIFF", "JPEG"):
        turn, exif = orientation, Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        options["exif"] = exif
        if profiled and mode in ("RGB", "RGBA"):
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
            options["icc_profile"] = profile.tobytes()
            tolerance = max(tolerance, 1.01)
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    expected = decode_by_ffmpeg(buffer.getvalue(), codec)
    # FFmpeg turns no image.
    assert expected.shape[:2] == (height, width)
    assert_same(stylize(buffer.getvalue(), suffix), ORIENTATIONS[turn](expected), tolerance)
