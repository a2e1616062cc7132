import inspect
import json

import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.networks import (
    JohnsonNetwork,
    available_networks,
    build_network,
    register_network,
)


@pytest.mark.parametrize("name", available_networks())
@pytest.mark.parametrize("size", [(1, 1), (7, 1), (13, 18)])
def test_every_network_keeps_size_and_range(name, size):
    images = torch.rand(2, 3, *size)
    result = build_network(name).eval()(images)
    assert result.shape == images.shape
    assert result.dtype == images.dtype
    assert bool(((result >= 0) & (result <= 1)).all())


@pytest.mark.parametrize("name", available_networks())
def test_every_network_is_rebuilt_from_the_arguments_it_names(name):
    network = build_network(name)
    again = build_network(network.name, **json.loads(json.dumps(network.arguments)))
    assert network.arguments.keys() == inspect.signature(type(network)).parameters.keys()
    again.load_state_dict(network.state_dict())
    images = torch.rand(1, 3, 9, 9)
    assert torch.equal(again.eval()(images), network.eval()(images))


def test_arguments_are_complete_with_defaults():
    network = build_network("johnson", width=2)
    assert network.name == "johnson"
    assert network.arguments == {"width": 2, "blocks": 5, "norm": "instance", "output": "tanh"}


def test_a_name_cannot_be_registered_twice():
    with pytest.raises(ValueError, match="johnson is registered already"):
        register_network("johnson")(type("Impostor", (JohnsonNetwork,), {}))
    assert type(build_network("johnson", width=1)) is JohnsonNetwork


def test_an_unknown_name_lists_those_available():
    with pytest.raises(StyleNetError) as error:
        build_network("jonson")
    assert "jonson;" in str(error.value)
    assert all(name in str(error.value) for name in available_networks())


def test_an_unknown_argument_lists_the_valid_ones():
    with pytest.raises(StyleNetError, match=r"no argument depth, speed; .*width, blocks, norm"):
        build_network("johnson", width=2, speed=1, depth=3)
