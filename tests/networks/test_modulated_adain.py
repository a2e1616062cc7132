"""AdaIN with a decoder that each style modulates."""

import pytest
import torch
import torch.nn.functional as F

from stylenet.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from stylenet.errors import StyleNetError
from stylenet.networks import AdainStyleNetwork, blend_networks, build_network
from stylenet.networks.adain import adain
from stylenet.networks.convolutions import UpsampleConvolution
from stylenet.perceptual import LiteEncoder

TINY = {"layer": "relu3_2", "width": 2, "hidden": 8}


def random_images(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def make_network(seed=0, deviation=0.3):
    """A network of the bundled encoder whose styles differ: its last layer is not zero."""
    torch.manual_seed(seed)
    network = build_network("modulated_adain", **TINY)
    convolutions = LiteEncoder().convolutions_to(TINY["layer"])
    network.encoder.load_weights(
        {
            f"{name}.{key}": value
            for name, convolution in convolutions.items()
            for key, value in convolution.state_dict().items()
        }
    )
    network.calibrate(random_images(6, 3, 32, 32, seed=1))
    torch.nn.init.normal_(network.predictor.output.weight, std=deviation)
    return network.eval()


@pytest.fixture(scope="module")
def network():
    return make_network()


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (16, 24), (37, 51)])
def test_a_selected_style_gives_the_images_of_the_whole_network(network, size):
    images, style = random_images(2, 3, *size), random_images(1, 3, 45, 30, seed=1)
    selected = network.select([style])
    assert type(selected) is AdainStyleNetwork
    expected = network(images, style.expand(2, -1, -1, -1))
    torch.testing.assert_close(selected(images), expected, rtol=0, atol=1e-5)


def test_each_image_of_a_batch_has_its_own_style(network):
    images, styles = random_images(2, 3, 24, 24), random_images(2, 3, 32, 40, seed=1)
    batch = network(images, styles)
    for image, style, stylized in zip(images, styles, batch, strict=True):
        torch.testing.assert_close(stylized, network(image[None], style[None])[0])


def test_the_decoder_follows_its_formula():
    """After each convolution, channel c is multiplied by 1 + g_c, and b_c is added."""
    network = make_network().double()
    image, style = (random_images(1, 3, 24, 32, seed=n).double() for n in (2, 3))
    layers = network.encoder.features(style)
    statistics = [
        moment
        for x in layers
        for moment in (x.mean((0, 2, 3)), (x.var((0, 2, 3), correction=0) + 1e-5).sqrt())
    ]
    predictor = network.predictor
    standardized = (torch.cat(statistics) - predictor.means) / predictor.deviations
    changes = predictor.output(predictor.perceptron(standardized.clamp(-5, 5)))
    x = adain(network.encoder(image), layers[-1] * network.encoder.scale)
    convolutions = [m for m in network.decoder if isinstance(m, torch.nn.Conv2d)]
    count = sum(m.out_channels for m in convolutions)
    assert changes.numel() == 2 * count
    at = 0
    for convolution in convolutions:
        if isinstance(convolution, UpsampleConvolution):
            x = F.interpolate(x, scale_factor=2.0)
        x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), convolution.weight, convolution.bias)
        part = slice(at, at + convolution.out_channels)
        x = x * (1 + changes[:count][part])[:, None, None] + changes[count:][part][:, None, None]
        at += convolution.out_channels
        if convolution is not convolutions[-1]:
            x = F.relu(x)
    torch.testing.assert_close(network(image, style), torch.sigmoid(2 * x))


def test_it_begins_with_a_trained_adain_network_in_every_style():
    torch.manual_seed(5)
    plain = build_network("adain", layer="relu3_2", width=2)
    plain.encoder.load_state_dict(make_network().encoder.state_dict())
    network = make_network(deviation=0.0)
    network.initialize_from(plain)
    image, style = random_images(1, 3, 24, 24), random_images(1, 3, 40, 24, seed=1)
    torch.testing.assert_close(network(image, style), plain(image, style))
    other = make_network(seed=6)
    network.initialize_from(other)
    torch.testing.assert_close(network(image, style), other(image, style))
    with pytest.raises(StyleNetError, match="adain network with"):
        network.initialize_from(build_network("adain", layer="relu3_2", width=4))


def test_a_mixture_has_the_weighted_mean_of_the_changes(network):
    first, second = random_images(1, 3, 40, 30), random_images(1, 3, 30, 50, seed=2)
    mixed = network.select([first, second], [3, 1])
    blended = blend_networks(network.select([first]), network.select([second]), 0.25)
    for name, value in mixed.state_dict().items():
        torch.testing.assert_close(value, blended.state_dict()[name])


@pytest.mark.parametrize("style", [torch.zeros(1, 3, 1, 1), torch.ones(1, 3, 64, 64)])
def test_a_style_image_of_one_color_gives_a_finite_image(network, style):
    assert bool(network.select([style])(random_images(1, 3, 20, 20)).isfinite().all())


def test_all_but_the_encoder_is_trained():
    network = make_network()
    network(random_images(1, 3, 16, 16), random_images(1, 3, 32, 32, seed=1)).sum().backward()
    trained = network.trained_parameters()
    assert all(parameter.grad is not None for parameter in trained)
    assert all(parameter.grad is None for parameter in network.encoder.parameters())


def test_a_checkpoint_holds_all_weights(network, tmp_path):
    save_checkpoint(tmp_path / "any.safetensors", network, CheckpointInfo("any", 1))
    loaded, _ = load_checkpoint(tmp_path / "any.safetensors")
    style, image = random_images(1, 3, 33, 44), random_images(1, 3, 20, 20, seed=1)
    assert torch.equal(loaded.select([style])(image), network.select([style])(image))


@pytest.mark.parametrize(("option", "value"), [("hidden", 0), ("width", 0), ("hidden", "x")])
def test_an_impossible_size_is_an_error(option, value):
    with pytest.raises(StyleNetError, match=f"network.{option}={value}"):
        build_network("modulated_adain", **{**TINY, option: value})
