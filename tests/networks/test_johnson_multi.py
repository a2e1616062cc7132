import copy

import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.networks import (
    JohnsonNetwork,
    add_styles,
    blend_networks,
    build_network,
    join_style_names,
    parse_mixture,
)
from stylenet.networks.johnson_multi import ConditionalInstanceNorm
from stylenet.networks.normalization import normalize_batch

NAMES = ["starry", "mosaic", "ink"]


def photos(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network():
    """Network of three styles with random scales and shifts."""
    torch.manual_seed(0)
    network = build_network("johnson_multi", styles=NAMES, width=4, blocks=2)
    with torch.no_grad():
        for name in NAMES:
            for parameter in network.norm_parameters(name):
                parameter.add_(torch.randn_like(parameter))
    return network.eval()


def test_the_normalization_follows_its_formula():
    torch.manual_seed(0)
    norm = ConditionalInstanceNorm(5, 3, eps=1e-5).double()
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter)
    features = photos(4, 5, 6, 7).double() * 3 - 1
    norm.styles = torch.tensor([2, 0, 2, 1])
    result = norm(features)
    for image, style, normalized in zip(features, [2, 0, 2, 1], result, strict=True):
        for channel in range(5):
            values = image[channel].flatten().tolist()
            mean = sum(values) / len(values)
            variance = sum((value - mean) ** 2 for value in values) / len(values)
            expected = (image[channel] - mean) / (variance + 1e-5) ** 0.5
            expected = expected * norm.weights[style][channel] + norm.biases[style][channel]
            torch.testing.assert_close(normalized[channel], expected, rtol=0, atol=1e-12)


def test_the_normalization_for_compilers_gives_the_same_result():
    torch.manual_seed(0)
    norm = ConditionalInstanceNorm(5, 3, eps=1e-5).double()
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter)
    features = photos(4, 5, 6, 7).double()
    norm.styles = torch.tensor([2, 0, 2, 1])
    compiled_form = normalize_batch(features, *norm._scales_and_shifts(), norm.eps)
    torch.testing.assert_close(compiled_form, norm(features), rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(16, 24), (1, 1), (13, 9)])
def test_a_selected_style_gives_the_images_of_the_whole_network(network, size):
    images = photos(3, 3, *size)
    for index, name in enumerate(NAMES):
        selected = network.select({name: 1.0})
        assert type(selected) is JohnsonNetwork
        assert (selected.name, selected.arguments["width"]) == ("johnson", 4)
        assert not selected.training
        assert torch.equal(selected(images), network(images, torch.full((3,), index)))


def test_each_image_of_a_batch_has_its_own_style(network):
    images = photos(3, 3, 16, 16)
    batch = network(images, torch.tensor([1, 0, 2]))
    for image, index, stylized in zip(images, [1, 0, 2], batch, strict=True):
        alone = network.select({NAMES[index]: 1.0})(image[None])[0]
        torch.testing.assert_close(stylized, alone, rtol=0, atol=1e-5)
    assert torch.equal(network(images), network(images, torch.zeros(3, dtype=torch.long)))


def test_a_mixture_is_the_weighted_mean_of_scales_and_shifts(network):
    mixed = network.double().select({"mosaic": 3, "starry": 1})
    ends = [network.select({name: 1}).state_dict() for name in ("mosaic", "starry")]
    for key, value in mixed.state_dict().items():
        expected = 0.75 * ends[0][key] + 0.25 * ends[1][key]
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)
    assert mixed.state_dict()["down.0.1.weight"].dtype == torch.float64


@pytest.mark.parametrize("weight", [1, 0.3, 7])
def test_a_mixture_of_one_style_equals_that_style(network, weight):
    expected = network.select({"mosaic": 1.0}).state_dict()
    for key, value in network.select({"mosaic": weight}).state_dict().items():
        assert torch.equal(value, expected[key]), key


@pytest.mark.parametrize("fraction", [0, 0.25, 1])
def test_blending_two_styles_equals_their_mixture(network, fraction):
    ends = [network.select({name: 1.0}) for name in ("mosaic", "starry")]
    blended = blend_networks(*ends, fraction).state_dict()
    mixture = {"mosaic": 1 - fraction, "starry": fraction}
    expected = network.select({name: weight for name, weight in mixture.items() if weight})
    tolerance = 1e-6 if fraction == 0.25 else 0
    for key, value in expected.state_dict().items():
        torch.testing.assert_close(blended[key], value, rtol=0, atol=tolerance)


def test_gradients_reach_only_the_styles_of_the_batch(network):
    images = photos(2, 3, 16, 16)
    stylized = network(images, torch.tensor([0, 2]))
    (stylized * photos(2, 3, 16, 16, seed=1)).sum().backward()
    for name in NAMES:
        reached = [bool(p.grad.any()) for p in network.norm_parameters(name)]
        assert reached == [name != "mosaic"] * len(reached), name
    # Absent styles have gradients of zero, because distributed training waits for them.
    assert all(p.grad is not None for p in network.parameters())


def test_training_added_styles_leaves_the_old_styles_unchanged(network):
    before = copy.deepcopy(network.state_dict())
    larger = add_styles(network, ["wave", "woodblock"])
    assert larger.styles == [*NAMES, "wave", "woodblock"]
    assert larger.arguments["styles"] == larger.styles
    trained = {id(p) for p in larger.parameters() if p.requires_grad}
    new = [p for name in ("wave", "woodblock") for p in larger.norm_parameters(name)]
    assert trained == {id(p) for p in new}
    means = zip(*(network.norm_parameters(name) for name in NAMES), strict=True)
    for parameter, olds in zip(larger.norm_parameters("wave"), means, strict=True):
        torch.testing.assert_close(parameter, torch.stack(olds).mean(0))
    optimizer = torch.optim.Adam([p for p in larger.parameters() if p.requires_grad], lr=0.1)
    larger(photos(2, 3, 16, 16), torch.tensor([3, 4])).square().sum().backward()
    optimizer.step()
    images = photos(1, 3, 16, 16)
    for name in NAMES:
        assert torch.equal(larger.select({name: 1})(images), network.select({name: 1})(images))
    assert not torch.equal(
        larger.select({"wave": 1})(images), larger.select({"woodblock": 1})(images)
    )
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_style_cannot_be_added_twice(network):
    with pytest.raises(StyleNetError, match="names ink twice"):
        add_styles(network, ["ink"])


@pytest.mark.parametrize(
    "mixture",
    [{"ink": 0.0}, {"ink": -1}, {"ink": float("nan")}, {"ink": "much"}, {"ink": True}],
)
def test_an_invalid_weight_is_named(network, mixture):
    with pytest.raises(StyleNetError, match=r"style=ink=.* is not a number above 0"):
        network.select(mixture)


@pytest.mark.parametrize("mixture", [{}, {"wave": 1}, {"ink": 1, "wave": 1}])
def test_an_unknown_style_lists_the_networks_styles(network, mixture):
    with pytest.raises(StyleNetError, match="its styles are starry, mosaic, ink"):
        network.select(mixture)


@pytest.mark.parametrize("styles", [None, [], "starry", [""], [1], ["a", "a"], ["a,b"], ["a:1"]])
def test_invalid_style_names_are_refused(styles):
    with pytest.raises(StyleNetError, match="styles"):
        build_network("johnson_multi", styles=styles, width=2)


@pytest.mark.parametrize(
    ("text", "mixture"),
    [
        ("starry", {"starry": 1}),
        ("starry:0.6,mosaic:0.4", {"starry": 0.6, "mosaic": 0.4}),
        (" starry : 2 , ink", {"starry": 2, "ink": 1}),
    ],
)
def test_a_mixture_is_parsed(text, mixture):
    assert parse_mixture(text) == mixture


@pytest.mark.parametrize("weight", ["0", "-0.5", "nan", "inf", "much", ""])
def test_a_weight_must_be_a_number_above_0(weight):
    with pytest.raises(StyleNetError, match="is not a number above 0"):
        parse_mixture(f"starry:{weight},mosaic:0.5")


@pytest.mark.parametrize("text", ["", ",", "starry,", ":0.5", "ink:1,ink:2"])
def test_a_malformed_mixture_is_refused(text):
    with pytest.raises(StyleNetError, match=r"^style="):
        parse_mixture(text)


def test_joined_style_names_fit_into_a_file_name():
    assert join_style_names(["starry", "mosaic"]) == "starry+mosaic"
    assert join_style_names([f"style{i}" for i in range(32)]) == "style0+31"


def test_styles_start_from_those_of_a_trained_network(network):
    new = build_network("johnson_multi", styles=["ink", "candy"], width=4, blocks=2).eval()
    before = copy.deepcopy(network.state_dict())
    new.initialize_from(network)
    assert new.styles == ["ink", "candy"]
    images = photos(2, 3, 16, 12)
    ink, mean = network.select({"ink": 1}), network.select(dict.fromkeys(NAMES, 1))
    assert torch.equal(new(images, torch.tensor([0, 0])), ink(images))
    assert torch.equal(new(images, torch.tensor([1, 1])), mean(images))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_styles_start_from_a_network_of_one_style(network):
    trained = network.select({"mosaic": 1})
    new = build_network("johnson_multi", styles=["ink", "candy"], width=4, blocks=2).eval()
    new.initialize_from(trained)
    images = photos(2, 3, 16, 12)
    assert torch.equal(new(images, torch.tensor([0, 1])), trained(images))


@pytest.mark.parametrize(
    "other",
    [
        ("johnson_multi", {"styles": NAMES, "width": 5, "blocks": 2}),
        ("johnson", {"width": 4, "blocks": 2, "norm": "batch"}),
        ("compact", {}),
    ],
)
def test_a_network_cannot_start_from_another_architecture(network, other):
    name, arguments = other
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(StyleNetError, match="choose the same network options"):
        network.initialize_from(build_network(name, **arguments))
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
