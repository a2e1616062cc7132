"""Any style in one network: AdaIN, the frozen part, the decoder, and the network of a style."""

import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.networks import AdainStyleNetwork, blend_networks, build_network
from stylenet.networks.adain import adain
from stylenet.networks.encoder_part import ENCODERS, EncoderPart, make_decoder
from stylenet.perceptual import LiteEncoder, VGGEncoder


def pictures(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = build_network("adain", width=4)
    fill(network.encoder, LiteEncoder())
    return network.eval()


def fill(part, encoder, layer="relu4_1"):
    part.fill(
        {
            f"{name}.{kind}": value
            for name, convolution in encoder.convolutions_to(layer).items()
            for kind, value in convolution.state_dict().items()
        }
    )


def test_adain_is_its_formula():
    features = pictures(2, 3, 5, 4).double() * 3 - 1
    styles = pictures(2, 3, 7, 2, seed=1).double() * 2
    result = adain(features, styles)

    def moments(values):
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / len(values)
        return mean, (variance + 1e-5) ** 0.5

    for image in range(2):
        for channel in range(3):
            mean, deviation = moments(features[image, channel].flatten().tolist())
            wanted, spread = moments(styles[image, channel].flatten().tolist())
            expected = (features[image, channel] - mean) / deviation * spread + wanted
            torch.testing.assert_close(result[image, channel], expected, rtol=0, atol=1e-12)


def test_statistics_are_float32_whatever_the_features_are():
    features = pictures(1, 3, 40, 40) * 100 + 1000
    styles = pictures(1, 3, 40, 40, seed=1)
    expected = adain(features.bfloat16().float(), styles.bfloat16().float())
    result = adain(features.bfloat16(), styles.bfloat16())
    assert result.dtype == torch.bfloat16
    assert float((result.float() - expected).abs().mean()) < 0.05


@pytest.mark.parametrize(
    "encoder", [LiteEncoder(), VGGEncoder("vgg19", "random", allow_random=True)]
)
def test_the_frozen_part_gives_the_encoders_features_away_from_the_border(encoder):
    # At the border one reflects and the other takes zeros.
    layer = "relu3_2"
    part = EncoderPart(encoder.architecture, layer)
    fill(part, encoder, layer)
    image = pictures(1, 3, 64, 80)
    expected = (image - encoder._mean) / encoder._std
    for name in encoder.layers[: encoder.layers.index(layer) + 1]:
        expected = encoder._layers[name](expected)
    found = part(image) / part.scale
    middle = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(found[middle], expected[middle], rtol=1e-4, atol=1e-4)
    assert not any(parameter.requires_grad for parameter in part.parameters())


def test_features_are_near_one_whatever_the_encoder():
    part = EncoderPart("lite", "relu3_4")
    weights = {k: v * 3 for k, v in part.convolutions.state_dict().items()}
    part.fill(weights)
    size = part(pictures(1, 3, 64, 64)).square().mean().sqrt()
    assert 0.5 < float(size) < 2


def test_the_decoder_mirrors_a_vgg():
    """As in section 6 of the paper."""
    shapes = [
        tuple(m.weight.shape[:2])
        for m in make_decoder("vgg19", "relu4_1", 64)
        if hasattr(m, "weight")
    ]
    backwards = [
        (256, 512),
        (256, 256),
        (256, 256),
        (256, 256),
        (128, 256),
        (128, 128),
        (64, 128),
        (64, 64),
    ]
    assert shapes == [*backwards, (3, 64)]


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("layer", ["relu2_1", "relu3_1", "relu4_1"])
def test_every_encoder_and_layer_keeps_the_size(encoder, layer):
    network = build_network("adain", encoder=encoder, layer=layer, width=2).eval()
    assert network(pictures(1, 3, 13, 18)).shape == (1, 3, 13, 18)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (16, 24), (37, 51)])
def test_a_selected_style_is_what_the_network_paints(network, size):
    images, painting = pictures(2, 3, *size), pictures(1, 3, 45, 30, seed=1)
    selected = network.select([painting])
    assert type(selected) is AdainStyleNetwork
    assert not selected.training
    expected = network(images, painting.expand(2, -1, -1, -1))
    torch.testing.assert_close(selected(images), expected, rtol=0, atol=1e-5)


def test_each_photo_has_its_own_painting(network):
    images, paintings = pictures(3, 3, 24, 24), pictures(3, 3, 32, 40, seed=1)
    together = network(images, paintings)
    for image, painting, painted in zip(images, paintings, together, strict=True):
        alone = network.select([painting[None]])(image[None])[0]
        torch.testing.assert_close(painted, alone, rtol=0, atol=1e-5)
    assert float((together[0] - network(images, paintings.flip(0))[0]).abs().max().detach()) > 1e-3


def test_without_paintings_the_network_is_asked_for_the_photos_themselves(network):
    images = pictures(2, 3, 24, 24)
    torch.testing.assert_close(network(images), network(images, images), rtol=0, atol=1e-5)


def test_mixtures_are_the_mean_of_the_features_of_each(network):
    first, second = pictures(1, 3, 40, 32), pictures(1, 3, 24, 56, seed=1) ** 3
    image = pictures(1, 3, 24, 24, seed=2)
    ends = [network.select([picture]) for picture in (first, second)]
    mixed = network.select([first, second], [3, 1])
    features = [end.norm(end.encoder(image)) for end in ends]
    expected = 0.75 * features[0] + 0.25 * features[1]
    torch.testing.assert_close(mixed.norm(mixed.encoder(image)), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        blend_networks(*ends, 0.25).norm.weight, mixed.norm.weight, rtol=0, atol=1e-6
    )


def test_a_mixture_of_one_is_that_style(network):
    picture, other = pictures(1, 3, 40, 32), pictures(1, 3, 24, 56, seed=1)
    expected = network.select([picture]).state_dict()
    for found in (
        network.select([picture], [0.3]).state_dict(),
        blend_networks(network.select([other]), network.select([picture]), 1).state_dict(),
    ):
        assert all(torch.equal(found[key], value) for key, value in expected.items())


def test_gradients_reach_the_decoder_alone(network):
    network(pictures(1, 3, 16, 16), pictures(1, 3, 16, 16, seed=1)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.decoder.parameters())
    assert all(parameter.grad is None for parameter in network.encoder.parameters())
    network.zero_grad()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"encoder": "resnet"}, "network.encoder=resnet is unknown; choose one of lite, vgg19"),
        ({"layer": "relu9_1"}, "network.layer=relu9_1 is unknown; choose one of relu2_1"),
        ({"layer": "relu1_2"}, "network.layer=relu1_2 is unknown"),
        ({"width": 0}, "network.width=0"),
    ],
)
def test_impossible_arguments_are_named(arguments, said):
    with pytest.raises(StyleNetError) as error:
        build_network("adain", **arguments)
    assert said in str(error.value)


@pytest.mark.parametrize("weights", [[0.0], [-1], [float("nan")], ["much"]])
def test_an_impossible_weight_is_named(network, weights):
    with pytest.raises(StyleNetError, match="is not a number above 0"):
        network.select([pictures(1, 3, 8, 8)], weights)
