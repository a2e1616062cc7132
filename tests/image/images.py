"""Images and files for the tests of stylenet.image."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from stylenet.errors import StyleNetError
from stylenet.image import (
    SUFFIXES,
    load_image,
)

COLORS = [(200, 30, 40), (20, 180, 60), (10, 40, 220), (128, 128, 128), (0, 0, 0), (255,) * 3]
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF", "bmp": "BMP"}
if ".avif" in SUFFIXES:
    FORMATS["avif"] = "AVIF"
LOSSLESS = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
ORIENTATIONS = {  # EXIF orientation: the operation that turns stored pixels upright
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
    """Return columns in all COLORS, 16 px wide each so that JPEG keeps them."""
    row = np.repeat(np.array(COLORS, dtype=np.uint8), 16, axis=0)
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
    """Return sRGB's profile, or one with red and blue swapped."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # Without its time of creation, bytes 24 to 35: the names of tests hold the profile, and workers
    # that collect a second apart must find the same tests.
    profile = profile[:24] + bytes(12) + profile[36:]
    if swapped:
        parts = profile.split(b"rXYZ")
        profile = b"bXYZ".join(part.replace(b"bXYZ", b"rXYZ") for part in parts)
    return profile


def png(width, height, bits, color_type, data, chunks=()):
    """Return a PNG file of a type that Pillow does not write, with extra chunks before its data."""

    def chunk(name, body):
        body = name + body
        return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, body) for name, body in parts)


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
