import pytest
import torch
from torch import nn

from stylenet.errors import StyleNetError
from stylenet.networks import build_network

NORMS = ["instance", "batch"]


def small(norm="instance", seed=0, **arguments):
    torch.manual_seed(seed)
    sizes = {"width": 4, "deep_width": 6, "deep_blocks": 1, "fine_blocks": 1, **arguments}
    return build_network("compact", norm=norm, **sizes)


def photos(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_default_network_is_small():
    network = build_network("compact")
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == 307_472
    assert count * 2 < 1e6  # bytes in half precision
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert {conv.padding_mode for conv in convolutions if conv.kernel_size != (1, 1)} == {"reflect"}


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_reach_every_parameter(norm):
    network = small(norm).train()
    (network(photos(2, 3, 32, 32)) * photos(2, 3, 32, 32, seed=1)).sum().backward()
    dead = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.isfinite().all() or not parameter.grad.any()
    ]
    assert dead == []


def test_a_flat_picture_stays_flat():
    # Not with instance norm, which blows rounding errors up where there is nothing else.
    network = small("batch").double().eval()
    result = network(torch.full((1, 3, 40, 24), 0.3, dtype=torch.float64))
    squares = result[..., :4, :4].repeat(1, 1, 10, 6)
    torch.testing.assert_close(result, squares, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "argument",
    [{"width": 0}, {"deep_width": -1}, {"deep_blocks": 0.5}, {"fine_blocks": "x"}, {"norm": "no"}],
)
def test_impossible_arguments_are_refused(argument):
    with pytest.raises(StyleNetError, match=f"network.{next(iter(argument))}"):
        build_network("compact", **argument)
