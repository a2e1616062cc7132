"""Networks with dials: scales and shifts as functions of stroke size and style weight."""

import math

import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.networks import (
    CompactNetwork,
    Dials,
    JohnsonNetwork,
    build_network,
    differ_only_in_norms,
    with_statistics,
)
from stylenet.networks.dials import DialNorm
from stylenet.networks.normalization import normalize_batch

SIZES = {
    "johnson_dials": {"width": 4, "blocks": 1},
    "compact_dials": {"width": 4, "deep_width": 4, "deep_blocks": 1, "fine_blocks": 1},
}
PLAIN = {"johnson_dials": JohnsonNetwork, "compact_dials": CompactNetwork}


def photos(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def make(name, trained=True, **more):
    torch.manual_seed(0)
    network = build_network(name, **SIZES[name], **more)
    if trained:
        for norm in (m for m in network.modules() if isinstance(m, DialNorm)):
            torch.nn.init.normal_(norm.weight, 1, 0.3)
            torch.nn.init.normal_(norm.bias, 0, 0.3)
        torch.nn.init.normal_(network.curves.weight, std=0.1)
    return network.eval()


@pytest.fixture(params=SIZES)
def network(request):
    return make(request.param)


def positions(network, *dials):
    return network.positions(torch.tensor(dials, dtype=torch.float64))


@pytest.mark.parametrize("name", SIZES)
def test_a_new_network_is_the_plain_one_wherever_the_dials_are(name):
    network = make(name, trained=False)
    torch.manual_seed(1)
    plain = build_network(name.removesuffix("_dials"), **network.body.arguments)
    network.initialize_from(plain)
    images = photos(3, 3, 24, 20)
    turned = positions(network, (1, 1), (0.5, 4), (1.7, 0.3)).float()
    expected = plain.eval()(images)
    torch.testing.assert_close(network(images, turned), expected, rtol=0, atol=1e-6)
    assert torch.equal(network.select(Dials(0.6, 3.0))(images), expected)


def test_each_image_is_stylized_at_its_own_position(network):
    network, images = network.double(), photos(3, 3, 30, 21).double()
    dials = [(1.0, 1.0), (2.0, 0.25), (0.7, 3.0)]
    together = network(images, positions(network, *dials))
    for image, stylized, values in zip(images, together, dials, strict=True):
        plain = network.select(Dials(*values))
        assert type(plain) is PLAIN[network.name]
        torch.testing.assert_close(plain(image[None])[0], stylized, rtol=0, atol=1e-10)
    assert (together[1] - network(images[1:2])[0]).abs().max() > 0.01
    middle = network(images, positions(network, (1, 1)))
    assert torch.equal(network(images), middle)


def test_scales_and_shifts_are_polynomials_of_both_logarithms(network):
    """Compared with a sum of terms, written out in Python's floats."""
    network, (stroke, weight) = network.double(), (1.6, 0.4)
    s, w = math.log(stroke) / math.log(2), math.log(weight) / math.log(4)
    terms = [w, w**2, w**3, s, s * w, s * w**2, s**2, s**2 * w, s**3]
    plain, rows = network.select(Dials(stroke, weight)), iter(network.curves.weight.tolist())
    changes = {}
    for name, norm in network.body.named_modules():
        if isinstance(norm, DialNorm):
            for key in ("weight", "bias"):
                changes[f"{name}.{key}"] = [
                    value + 6 * sum(a * b for a, b in zip(next(rows), terms, strict=True))
                    for value in getattr(norm, key).tolist()
                ]
    assert next(rows, None) is None
    for name, value in plain.state_dict().items():
        expected = network.body.state_dict()[name]
        if name in changes:
            expected = torch.tensor(changes[name], dtype=torch.float64)
        torch.testing.assert_close(value, expected, rtol=0, atol=1e-12)


def test_the_normalization_follows_its_formula():
    torch.manual_seed(0)
    norm = DialNorm(5, eps=1e-5).double()
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    features = photos(3, 5, 6, 7).double() * 3 - 1
    norm.changes = torch.randn(3, 10, dtype=torch.float64)
    result = norm(features)
    for image, change, normalized in zip(features, norm.changes, result, strict=True):
        for channel in range(5):
            values = image[channel].flatten().tolist()
            mean = sum(values) / len(values)
            variance = sum((value - mean) ** 2 for value in values) / len(values)
            expected = (image[channel] - mean) / (variance + 1e-5) ** 0.5
            expected = expected * (norm.weight[channel] + change[channel])
            expected = expected + norm.bias[channel] + change[5 + channel]
            torch.testing.assert_close(normalized[channel], expected, rtol=0, atol=1e-12)
    compiled = normalize_batch(features, *norm.scales_and_shifts(norm.changes), norm.eps)
    torch.testing.assert_close(result, compiled, rtol=0, atol=1e-12)


def test_turning_changes_scales_and_shifts_alone_and_in_place(network):
    plain = network.select(Dials(0.5, 4.0))
    shared = with_statistics(plain, lambda name, x: (x.mean((2, 3), keepdim=True), x[:, :, :1, :1]))
    before = {k: v.clone() for k, v in plain.state_dict().items()}
    places = {k: v.data_ptr() for k, v in plain.state_dict().items()}
    network.turn(plain, Dials(1.3, 0.5))
    after, expected = plain.state_dict(), network.select(Dials(1.3, 0.5)).state_dict()
    assert all(torch.equal(after[k], v) for k, v in expected.items())
    assert {k: v.data_ptr() for k, v in after.items()} == places
    changed = {k.rpartition(".")[0] for k, v in before.items() if not torch.equal(after[k], v)}
    norms = {n for n, m in plain.named_modules() if isinstance(m, torch.nn.InstanceNorm2d)}
    assert changed == norms
    # Networks that share the weights, as tiles and videos do, are turned with it.
    assert all(torch.equal(v, after[k]) for k, v in shared.state_dict().items())
    assert differ_only_in_norms([plain, network.select(Dials())])
    own = {p.data_ptr() for p in network.parameters()}
    assert not own & {p.data_ptr() for p in plain.parameters()}


@pytest.mark.parametrize("name", SIZES)
def test_the_ranges_are_arguments(name):
    network = make(name, largest_stroke=4.0, largest_style_weight=16)
    torch.testing.assert_close(
        positions(network, (4, 16), (0.25, 4), (1, 1)),
        torch.tensor([[1, 1], [-1, 0.5], [0, 0]], dtype=torch.float64),
    )
    network.select(Dials(4, 1 / 16))
    assert network.arguments["largest_stroke"] == 4.0


@pytest.mark.parametrize(
    ("dials", "message"),
    [
        (Dials(2.1), "stroke=2.1 is not a number of at least 0.5 and at most 2"),
        (Dials(0.4), "stroke=0.4 is not a number of at least 0.5"),
        (Dials(1.0, 5), "style_weight=5 is not a number of at least 0.25 and at most 4"),
        (Dials(1.0, 0), "style_weight=0 is not a number"),
        (Dials(math.nan), "stroke=nan is not a number"),
        (Dials("large"), "stroke=large is not a number"),
    ],
)
def test_values_out_of_range_are_refused(dials, message):
    with pytest.raises(StyleNetError, match=message):
        make("compact_dials").select(dials)


@pytest.mark.parametrize("key", ["degree", "largest_stroke", "largest_style_weight", "width"])
def test_impossible_arguments_are_refused(key):
    with pytest.raises(StyleNetError, match=f"network.{key}=0 is not a"):
        build_network("johnson_dials", **{key: 0})


def test_networks_of_another_size_are_no_start(network):
    plain = build_network(network.body.name, **{**network.body.arguments, "width": 8})
    with pytest.raises(StyleNetError, match="choose the same network options"):
        network.initialize_from(plain)
    with pytest.raises(StyleNetError, match="choose the same network options"):
        network.initialize_from(make(network.name, degree=2))
    copied = make(network.name, trained=False)
    copied.initialize_from(network)
    assert all(torch.equal(copied.state_dict()[k], v) for k, v in network.state_dict().items())
