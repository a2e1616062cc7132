import inspect
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stylenet.errors import StyleNetError
from stylenet.networks import (
    JohnsonNetwork,
    available_networks,
    build_network,
    register_network,
)

JOHNSON = {"width": 2, "blocks": 1}
COMPACT = {"width": 4, "deep_width": 6, "deep_blocks": 1, "fine_blocks": 1}
ADAIN = {"width": 2, "layer": "relu2_1"}
SMALL = [
    ("johnson", JOHNSON),
    ("johnson", {**JOHNSON, "norm": "batch"}),
    ("johnson_multi", JOHNSON),
    ("compact", COMPACT),
    ("compact", {**COMPACT, "norm": "batch"}),
    ("compact", {**COMPACT, "head": "resize"}),
    ("adain", ADAIN),
    ("adain_style", ADAIN),
    ("modulated_adain", {**ADAIN, "hidden": 4}),
    ("johnson_dials", JOHNSON),
    ("compact_dials", COMPACT),
    ("any_style", {**COMPACT, "hidden": 4, "kernels": 2}),
]


def test_every_registered_network_is_tested_below():
    assert {name for name, _ in SMALL} == set(available_networks())


@settings(max_examples=150, deadline=None)
@given(
    small=st.sampled_from(SMALL),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    batch=st.integers(1, 3),
    training=st.booleans(),
)
def test_every_network_keeps_the_size_dtype_and_range_of_its_input(
    small, height, width, batch, training
):
    name, arguments = small
    torch.manual_seed(0)
    images = torch.rand(batch, 3, height, width)
    result = build_network(name, **arguments).train(training)(images)
    assert result.shape == images.shape
    assert result.dtype == images.dtype
    assert bool(((result >= 0) & (result <= 1)).all())  # also false for NaN


@pytest.mark.parametrize("name", available_networks())
def test_a_network_can_be_rebuilt_from_its_arguments(name):
    network = build_network(name)
    rebuilt = build_network(network.name, **json.loads(json.dumps(network.arguments)))
    assert network.arguments.keys() == inspect.signature(type(network)).parameters.keys()
    rebuilt.load_state_dict(network.state_dict())
    images = torch.rand(1, 3, 9, 9)
    assert torch.equal(rebuilt.eval()(images), network.eval()(images))


def test_arguments_include_the_defaults():
    network = build_network("johnson", width=2)
    assert network.name == "johnson"
    assert network.arguments == {"width": 2, "blocks": 5, "norm": "instance", "output": "tanh"}


def test_a_name_cannot_be_registered_twice():
    with pytest.raises(ValueError, match="johnson is registered already"):
        register_network("johnson")(type("Impostor", (JohnsonNetwork,), {}))
    assert type(build_network("johnson", width=1)) is JohnsonNetwork


def test_an_unknown_name_lists_the_available_networks():
    with pytest.raises(StyleNetError) as error:
        build_network("jonson")
    assert "jonson;" in str(error.value)
    assert all(name in str(error.value) for name in available_networks())


def test_an_unknown_argument_lists_the_valid_arguments():
    with pytest.raises(StyleNetError, match=r"no argument depth, speed; .*width, blocks, norm"):
        build_network("johnson", width=2, speed=1, depth=3)
