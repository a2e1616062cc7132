from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.errors import StyleNetError
from stylenet.image import LoadedImage
from stylenet.inference import StylizeOptions, Stylizer
from stylenet.networks import StyleNetwork, build_network

INFO = CheckpointInfo("test", 1)


@pytest.fixture(scope="module")
def stylizer():
    torch.manual_seed(0)
    return Stylizer(build_network("johnson", width=4, blocks=1), INFO, "cpu", "float32")


def image(mode, width=13, height=9, seed=0):
    bands = len(Image.new(mode, (1, 1)).getbands())
    shape = (height, width, bands) if bands > 1 else (height, width)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    if mode == "P":
        return Image.fromarray(pixels).convert("RGB").quantize(8)
    return Image.frombytes(mode, (width, height), pixels.tobytes())


def assert_same_image(result, expected):
    assert (result.mode, result.size) == (expected.mode, expected.size)
    assert np.array_equal(np.asarray(result), np.asarray(expected))


def test_an_image_gives_the_result_of_its_tensor(stylizer):
    photo = image("RGB")
    pixels = torch.from_numpy(np.asarray(photo).transpose(2, 0, 1)[None] / np.float32(255))
    with torch.no_grad():
        expected = stylizer.network(pixels)[0].permute(1, 2, 0).numpy() * 255
    result = np.asarray(stylizer(photo), dtype=np.float64)
    assert np.abs(result - expected).max() < 0.51
    assert result.std() > 10


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "YCbCr"])
def test_an_image_of_any_mode_is_stylized_as_its_rgb(stylizer, mode):
    photo = image(mode) if mode != "1" else image("L").convert("1")
    assert_same_image(stylizer(photo), stylizer(photo.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_kept_exactly(stylizer, mode):
    photo = image(mode)
    result = stylizer(photo)
    assert result.mode == "RGBA"
    assert_same_image(result.getchannel("A"), photo.getchannel("A"))
    opaque = Image.merge(mode[:-1], photo.split()[:-1])
    assert_same_image(result.convert("RGB"), stylizer(opaque))


def test_the_transparent_color_of_a_palette_is_kept(stylizer):
    photo = image("P")
    photo.info["transparency"] = 3
    alpha = np.where(np.asarray(photo) == 3, 0, 255)
    assert 0 < (alpha == 0).mean() < 1
    assert np.array_equal(np.asarray(stylizer(photo).getchannel("A")), alpha)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_270),
        (8, Image.Transpose.ROTATE_90),
    ],
)
def test_a_sideways_photo_comes_out_upright(stylizer, orientation, turn):
    photo = image("RGB")
    photo.getexif()[0x0112] = orientation
    result = stylizer(photo)
    assert_same_image(result, stylizer(image("RGB").transpose(turn)))
    assert result.getexif().get(0x0112, 1) == 1


def test_the_argument_is_not_changed(stylizer):
    photo = image("RGBA")
    before = photo.copy()
    stylizer(photo)
    assert_same_image(photo, before)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (31, 33), (64, 2)])
def test_the_size_stays_the_same(stylizer, size):
    assert stylizer(image("RGB", *size)).size == size
    images = torch.rand(2, 3, *size)
    assert stylizer.stylize_tensor(images).shape == images.shape


def test_images_of_a_batch_do_not_affect_each_other(stylizer):
    images = torch.rand(3, 3, 10, 14, generator=torch.Generator().manual_seed(0))
    result = stylizer.stylize_tensor(images)
    alone = torch.cat([stylizer.stylize_tensor(image) for image in images.split(1)])
    torch.testing.assert_close(result, alone, rtol=0, atol=1e-5)
    assert (result.min() >= 0, result.max() <= 1, result.requires_grad) == (True, True, False)


def test_a_loaded_checkpoint_stylizes_like_the_saved_network(stylizer, tmp_path):
    save_checkpoint(tmp_path / "run" / "test.safetensors", stylizer.network, INFO)
    loaded = Stylizer.load(tmp_path / "run", device="cpu", precision="float32")
    assert loaded.info == INFO
    assert loaded.device == torch.device("cpu")
    assert_same_image(loaded(image("RGB")), stylizer(image("RGB")))


def test_a_network_is_put_into_evaluation_mode():
    network = build_network("johnson", width=2, blocks=0, norm="batch").train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    Stylizer(network, INFO, "cpu")(image("RGB"))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "gpu", ""])
def test_an_unknown_device_lists_the_available_ones(name):
    with pytest.raises(
        StyleNetError, match=rf"^device={name} is not available. .*\bcpu, or device=auto"
    ):
        Stylizer(build_network("johnson", width=1, blocks=0), INFO, name)


def test_auto_chooses_an_available_device():
    stylizer = Stylizer(build_network("johnson", width=1, blocks=0), INFO)
    assert stylizer.stylize_tensor(torch.rand(1, 3, 4, 4)).device.type == stylizer.device.type
    expected = (
        "cuda"
        if torch.cuda.is_available()
        else "mps"
        if torch.backends.mps.is_available()
        else "cpu"
    )
    assert stylizer.device.type == expected


class Failing(StyleNetwork):
    def __init__(self, fail):
        super().__init__()
        self.fail = fail

    def forward(self, images):
        return self.fail()


def raising(error):
    def fail():
        raise error

    return fail


@pytest.mark.parametrize(
    "fail",
    [
        lambda: torch.empty(2**50),  # what PyTorch really says on the CPU
        raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")),
        raising(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)")),
    ],
    ids=["cpu", "cuda", "mps"],
)
def test_running_out_of_memory_reports_the_image_size(fail):
    stylizer = Stylizer(Failing(fail), INFO, "cpu")
    with pytest.raises(StyleNetError, match="13x9 pixels need more memory than cpu has"):
        stylizer(image("RGB"))


def test_other_errors_are_not_hidden():
    stylizer = Stylizer(Failing(raising(RuntimeError("a fault of the program"))), INFO, "cpu")
    with pytest.raises(RuntimeError, match="a fault of the program"):
        stylizer(image("RGB"))


def array(*shape, dtype=np.uint8, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return pixels if dtype == np.uint8 else (pixels / 255).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(9, 13), (9, 13, 3), (9, 13, 4), (2, 9, 13, 3), (0, 9, 13, 3)])
def test_an_array_keeps_its_shape_and_type(stylizer, shape, dtype):
    given = array(*shape, dtype=dtype)
    before = given.copy()
    result = stylizer(given)
    assert (result.shape, result.dtype) == (given.shape, given.dtype)
    assert np.array_equal(given, before)
    scale = 1 if dtype == np.uint8 else 255
    if len(shape) == 3:
        expected = np.asarray(stylizer(Image.fromarray(array(*shape)[..., :3])), dtype=float)
        assert np.abs(result[..., :3] * float(scale) - expected).max() <= 1
        assert np.array_equal(result[..., 3:], given[..., 3:])
    elif len(shape) == 2:
        expected = np.asarray(stylizer(Image.fromarray(array(*shape))).convert("L"), dtype=float)
        assert np.abs(result * float(scale) - expected).max() <= 1.5


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3, 9, 13), (2, 3, 9, 13), (0, 3, 9, 13)])
def test_a_tensor_keeps_its_shape_type_and_device(stylizer, shape, dtype):
    images = torch.from_numpy(array(*shape))
    given = images if dtype == torch.uint8 else (images / 255).to(dtype)
    result = stylizer(given)
    assert (result.shape, result.dtype, result.device) == (given.shape, dtype, given.device)
    if len(given):
        batch = (images / 255).view(-1, *shape[-3:])
        expected = stylizer.stylize_tensor(batch).view(shape)
        scale = 255 if dtype == torch.uint8 else 1
        assert float((result.double() / scale - expected).abs().max()) < 0.003
    if dtype.is_floating_point:  # and what comes back may go on into a training
        (result * torch.ones((), dtype=dtype, requires_grad=True)).sum().backward()


def test_a_mixed_list_keeps_its_order_and_types(stylizer):
    given = [image("RGB"), array(9, 13, 3), image("RGBA", 7, 5), torch.rand(3, 6, 6), image("RGB")]
    results = stylizer(tuple(given), strength=0.5)
    assert [type(result) for result in results] == [type(image) for image in given]
    for result, single in zip(results, given, strict=True):
        alone = np.asarray(stylizer(single, strength=0.5), dtype=float)
        assert np.abs(np.asarray(result, dtype=float) - alone).max() <= 1
    assert stylizer([]) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (array(4, 4, 2), r"shape \(4, 4, 2\); expected a PIL image"),
        (array(4), r"shape \(4,\)"),
        (array(2, 4, 4, 4), r"shape \(2, 4, 4, 4\)"),
        (array(0, 4, 3), r"at least one pixel"),
        (array(4, 4).astype(np.int64), "array of int64, expected uint8 or floats"),
        (array(4, 4).astype(np.float32), r"floats from .* expected \[0, 1\]; divide by 255"),
        (np.full((4, 4), np.nan), "floats from nan"),
        (torch.rand(4, 4), r"tensor of shape \(4, 4\)"),
        (torch.rand(4, 4, 3), r"tensor of shape \(4, 4, 3\)"),
        (torch.ones(3, 4, 4, dtype=torch.int32), "tensor of torch.int32"),
        (torch.ones(3, 4, 4) * 2, "floats from 2 to 2"),
        ("photo.jpg", "got a str; expected a PIL image"),
        ([None], "got a NoneType"),
    ],
)
def test_an_invalid_argument_is_refused_in_one_line(stylizer, given, message):
    with pytest.raises(StyleNetError, match=message) as error:
        stylizer(given)
    assert "\n" not in str(error.value)


def test_an_unknown_option_lists_the_known_ones(stylizer):
    with pytest.raises(StyleNetError, match=r"unknown option color; .* size, strength, preserve"):
        stylizer(image("RGB"), color=True)


@pytest.mark.parametrize("strength", [0, 0.3, 1])
def test_strength_mixes_with_the_content_image(stylizer, strength):
    photo = image("RGB")
    old, new = np.asarray(photo, dtype=float), np.asarray(stylizer(photo), dtype=float)
    mixed = np.asarray(stylizer(photo, strength=strength), dtype=float)
    assert np.abs(mixed - (old + (new - old) * strength)).max() <= (0.51 if strength % 1 else 0)


def test_a_mask_limits_stylization(stylizer):
    content = LoadedImage(image("RGB"), image("L", seed=1))
    mask = image("L", seed=2)
    old = np.asarray(content.rgb, dtype=float)
    new = np.asarray(stylizer.stylize(content).rgb, dtype=float)
    result = stylizer.stylize(content, StylizeOptions(strength=0.5), mask)
    weight = np.asarray(mask, dtype=float)[..., None] / 255 * 0.5
    assert np.abs(np.asarray(result.rgb) - (old + (new - old) * weight)).max() <= 0.51
    assert_same_image(result.alpha, content.alpha)


def test_a_mask_that_does_not_fit_is_refused(stylizer):
    content = LoadedImage(image("RGB"))
    with pytest.raises(StyleNetError, match="mask has 4x5 pixels, the image 13x9"):
        stylizer.stylize(content, mask=Image.new("L", (4, 5)))
    with pytest.raises(StyleNetError, match="mask has mode RGB, expected L"):
        stylizer.stylize(content, mask=Image.new("RGB", (13, 9)))


@pytest.mark.parametrize("size", [16, 64])
def test_the_network_runs_at_the_requested_size(stylizer, size):
    photo = image("RGB", 48, 32)
    small = photo.resize((size * 3 // 2, size), Image.Resampling.BICUBIC)
    expected = stylizer(small).resize(photo.size, Image.Resampling.BICUBIC)
    assert_same_image(stylizer(photo, size=size), expected)
    scaled = stylizer(np.asarray(photo), size=size)
    assert np.abs(scaled.astype(float) - np.asarray(expected)).mean() < 2


def test_the_scaled_size_of_a_thin_image_is_bounded(stylizer, monkeypatch):
    pixels = []

    def record(images):
        pixels.append(images.shape[-2] * images.shape[-1])
        return images.float()

    monkeypatch.setattr(stylizer, "stylize_tensor", record)
    result = stylizer(Image.new("RGB", (500, 1), "red"), size=64, tile="none")
    assert result.size == (500, 1)
    assert 500 < pixels[0] <= 8.5 * 64**2


@pytest.mark.parametrize("color", ["luminance", "histogram", "statistics"])
def test_the_colors_of_the_content_image_are_kept(stylizer, color):
    photo = array(40, 50, 3) // np.array([4, 2, 1], np.uint8)  # bluish
    old, new, kept = (
        pixels.astype(float).reshape(-1, 3)
        for pixels in (photo, stylizer(photo), stylizer(photo, preserve_color=color))
    )
    tint, before, after = (p.mean(0) - p.mean() for p in (old, new, kept))
    far = np.abs(before - tint).max()
    assert far > 25
    # Clipping at 0 and 255 takes something away where only the luminance is replaced.
    assert np.abs(after - tint).max() < (far / 1.5 if color == "luminance" else 5)


def test_threads_may_share_a_stylizer(stylizer):
    photos = [image("RGB", 20 + i % 3, 24, seed=i) for i in range(12)]
    expected = [stylizer(photo, preserve_color="statistics") for photo in photos]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda p: stylizer(p, preserve_color="statistics"), photos))
    for result, single in zip(results, expected, strict=True):
        assert_same_image(result, single)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_reduced_precision_looks_the_same(stylizer, dtype):
    fast = Stylizer(stylizer.network, INFO, "cpu", dtype)
    photo = image("RGB", 64, 48)
    new, old = (np.asarray(stylize(photo), dtype=float) for stylize in (fast, stylizer))
    assert 0 < np.abs(new - old).mean() < 1.5
    assert all(p.dtype == torch.float32 for p in fast.network.parameters())


def test_an_unknown_precision_lists_the_known_ones(stylizer):
    with pytest.raises(
        StyleNetError, match="precision=half is unknown; choose one of auto, float32"
    ):
        Stylizer(stylizer.network, INFO, "cpu", "half")


@pytest.mark.parametrize("weight", [0, 0.25, 1])
def test_a_blend_has_the_weighted_mean_of_the_weights(stylizer, weight):
    torch.manual_seed(1)
    second = Stylizer(build_network("johnson", width=4, blocks=1), replace(INFO, style="b"), "cpu")
    between = Stylizer.blend(stylizer, second, weight)
    assert between.info.style == "test+b"
    ends = zip(stylizer.network.parameters(), second.network.parameters(), strict=True)
    for mean, (first, other) in zip(between.network.parameters(), ends, strict=True):
        torch.testing.assert_close(mean, first * (1 - weight) + other * weight)
    if weight == 0:
        assert_same_image(between(image("RGB")), stylizer(image("RGB")))


def test_only_networks_of_one_architecture_are_blended(stylizer):
    other = Stylizer(build_network("johnson", width=4, blocks=2), INFO, "cpu")
    with pytest.raises(StyleNetError, match="only networks of the same architecture"):
        Stylizer.blend(stylizer, other)
    with pytest.raises(StyleNetError, match="blend_weight=2 is not a number from 0 to 1"):
        Stylizer.blend(stylizer, stylizer, 2)


def test_a_network_without_stages_cannot_be_tiled():
    network = Failing(lambda: None)
    network.name = "failing"
    stylizer = Stylizer(network, INFO, "cpu")
    with pytest.raises(StyleNetError, match="cannot be tiled; use tile=none"):
        stylizer(image("RGB"), tile=256)


def cut_out(hidden):
    """Return a reddish square whose transparent frame has a given color."""
    pixels = array(40, 50, 4) // np.array([2, 4, 8, 1], np.uint8)
    pixels[..., 3] = 0
    pixels[10:30, 15:40, 3] = np.where(pixels[10:30, 15:40, 0] > 60, 255, 100)
    pixels[pixels[..., 3] == 0, :3] = hidden
    return pixels


CONVERSIONS = {
    "loaded": lambda pixels: LoadedImage(
        Image.fromarray(pixels[..., :3].copy()), Image.fromarray(pixels[..., 3].copy())
    ),
    "image": Image.fromarray,
    "bytes": lambda pixels: pixels,
    "floats": lambda pixels: (pixels / 255).astype(np.float32),
}


@pytest.mark.parametrize("color", ["histogram", "statistics"])
@pytest.mark.parametrize("name", CONVERSIONS)
def test_transparent_pixels_do_not_affect_colors(color, name):
    class Bluish(Stylizer):
        """Stylizes each pixel alone, so that hidden ones matter only through statistics."""

        def stylize_tensor(self, images):
            return images * torch.tensor([0.3, 0.7, 0.9]).view(3, 1, 1) + 0.05

    blue = Bluish(build_network("johnson", width=2, blocks=0), INFO, "cpu", "float32")

    def visible_pixels(hidden):
        pixels = cut_out(hidden)
        stylized = blue([CONVERSIONS[name](pixels)], preserve_color=color)[0]
        rgb = np.asarray(stylized.rgb if name == "loaded" else stylized, float)[..., :3]
        rgb = rgb * 255 if name == "floats" else rgb
        alpha = pixels[..., 3]
        means = [np.average(p[alpha > 0], 0, alpha[alpha > 0]) for p in (rgb, pixels[..., :3])]
        return rgb[alpha > 0], *means

    stylized, mean, expected = visible_pixels(0)
    assert np.abs(stylized - visible_pixels((255, 0, 255))[0]).max() <= 1
    assert np.abs(mean - expected).max() < 2


@pytest.mark.parametrize("color", ["histogram", "statistics"])
def test_a_fully_transparent_image_is_stylized(stylizer, color):
    pixels = array(20, 30, 4)
    pixels[..., 3] = 0
    stylized = stylizer(pixels, preserve_color=color)
    assert np.array_equal(stylized[..., :3], stylizer(pixels[..., :3], preserve_color=color))
    assert_same_image(
        stylizer(Image.fromarray(pixels), preserve_color=color), Image.fromarray(stylized)
    )
