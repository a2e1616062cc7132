import pytest
import torch
from torch import nn

from stylenet.errors import StyleNetError
from stylenet.networks import build_network

NORMS = ["instance", "batch"]


def small(norm="instance", width=2, blocks=1, seed=0):
    torch.manual_seed(seed)
    return build_network("johnson", width=width, blocks=blocks, norm=norm)


def photos(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def convolutions(network):
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (2, 64), (8, 8), (31, 33), (1, 201)])
def test_even_the_smallest_images_keep_their_size(size):
    assert small()(photos(1, 3, *size)).shape[-2:] == size


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale", [0, 1e-9, -1, 1e3, 1e6, -1e6])
def test_output_stays_in_range_for_extreme_weights(norm, scale):
    network = small(norm)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(scale)
    result = network(photos(2, 3, 12, 12))
    assert bool(((result >= 0) & (result <= 1)).all())


def test_the_output_reaches_0_and_1():
    network = small()
    with torch.no_grad():
        network.head.bias.copy_(torch.tensor([-50.0, 0.0, 50.0]))
        network.head.weight.zero_()
    assert network(photos(1, 3, 8, 8)).amax((0, 2, 3)).tolist() == [0.0, 0.5, 1.0]


def test_the_default_network_has_the_papers_layers():
    network = build_network("johnson")
    shapes = [
        (conv.in_channels, conv.out_channels, *conv.kernel_size, *conv.stride)
        for conv in convolutions(network)
    ]
    assert shapes == [
        (3, 32, 9, 9, 1, 1),
        (32, 64, 3, 3, 2, 2),
        (64, 128, 3, 3, 2, 2),
        *[(128, 128, 3, 3, 1, 1)] * 10,
        (128, 64, 3, 3, 1, 1),
        (64, 32, 3, 3, 1, 1),
        (32, 3, 9, 9, 1, 1),
    ]
    # Convolutions, scale and shift for each channel of the 15 normalized ones, the head's bias.
    weights = sum(i * o * h * w for i, o, h, w, *_ in shapes)
    scales = 2 * sum(o for _, o, *_ in shapes[:-1])
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == weights + scales + 3
    assert round(count / 1e6, 2) == 1.68


def test_convolutions_pad_by_reflection_and_none_is_transposed():
    network = build_network("johnson", width=1)
    assert {conv.padding_mode for conv in convolutions(network)} == {"reflect"}
    assert not any("Transpose" in type(module).__name__ for module in network.modules())


@pytest.mark.parametrize("size", [(33, 47), (8, 1)])
def test_a_flat_image_gets_no_border_bands_and_no_checkerboard(size):
    # Not with instance normalization, which amplifies rounding errors on flat features.
    network = small("batch", width=4, blocks=2).double().eval()
    result = network(torch.full((1, 3, *size), 0.3, dtype=torch.float64))
    torch.testing.assert_close(result, result[..., :1, :1].expand_as(result), rtol=0, atol=1e-9)


def test_instance_norm_keeps_no_statistics():
    network = small("instance")
    assert not list(network.buffers())
    assert not [key for key in network.state_dict() if "running" in key]
    images = photos(2, 3, 16, 16)
    assert torch.equal(network.train()(images), network.eval()(images))


def test_batch_norm_learns_running_statistics():
    network = small("batch")
    before = {key: value.clone() for key, value in network.named_buffers() if "running" in key}
    assert len(before) == 2 * 7
    network.train()(photos(2, 3, 16, 16))
    after = dict(network.named_buffers())
    assert not any(torch.equal(value, after[key]) for key, value in before.items())


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_reach_every_parameter(norm):
    network = small(norm, width=4, blocks=2).train()
    images = photos(2, 3, 16, 16)
    (network(images) * photos(2, 3, 16, 16, seed=1)).sum().backward()
    dead = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.isfinite().all() or not parameter.grad.any()
    ]
    assert dead == []


def test_an_image_does_not_depend_on_the_rest_of_its_batch():
    network = small(width=4).double()
    images = photos(3, 3, 13, 18).double()
    alone = torch.cat([network(image.unsqueeze(0)) for image in images])
    torch.testing.assert_close(network(images), alone, rtol=0, atol=1e-12)


def test_bfloat16_autocast_stays_close_to_float32():
    network = small(width=8, blocks=3)
    images = photos(2, 3, 24, 24)
    with torch.autocast("cpu", torch.bfloat16):
        result = network(images)
    expected = network(images)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected, rtol=0, atol=0.05)
    assert expected.std() > 0.1  # the outputs vary more than the tolerance
    # The output has finer steps than bfloat16 has just below 1.
    assert not torch.equal(result, result.bfloat16().float())


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("width", value) for value in (0, -4, 2.5, "abc", None, True, float("nan"))],
        *[("blocks", value) for value in (-1, 1.0, "5")],
        *[("norm", value) for value in ("layer", "", None, 3)],
    ],
)
def test_an_invalid_argument_is_named(option, value):
    with pytest.raises(StyleNetError, match=f"^network.{option}={value} is "):
        build_network("johnson", **{option: value})


@pytest.mark.parametrize("blocks", [0, 3])
def test_blocks_sets_the_number_of_residual_blocks(blocks):
    assert len(convolutions(small(blocks=blocks))) == 6 + 2 * blocks
