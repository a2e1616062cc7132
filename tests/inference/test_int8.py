from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as skimage_data
from torch import nn

import stylenet
from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.image import to_tensor
from stylenet.inference import RegionMap, RegionStylizer, Stylizer, int8
from stylenet.inference.int8 import check_int8
from stylenet.inference.int8_layers import Int8Convolution, quantize
from stylenet.networks import build_network
from stylenet.networks.convolutions import (
    OutputConvolution,
    ReflectedConvolution,
    StemConvolution,
    UpsampleConvolution,
)
from stylenet.networks.resize import ResizeConvolution

INFO = CheckpointInfo("test", 1)
NETWORKS = [
    ("johnson", {"width": 4, "blocks": 1}),
    ("compact", {"width": 4, "deep_width": 8, "deep_blocks": 1, "fine_blocks": 1}),
    (
        "compact",
        {"width": 4, "deep_width": 8, "deep_blocks": 1, "fine_blocks": 1, "head": "resize"},
    ),
]


def make_network(name, arguments):
    torch.manual_seed(0)
    return build_network(name, **arguments).eval()


def photo(side=96):
    return Image.fromarray(skimage_data.coffee()).resize((side + 13, side))


@pytest.fixture(scope="module")
def trained():
    """Return a trained compact network in int8 and in float32."""
    pytest.importorskip("openvino")
    return [
        stylenet.load("starry_night_compact", precision=name, device="cpu")
        for name in ("int8", "float32")
    ]


@pytest.mark.parametrize(
    "convolution",
    [
        ReflectedConvolution(3, 5, 3),
        ReflectedConvolution(3, 5, 3, stride=2),
        StemConvolution(3, 5, 9),
        UpsampleConvolution(3, 5),
        OutputConvolution(6, 9),
        ResizeConvolution(4, 3, 4),
        nn.Conv2d(4, 3, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(4, 3, 1),
    ],
)
def test_before_rounding_a_layer_equals_the_convolution_it_was_made_from(convolution):
    features = torch.randn(2, convolution.in_channels, 12, 16, dtype=torch.float64)
    convolution = convolution.double()
    with torch.no_grad():
        torch.testing.assert_close(Int8Convolution(convolution)(features), convolution(features))


@pytest.mark.parametrize(("name", "arguments"), NETWORKS)
def test_all_convolutions_but_the_last_are_rounded(name, arguments):
    network = make_network(name, arguments)
    images = torch.rand(1, 3, 32, 32)
    layers = [m for m in quantize(network, [images]).modules() if isinstance(m, Int8Convolution)]
    assert [layer.is_quantized for layer in layers] == [True] * (len(layers) - 1) + [False]
    for layer in layers[:-1]:
        kernels = layer.weight.transpose(0, layer.outputs).flatten(1)
        # Each output channel uses the whole range.
        torch.testing.assert_close(kernels.abs().amax(1), 127 * layer.weight_scales)


def test_an_image_in_int8_looks_like_its_float_image(trained):
    images = [np.asarray(stylizer(photo(240)), float) for stylizer in trained]
    difference = np.abs(images[0] - images[1])
    # bfloat16 differs by 0.2.
    assert 0.4 < difference.mean() < 2
    assert np.percentile(difference, 99) < 12


@pytest.mark.parametrize("size", [(1, 1), (7, 30), (64, 96), (97, 65)])
def test_any_size_gives_the_same_image_again_and_again(trained, size, monkeypatch):
    monkeypatch.setattr(int8, "_ROW", 3)
    torch.manual_seed(0)
    images = torch.rand(1, 3, *size)
    results = [trained[0].stylize_tensor(images) for _ in range(4)]
    assert results[0].shape == images.shape
    assert torch.equal(results[0], results[1])
    # From the third on, a model compiled for this size adds in another order.
    assert (results[0] - results[2]).abs().mean() < 2 / 255
    assert torch.equal(results[2], results[3])


def test_a_batch_gives_the_images_one_by_one(trained):
    images = torch.cat([to_tensor(photo()), to_tensor(photo().transpose(0))])
    alone = torch.cat([trained[0].stylize_tensor(image) for image in images.split(1)])
    assert (trained[0].stylize_tensor(images) - alone).abs().mean() < 2 / 255


def test_threads_share_a_stylizer(trained):
    images = [torch.rand(1, 3, 32 + 8 * (i % 6), 40) for i in range(12)]
    expected = [trained[0].stylize_tensor(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(trained[0].stylize_tensor, images))
    assert all(map(torch.equal, results, expected))


def test_tiles_compute_in_floats(trained):
    image = photo(300)
    tiled, expected = trained[0](image, tile=256), trained[1](image)
    assert np.abs(np.asarray(tiled, float) - np.asarray(expected, float)).mean() < 0.7


def test_other_options_apply_to_the_int8_image(trained):
    image = photo()
    full, half = (np.asarray(trained[0](image, strength=s), float) for s in (1, 0.5))
    assert np.abs(half - (full + np.asarray(image, float)) / 2).mean() < 2
    gray = np.asarray(trained[0](image, preserve_color=True), float)
    assert np.abs(gray - full).mean() > 10


def test_regions_of_different_networks_are_stylized_in_int8(trained):
    image = photo()
    mask = Image.new("L", image.size, 255)
    region = RegionStylizer([trained[0], trained[0]])
    assert region.precision == "int8"
    result = region(image, mask=RegionMap([mask], [0], rest=1))
    difference = np.asarray(result, float) - np.asarray(trained[0](image), float)
    assert np.abs(difference).mean() < 2


def test_a_blend_has_the_precision_of_its_first_network(trained):
    assert Stylizer.blend(*trained).precision == "int8"


@pytest.mark.parametrize(
    ("network", "device", "message"),
    [
        (NETWORKS[0], "cuda", "runs on the CPU, not on cuda"),
        (("adain_style", {}), "cpu", "not for adain_style"),
    ],
)
def test_what_cannot_run_in_int8_is_refused(network, device, message):
    with pytest.raises(StyleNetError, match=message):
        check_int8(make_network(*network), torch.device(device))


def test_dials_are_refused():
    network = make_network("johnson_dials", {"width": 2, "blocks": 1})
    with pytest.raises(StyleNetError, match="precision=int8 does not work with dials"):
        Stylizer(network, INFO, "cpu", "int8")


def test_given_statistics_are_refused(trained):
    with pytest.raises(StyleNetError, match=r"does not work with video\.steady"):
        trained[0].with_statistics(lambda name, features: None)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(int8, "find_spec", lambda name: None)
    with pytest.raises(StyleNetError, match=r"pip install 'stylenet\[int8\]'"):
        Stylizer(make_network(*NETWORKS[0]), INFO, "cpu", "int8")


def test_a_network_that_int8_damages_is_refused(monkeypatch):
    pytest.importorskip("openvino")
    monkeypatch.setattr(int8, "_MAX_DIFFERENCE", 0.001)
    stylizer = Stylizer(make_network(*NETWORKS[0]), INFO, "cpu", "int8")
    with pytest.raises(StyleNetError, match=r"in int8 the stylized image differs by .*/255"):
        stylizer(photo())
