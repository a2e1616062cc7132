"""The network that predicts the weights of a compact network from a style image."""

import pytest
import torch
import torch.nn.functional as F

from stylenet.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from stylenet.errors import StyleNetError
from stylenet.networks import CompactNetwork, blend_networks, build_network
from stylenet.perceptual import LiteEncoder

TINY = {"width": 4, "deep_width": 4, "deep_blocks": 1, "fine_blocks": 1, "hidden": 8}


def random_images(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def make_network(kernels=2, seed=0):
    """A network of the bundled encoder whose styles differ: its last layer is not zero."""
    torch.manual_seed(seed)
    network = build_network("any_style", **TINY, kernels=kernels)
    network.encoder.load_weights(
        {
            f"{name}.{key}": value
            for name, convolution in LiteEncoder().convolutions_to("relu4_1").items()
            for key, value in convolution.state_dict().items()
        }
    )
    network.calibrate(random_images(6, 3, 32, 32, seed=1))
    torch.nn.init.normal_(network.predictor.output.weight, std=0.3)
    return network.eval()


@pytest.fixture(scope="module", params=[0, 2])
def network(request):
    return make_network(request.param)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (16, 24), (37, 51)])
def test_a_selected_style_gives_the_images_of_the_whole_network(network, size):
    images, style = random_images(2, 3, *size), random_images(1, 3, 45, 30, seed=1)
    selected = network.select([style])
    assert type(selected) is CompactNetwork
    assert not selected.training
    expected = network(images, style.expand(2, -1, -1, -1))
    torch.testing.assert_close(selected(images), expected, rtol=0, atol=1e-5)


def test_each_image_of_a_batch_has_its_own_style(network):
    images, styles = random_images(3, 3, 24, 24), random_images(3, 3, 32, 40, seed=1)
    batch = network(images, styles)
    for image, style, stylized in zip(images, styles, batch, strict=True):
        expected = network(image[None], style[None])[0]
        torch.testing.assert_close(stylized, expected, rtol=0, atol=1e-5)
    other = network(images[:1], styles[1:2])[0]
    assert float((batch[0] - other).detach().abs().mean()) > 1e-3


def test_the_prediction_follows_its_formula():
    """Statistics of all channels, standardized; vectors change directly, kernels by a sum."""
    network = make_network(kernels=2).double()
    style = random_images(1, 3, 40, 48, seed=3).double()
    x = (style - network.encoder._mean) / network.encoder._std
    statistics = []
    for name, convolution in network.encoder.convolutions.items():
        if name in ("conv2_1", "conv3_1", "conv4_1"):
            x = F.max_pool2d(x, 2)
        padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.relu(F.conv2d(padded, convolution.weight, convolution.bias))
        for statistic in (x.mean((0, 2, 3)), (x.var((0, 2, 3), correction=0) + 1e-5).sqrt()):
            statistics.append(statistic)
    predictor = network.predictor
    standardized = (torch.cat(statistics) - predictor.means) / predictor.deviations
    changes = predictor.output(predictor.perceptron(standardized.clamp(-5, 5)))
    selected = network.select([style])
    at = 0
    body = dict(network.body.named_parameters())
    for name, parameter in body.items():
        if parameter.ndim == 1:
            expected = parameter + changes[at : at + len(parameter)]
            at += len(parameter)
            torch.testing.assert_close(selected.get_parameter(name), expected)
    adapted = [name for name, parameter in body.items() if parameter.ndim > 1]
    for name, kernels in zip(adapted, network.kernels, strict=True):
        first, second = kernels.chunk(2)
        expected = body[name] + changes[at] * first + changes[at + 1] * second
        at += 2
        torch.testing.assert_close(selected.get_parameter(name), expected)
    assert at == len(changes)


def test_a_mixture_has_the_weighted_mean_of_the_weights(network):
    first, second = random_images(1, 3, 40, 30), random_images(1, 3, 30, 50, seed=2)
    mixed = network.select([first, second], [3, 1])
    blended = blend_networks(network.select([first]), network.select([second]), 0.25)
    for name, value in mixed.state_dict().items():
        torch.testing.assert_close(value, blended.state_dict()[name])


@pytest.mark.parametrize("weights", [[1, 0], [1, -2], [1, float("nan")]])
def test_a_weight_must_be_above_0(network, weights):
    with pytest.raises(StyleNetError, match="weight of a style image"):
        network.select([random_images(1, 3, 8, 8)] * 2, weights)


def test_a_style_needs_an_image(network):
    with pytest.raises(StyleNetError, match="no style image"):
        network.select([])


@pytest.mark.parametrize(
    "style", [torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 64, 64), torch.rand(1, 3, 2, 900)]
)
def test_an_unusual_style_image_gives_finite_weights_within_the_range_of_training(network, style):
    selected = network.select([style])
    assert all(bool(value.isfinite().all()) for value in selected.state_dict().values())
    assert bool(selected(random_images(1, 3, 20, 20)).isfinite().all())


def test_the_trained_parameters_are_all_but_the_encoders_and_each_gets_a_gradient():
    network = make_network()
    network(random_images(1, 3, 16, 16), random_images(1, 3, 32, 32, seed=1)).sum().backward()
    trained = network.trained_parameters()
    assert all(p.grad is not None for p in trained)
    encoder = list(network.encoder.parameters())
    assert all(p.grad is None for p in encoder)
    assert len(trained) + len(encoder) == len(list(network.parameters()))


def test_a_network_begins_with_a_trained_one_or_with_a_compact_one_in_every_style():
    network, other = make_network(seed=1), make_network(seed=2)
    network.initialize_from(other)
    assert all(torch.equal(v, network.state_dict()[k]) for k, v in other.state_dict().items())
    options = {key: value for key, value in TINY.items() if key != "hidden"}
    for head in ("resize", "subpixel"):
        compact = build_network("compact", **options, head=head)
        expected = build_network("compact", **options, head="resize")
        expected.initialize_from(compact)
        network.initialize_from(compact)
        for name, value in expected.state_dict().items():
            assert torch.equal(network.body.state_dict()[name], value)
    with pytest.raises(StyleNetError, match="compact network with"):
        network.initialize_from(build_network("compact", **{**options, "width": 8}))
    with pytest.raises(StyleNetError, match="johnson network"):
        network.initialize_from(build_network("johnson", width=2))


def test_a_checkpoint_holds_all_weights(network, tmp_path):
    save_checkpoint(tmp_path / "any.safetensors", network, CheckpointInfo("any_style", 1))
    loaded, _ = load_checkpoint(tmp_path / "any.safetensors")
    style, image = random_images(1, 3, 33, 44), random_images(1, 3, 20, 20, seed=1)
    assert torch.equal(loaded.select([style])(image), network.select([style])(image))


@pytest.mark.parametrize(("option", "value"), [("kernels", -1), ("hidden", 0), ("width", 0)])
def test_an_impossible_size_is_an_error(option, value):
    with pytest.raises(StyleNetError, match=f"network.{option}={value}"):
        build_network("any_style", **{**TINY, option: value})
