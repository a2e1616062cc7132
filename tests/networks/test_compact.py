import pytest
import torch
import torch.nn.functional as F
from torch import nn

from stylenet.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from stylenet.errors import StyleNetError
from stylenet.networks import build_network
from stylenet.networks.resize import ResizeConvolution
from stylenet.networks.space_to_depth import depth_to_space

NORMS = ["instance", "batch"]
HEADS = ["resize", "subpixel"]


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
@pytest.mark.parametrize("head", HEADS)
def test_gradients_reach_every_parameter(norm, head):
    network = small(norm, head=head).train()
    (network(photos(2, 3, 32, 32)) * photos(2, 3, 32, 32, seed=1)).sum().backward()
    dead = [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.isfinite().all() or not parameter.grad.any()
    ]
    assert dead == []


def test_the_subpixel_head_repeats_one_square_on_a_flat_image():
    # Not with instance normalization, which amplifies rounding errors on flat features.
    network = small("batch").double().eval()
    result = network(torch.full((1, 3, 40, 24), 0.3, dtype=torch.float64))
    squares = result[..., :4, :4].repeat(1, 1, 10, 6)
    torch.testing.assert_close(result, squares, rtol=0, atol=1e-9)


def test_the_resize_head_leaves_no_grid_on_a_flat_image():
    network = small("batch", head="resize").double().eval()
    result = network(torch.full((1, 3, 40, 24), 0.3, dtype=torch.float64))
    torch.testing.assert_close(result, result[..., :1, :1].expand_as(result), rtol=0, atol=1e-9)


def test_the_resize_head_equals_upsampling_and_a_convolution():
    torch.manual_seed(0)
    layer = ResizeConvolution(5, 2, 4).double()
    features = torch.randn(2, 5, 6, 7, dtype=torch.float64)
    upsampled = F.interpolate(F.pad(features, (1, 1, 1, 1), mode="reflect"), scale_factor=4.0)
    expected = F.conv2d(upsampled, layer.weight, layer.bias, padding=4)[..., 4:-4, 4:-4]
    torch.testing.assert_close(depth_to_space(layer(features), 4), expected)


def test_a_resize_head_begins_with_the_subpixel_head_without_its_grid():
    trained = small("batch", head="subpixel").double().eval()
    network = small("batch", seed=1, head="resize").double().eval()
    network.initialize_from(trained)
    flat = torch.full((1, 3, 40, 24), 0.3, dtype=torch.float64)
    # All positions of a square get the mean of what they had.
    mean = torch.logit(trained(flat)[..., :4, :4]).mean((2, 3), keepdim=True)
    torch.testing.assert_close(torch.logit(network(flat)), mean.expand_as(flat))


def test_a_subpixel_head_without_a_grid_is_taken_over_exactly():
    original = small("batch", head="resize").double().eval()
    kernels, bias = original.head.folded_kernels()
    trained = small("batch", head="subpixel").double().eval()
    body = {k: v for k, v in original.state_dict().items() if not k.startswith("head.")}
    trained.load_state_dict({**body, "head.weight": kernels, "head.bias": bias})
    network = small("batch", seed=1, head="resize").double().eval()
    network.initialize_from(trained)
    images = photos(1, 3, 24, 40).double()
    torch.testing.assert_close(network(images), trained(images))


def test_other_sizes_are_refused_with_another_head_too():
    with pytest.raises(StyleNetError, match="width"):
        small(head="resize").initialize_from(small(head="subpixel", width=8))
    with pytest.raises(StyleNetError, match="subpixel"):
        small(head="subpixel").initialize_from(small(head="resize"))


def test_a_checkpoint_that_names_no_head_has_the_subpixel_head(tmp_path):
    """Checkpoints written before the option existed name none."""
    network = small().eval()
    assert isinstance(network.head, nn.Conv2d)
    assert network.arguments.pop("head") == "subpixel"
    save_checkpoint(tmp_path / "old.safetensors", network, CheckpointInfo("old", 1))
    loaded, _ = load_checkpoint(tmp_path / "old.safetensors")
    assert loaded.arguments["head"] == "subpixel"
    images = photos(1, 3, 20, 30)
    assert torch.equal(loaded(images), network(images))


@pytest.mark.parametrize(
    "argument",
    [
        {"head": "x"},
        {"width": 0},
        {"deep_width": -1},
        {"deep_blocks": 0.5},
        {"fine_blocks": "x"},
        {"norm": "no"},
    ],
)
def test_an_invalid_argument_is_named(argument):
    with pytest.raises(StyleNetError, match=f"network.{next(iter(argument))}"):
        build_network("compact", **argument)
