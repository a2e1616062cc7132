"""TIFF files of every bit depth and layout, and with several pages."""

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from stylenet.errors import StyleNetError
from stylenet.image import LoadedImage, find_pages, load_image, save_pages, upright_image

from .tiffs import ALPHA, CMYK, PREMULTIPLIED, WHITE_IS_0, tiff


def ramp(bits, channels=1):
    """Return all levels from black to white, in another order for each channel."""
    levels = np.linspace(0, 2**bits - 1, 6 * 41).round().astype(np.uint16)
    return np.stack([np.roll(levels, 50 * i).reshape(6, 41) for i in range(channels)], -1)


def in_8_bits(samples, bits):
    return samples * (255 / (2**bits - 1))


def read(tmp_path, file):
    (tmp_path / "a.tif").write_bytes(file)
    return load_image(tmp_path / "a.tif")


def assert_near(image, expected, tolerance=0.51):
    assert np.abs(np.asarray(image, float) - expected).max() <= tolerance


@pytest.mark.parametrize("bits", [2, 4, 6, 8, 10, 11, 12, 14, 15, 16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [WHITE_IS_0, None])
def test_gray_of_every_depth_is_scaled_by_its_bits(bits, order, photometric, tmp_path):
    samples = ramp(bits)
    loaded = read(tmp_path, tiff(samples, bits, photometric, order))
    expected = in_8_bits(samples, bits).repeat(3, -1)
    assert_near(loaded.rgb, 255 - expected if photometric == WHITE_IS_0 else expected)
    assert loaded.alpha is None


def test_an_opened_12_bit_image_is_scaled_too(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(ramp(12), 12))
    with Image.open(tmp_path / "a.tif") as image:
        assert upright_image(image).rgb.getextrema() == ((0, 255),) * 3


@pytest.mark.parametrize("bits", [4, 8, 10, 12, 14, 16])
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("deflate", [False, True])
def test_colors_of_every_depth_and_layout_are_read(bits, separate, deflate, tmp_path):
    samples = ramp(bits, 3)
    for rows_per_strip in (None, 4):
        layout = {"separate": separate, "deflate": deflate, "rows_per_strip": rows_per_strip}
        loaded = read(tmp_path, tiff(samples, bits, **layout))
        assert_near(loaded.rgb, in_8_bits(samples, bits), 1)  # Pillow truncates 16 bits to 8


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_of_10_and_12_bits_is_read(bits, channels, tmp_path):
    samples = ramp(bits, channels)
    loaded = read(tmp_path, tiff(samples, bits, extra=ALPHA))
    assert_near(loaded.alpha, in_8_bits(samples, bits)[..., -1])
    colors = in_8_bits(samples, bits)[..., :-1]
    assert_near(loaded.rgb, colors if channels == 4 else colors.repeat(3, -1))
    samples[..., -1] = 2 ** (bits - 1)
    samples[..., :-1] //= 4
    loaded = read(tmp_path, tiff(samples, bits, extra=PREMULTIPLIED))
    colors = in_8_bits(samples, bits)[..., :-1] * 2
    assert_near(loaded.rgb, colors if channels == 4 else colors.repeat(3, -1), 2)


def test_cmyk_of_12_bits_is_read(tmp_path):
    samples = ramp(12, 4)
    expected = Image.fromarray(in_8_bits(samples, 12).round().astype(np.uint8), "CMYK")
    loaded = read(tmp_path, tiff(samples, 12, CMYK))
    assert_near(loaded.rgb, np.asarray(expected.convert("RGB"), float))


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_orientation_of_12_bit_images_is_applied(orientation, tmp_path):
    samples = ramp(12, 3)
    loaded = read(tmp_path, tiff(samples, 12, orientation=orientation))
    turns = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
    assert_near(loaded.rgb, np.rot90(in_8_bits(samples, 12), turns))


@pytest.mark.parametrize("photometric", [4, 8, 32803])
def test_an_unsupported_color_space_is_named(photometric, tmp_path):
    with pytest.raises(StyleNetError, match=r"is a TIFF with 3 samples of 12 bits") as error:
        read(tmp_path, tiff(ramp(12, 3), 12, photometric))
    assert "save it with 8 or 16 bits" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_truncated_12_bit_file_ends_in_one_clear_line(tmp_path):
    file = tiff(ramp(12, 3), 12)
    for length in (9, 100, len(file) - 200):
        with pytest.raises(StyleNetError) as error:
            read(tmp_path, file[:length])
        assert "\n" not in str(error.value)


# Pages


def pages():
    return [
        Image.new("RGB", (20, 10), "red"),
        Image.new("L", (7, 30), 128),
        Image.new("RGBA", (9, 9), (0, 0, 255, 100)),
    ]


def store_pages(path):
    first, *rest = pages()
    first.save(path, save_all=True, append_images=rest)
    return path


def test_pages_are_found_and_kept(tmp_path):
    pages_found = find_pages(store_pages(tmp_path / "a.tif"))
    assert (len(pages_found), pages_found.left_out) == (3, 0)
    save_pages(iter(pages_found), tmp_path / "b.tiff")
    for kept in (pages_found, find_pages(tmp_path / "b.tiff")):
        for loaded, page in zip(kept, pages(), strict=True):
            assert np.array_equal(loaded.rgb, page.convert("RGB"))
            assert (loaded.alpha is not None) == (page.mode == "RGBA")
    assert {path.name for path in tmp_path.iterdir()} == {"a.tif", "b.tiff"}


def test_other_files_have_one_page(tmp_path):
    pages()[0].save(tmp_path / "a.png")
    assert len(find_pages(tmp_path / "a.png")) == 1


def test_thumbnails_are_not_pages(tmp_path):
    with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / "a.tif")) as file:
        for image, subfile in zip(pages(), (1, 0, 4), strict=True):
            image.save(file, "TIFF", tiffinfo={254: subfile})
            file.newFrame()
    pages_found = find_pages(tmp_path / "a.tif")
    assert (pages_found.indices, pages_found.left_out) == ((1,), 2)
    assert load_image(tmp_path / "a.tif").rgb.size == (7, 30)


def test_a_file_with_only_a_preview_is_refused(tmp_path):
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[254], info[330] = 1, 8
    pages()[0].save(tmp_path / "a.nef", "TIFF", tiffinfo=info)
    with pytest.raises(StyleNetError, match=r"a\.nef holds a preview and a photo that cannot"):
        load_image(tmp_path / "a.nef")


def test_a_failing_page_leaves_no_file(tmp_path):
    def failing():
        yield LoadedImage(pages()[0])
        raise StyleNetError("no more")

    with pytest.raises(StyleNetError, match="no more"):
        save_pages(failing(), tmp_path / "a.tif")
    with pytest.raises(StyleNetError, match=r"expected one of \.tif, \.tiff"):
        save_pages([LoadedImage(pages()[0])], tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
