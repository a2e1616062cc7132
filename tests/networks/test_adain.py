"""AdaIN: the formula, the frozen encoder, the decoder, and the network of one style."""

import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.networks import AdainStyleNetwork, blend_networks, build_network
from stylenet.networks.adain import adain
from stylenet.networks.encoder_part import ENCODERS, EncoderPart, make_decoder
from stylenet.perceptual import LiteEncoder, VGGEncoder


def random_images(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = build_network("adain", width=4)
    copy_weights(network.encoder, LiteEncoder())
    return network.eval()


def copy_weights(part, encoder, layer="relu4_1"):
    part.load_weights(
        {
            f"{name}.{key}": value
            for name, convolution in encoder.convolutions_to(layer).items()
            for key, value in convolution.state_dict().items()
        }
    )


def test_adain_follows_its_formula():
    content = random_images(2, 3, 5, 4).double() * 3 - 1
    style = random_images(2, 3, 7, 2, seed=1).double() * 2
    result = adain(content, style)

    def moments(values):
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / len(values)
        return mean, (variance + 1e-5) ** 0.5

    for image in range(2):
        for channel in range(3):
            mean, deviation = moments(content[image, channel].flatten().tolist())
            style_mean, style_deviation = moments(style[image, channel].flatten().tolist())
            normalized = (content[image, channel] - mean) / deviation
            expected = normalized * style_deviation + style_mean
            torch.testing.assert_close(result[image, channel], expected, rtol=0, atol=1e-12)


def test_statistics_of_bfloat16_features_are_computed_in_float32():
    content = random_images(1, 3, 40, 40) * 100 + 1000
    style = random_images(1, 3, 40, 40, seed=1)
    expected = adain(content.bfloat16().float(), style.bfloat16().float())
    result = adain(content.bfloat16(), style.bfloat16())
    assert result.dtype == torch.bfloat16
    assert float((result.float() - expected).abs().mean()) < 0.05


@pytest.mark.parametrize(
    "encoder", [LiteEncoder(), VGGEncoder("vgg19", "random", allow_random=True)]
)
def test_the_frozen_encoder_gives_the_perceptual_encoders_features_inside(encoder):
    # At the border they differ: one pads by reflection, the other with zeros.
    layer = "relu3_2"
    part = EncoderPart(encoder.architecture, layer)
    copy_weights(part, encoder, layer)
    image = random_images(1, 3, 64, 80)
    expected = (image - encoder._mean) / encoder._std
    for name in encoder.layers[: encoder.layers.index(layer) + 1]:
        expected = encoder._layers[name](expected)
    features = part(image) / part.scale
    middle = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(features[middle], expected[middle], rtol=1e-4, atol=1e-4)
    assert not any(parameter.requires_grad for parameter in part.parameters())


def test_features_have_a_size_near_1_for_weights_of_any_scale():
    part = EncoderPart("lite", "relu3_4")
    weights = {k: v * 3 for k, v in part.convolutions.state_dict().items()}
    part.load_weights(weights)
    size = part(random_images(1, 3, 64, 64)).square().mean().sqrt()
    assert 0.5 < float(size) < 2


def test_the_decoder_mirrors_a_vgg():
    """Section 6 of the paper."""
    shapes = [
        tuple(m.weight.shape[:2])
        for m in make_decoder("vgg19", "relu4_1", 64)
        if hasattr(m, "weight")
    ]
    mirrored = [
        (256, 512),
        (256, 256),
        (256, 256),
        (256, 256),
        (128, 256),
        (128, 128),
        (64, 128),
        (64, 64),
    ]
    assert shapes == [*mirrored, (3, 64)]


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("layer", ["relu2_1", "relu3_1", "relu4_1"])
def test_every_encoder_and_layer_keeps_the_image_size(encoder, layer):
    network = build_network("adain", encoder=encoder, layer=layer, width=2).eval()
    assert network(random_images(1, 3, 13, 18)).shape == (1, 3, 13, 18)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (16, 24), (37, 51)])
def test_a_selected_style_gives_the_images_of_the_whole_network(network, size):
    images, style = random_images(2, 3, *size), random_images(1, 3, 45, 30, seed=1)
    selected = network.select([style])
    assert type(selected) is AdainStyleNetwork
    assert not selected.training
    expected = network(images, style.expand(2, -1, -1, -1))
    torch.testing.assert_close(selected(images), expected, rtol=0, atol=1e-5)


def test_each_image_of_a_batch_has_its_own_style(network):
    images, styles = random_images(3, 3, 24, 24), random_images(3, 3, 32, 40, seed=1)
    batch = network(images, styles)
    for image, style, stylized in zip(images, styles, batch, strict=True):
        alone = network.select([style[None]])(image[None])[0]
        torch.testing.assert_close(stylized, alone, rtol=0, atol=1e-5)
    assert float((batch[0] - network(images, styles.flip(0))[0]).abs().max().detach()) > 1e-3


def test_without_style_images_the_images_are_their_own_styles(network):
    images = random_images(2, 3, 24, 24)
    torch.testing.assert_close(network(images), network(images, images), rtol=0, atol=1e-5)


def test_a_mixture_decodes_the_weighted_mean_of_the_features(network):
    first, second = random_images(1, 3, 40, 32), random_images(1, 3, 24, 56, seed=1) ** 3
    image = random_images(1, 3, 24, 24, seed=2)
    ends = [network.select([style]) for style in (first, second)]
    mixed = network.select([first, second], [3, 1])
    features = [end.norm(end.encoder(image)) for end in ends]
    expected = 0.75 * features[0] + 0.25 * features[1]
    torch.testing.assert_close(mixed.norm(mixed.encoder(image)), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        blend_networks(*ends, 0.25).norm.weight, mixed.norm.weight, rtol=0, atol=1e-6
    )


def test_a_mixture_of_one_style_equals_that_style(network):
    style, other = random_images(1, 3, 40, 32), random_images(1, 3, 24, 56, seed=1)
    expected = network.select([style]).state_dict()
    for weights in (
        network.select([style], [0.3]).state_dict(),
        blend_networks(network.select([other]), network.select([style]), 1).state_dict(),
    ):
        assert all(torch.equal(weights[key], value) for key, value in expected.items())


def test_gradients_reach_only_the_decoder(network):
    network(random_images(1, 3, 16, 16), random_images(1, 3, 16, 16, seed=1)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.decoder.parameters())
    assert all(parameter.grad is None for parameter in network.encoder.parameters())
    network.zero_grad()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"encoder": "resnet"}, "network.encoder=resnet is unknown; choose one of lite, vgg19"),
        ({"layer": "relu9_1"}, "network.layer=relu9_1 is unknown; choose one of relu2_1"),
        ({"layer": "relu1_2"}, "network.layer=relu1_2 is unknown"),
        ({"width": 0}, "network.width=0"),
    ],
)
def test_an_invalid_argument_is_named(arguments, message):
    with pytest.raises(StyleNetError) as error:
        build_network("adain", **arguments)
    assert message in str(error.value)


@pytest.mark.parametrize("weights", [[0.0], [-1], [float("nan")], ["much"]])
def test_an_invalid_weight_is_refused(network, weights):
    with pytest.raises(StyleNetError, match="is not a number above 0"):
        network.select([random_images(1, 3, 8, 8)], weights)
