"""Code points of AVIF and HEIF files."""

import io
import struct
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from stylenet.errors import StyleNetError
from stylenet.image import load_image, read_animation
from stylenet.image.cicp import to_srgb

P3, BT2020 = 12, 9
SRGB, PQ, HLG = 13, 16, 18

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")


def colors():
    """Return patches of 16 pixels, large enough for AVIF to keep their colors."""
    patches = [(200, 60, 50), (60, 180, 80), (70, 80, 190), (150, 150, 150), (190, 190, 190)]
    row = np.repeat(np.array(patches, dtype=np.uint8), 16, axis=0)
    return np.broadcast_to(row, (16, *row.shape)).copy()


def avif(primaries, transfer, **options):
    """Return an AVIF file with replaced code points."""
    buffer = io.BytesIO()
    image = Image.fromarray(colors())
    image.save(buffer, "AVIF", quality=100, subsampling="4:4:4", **options)
    before, *rest = buffer.getvalue().split(b"colrnclx")
    assert rest
    tags = struct.pack(">HH", primaries, transfer)
    return before + b"".join(b"colrnclx" + tags + part[4:] for part in rest)


def expected(primaries, transfer):
    return to_srgb(colors().astype(np.float32) / 255, primaries, transfer) * 255


@needs_avif
@pytest.mark.parametrize(("primaries", "transfer"), [(P3, SRGB), (BT2020, PQ), (BT2020, HLG)])
def test_an_avif_is_converted_by_its_code_points(primaries, transfer, tmp_path):
    (tmp_path / "a.avif").write_bytes(avif(primaries, transfer))
    result = np.asarray(load_image(tmp_path / "a.avif").rgb)
    assert np.abs(result - expected(primaries, transfer)).mean() <= 2
    assert np.abs(colors() - expected(primaries, transfer)).mean() > 6


@needs_avif
def test_an_avif_sequence_is_converted_by_its_code_points(tmp_path):
    more = [Image.fromarray(255 - colors())]
    (tmp_path / "a.avif").write_bytes(avif(BT2020, PQ, save_all=True, append_images=more))
    first = next(iter(read_animation(tmp_path / "a.avif"))).image
    assert np.abs(np.asarray(first.rgb) - expected(BT2020, PQ)).mean() <= 2


@needs_avif
def test_the_color_profile_of_an_avif_takes_precedence(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tmp_path / "a.avif").write_bytes(avif(P3, SRGB, icc_profile=profile))
    result = np.asarray(load_image(tmp_path / "a.avif").rgb)
    assert np.abs(result.astype(int) - colors()).mean() <= 2


@needs_avif
@pytest.mark.parametrize("part", [b"pitm", b"ipco", b"ipma", b"colr"])
def test_an_image_with_damaged_code_points_is_still_read(part, tmp_path):
    data = bytearray(avif(P3, SRGB))
    at = data.index(part)
    data[at : at + 4] = b"free"
    (tmp_path / "a.avif").write_bytes(data)
    with suppress(StyleNetError):
        load_image(tmp_path / "a.avif")


@needs_avif
def test_a_gain_map_is_named(tmp_path):
    data = avif(P3, SRGB)
    # This is the version of the first brand: as a brand, libavif would look for the map.
    (tmp_path / "a.avif").write_bytes(data[:12] + b"tmap" + data[16:])
    assert load_image(tmp_path / "a.avif").left_out == ("HDR gain map",)
    (tmp_path / "a.avif").write_bytes(data)
    assert load_image(tmp_path / "a.avif").left_out == ()


def test_a_heic_is_converted_by_its_code_points(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.fromarray(colors())).save(
        tmp_path / "a.heic",
        quality=-1,
        chroma=444,
        color_primaries=P3,
        transfer_characteristics=SRGB,
    )
    result = np.asarray(load_image(tmp_path / "a.heic").rgb)
    assert np.abs(result - expected(P3, SRGB)).mean() <= 2
