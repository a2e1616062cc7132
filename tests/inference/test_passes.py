import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.inference import StylizeOptions, Stylizer
from stylenet.inference.buffers import PillowBuffer, TensorBuffer
from stylenet.inference.passes import run_passes
from stylenet.networks import build_network


def photo(width, height):
    pixels = np.random.default_rng(0).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


class Stripes:
    """A stylization whose strokes are stripes of 8 pixels, whatever the size of the image."""

    def __init__(self):
        self.sizes = []

    def __call__(self, content, progress):
        height, width = content.size
        self.sizes.append((height, width))
        phase = torch.arange(width) * (2 * torch.pi / 8)
        pixels = (0.5 + 0.3 * torch.sin(phase)).expand(3, height, width).clone()
        return TensorBuffer(pixels)


def amplitude(image, period):
    """The amplitude of vertical stripes with a period in pixels."""
    row = image[0].mean(0)
    wave = torch.exp(torch.arange(len(row)) * (2j * torch.pi / period))
    return float((row * wave).mean().abs() * 2)


def test_strokes_of_every_pass_are_in_the_result():
    content, run = TensorBuffer(torch.rand(3, 256, 512)), Stripes()
    result = run_passes(content, [32, 128, "full"], run).pixels
    assert run.sizes == [(32, 64), (128, 256), (256, 512)]
    # Stripes of 8 pixels at 1/8, 1/2 and full size.
    for period in (64, 16, 8):
        assert amplitude(result, period) > 0.1, period
    alone = Stripes()(content, None).pixels
    assert amplitude(alone, 64) < 0.01
    assert 0 <= result.min() <= result.max() <= 1


def test_colors_are_those_of_the_first_pass():
    levels = iter((0.3, 0.8))

    def run(content, progress):
        return TensorBuffer(torch.full((3, *content.size), next(levels)))

    result = run_passes(TensorBuffer(torch.rand(3, 40, 60)), [10, "full"], run).pixels
    torch.testing.assert_close(result, torch.full((3, 40, 60), 0.3), rtol=0, atol=1e-5)


def test_the_next_pass_sees_the_photo_and_the_previous_result():
    seen = []

    def run(content, progress):
        seen.append(content.read((0, 0, *content.size)))
        return TensorBuffer(torch.zeros(3, *content.size))

    pixels = torch.rand(3, 40, 60)
    run_passes(TensorBuffer(pixels), [10, "full"], run)
    torch.testing.assert_close(seen[1], 0.6 * pixels[None], rtol=0, atol=1e-6)


def test_the_result_keeps_the_size_without_a_full_pass():
    run = Stripes()
    result = run_passes(PillowBuffer(photo(61, 44)), [11, 22], lambda c, p: PillowBuffer(c.image))
    assert result.size == (44, 61)
    assert run_passes(TensorBuffer(torch.rand(3, 1, 900)), [1, 8, 9, "full"], run).size == (1, 900)


@pytest.mark.parametrize("name", ["johnson", "compact"])
def test_tiles_and_strips_change_nothing(name, monkeypatch):
    torch.manual_seed(0)
    network = build_network(name, width=4)
    stylizer = Stylizer(network, CheckpointInfo("test", 1), "cpu", "float32")
    content, passes = photo(420, 300), [75, "full"]
    whole = np.asarray(stylizer(content, passes=passes, tile="none"), float)
    monkeypatch.setattr("stylenet.inference.postprocess._STRIP", 420 * 7)
    tiled = np.asarray(stylizer(content, passes=passes, tile=256), float)
    assert np.abs(whole - tiled).max() <= 2
    assert np.abs(whole - np.asarray(stylizer(content), float)).mean() > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"passes": 512}, "passes=512 is not a list of two or more short sides"),
        ({"passes": "full"}, "passes=full is not a list"),
        ({"passes": [512]}, "is not a list of two or more"),
        ({"passes": [512, 0]}, "passes=0 is not a whole number of at least 1"),
        ({"passes": [512, "half"]}, "passes=half is not a whole number"),
        ({"passes": [512, 256]}, "does not go from coarse to fine"),
        ({"passes": ["full", 512]}, "does not go from coarse to fine"),
        ({"passes": [256, "full"], "size": 64}, "passes sets the size of each pass"),
        ({"passes": [256, "full"], "stroke": 2}, "passes sets the size of each pass"),
        ({"stroke": 0}, "stroke=0 is not a number of at least 0.25 and at most 4"),
        ({"stroke": 5}, "stroke=5 is not a number"),
        ({"stroke": "large"}, "stroke=large is not a number"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(StyleNetError, match=message.replace(".", r"\.")):
        StylizeOptions(**options)
