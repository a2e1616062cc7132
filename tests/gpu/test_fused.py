"""Fused networks compared with PyTorch's own operations in float64."""

import pytest
import torch
import torch.nn.functional as F

from stylenet.inference.forward import make_forward
from stylenet.networks import Dials, build_network, can_fuse, fuse, with_statistics
from stylenet.networks.convolutions import UpsampleConvolution, phase_kernels
from stylenet.networks.space_to_depth import space_to_depth

pytest.importorskip("triton")

SMALL = {
    "johnson": {"width": 4, "blocks": 1},
    "compact": {"width": 4, "deep_width": 8, "deep_blocks": 1, "fine_blocks": 1},
}
CASES = [
    ("johnson", SMALL["johnson"]),
    ("johnson", {"width": 3, "blocks": 0, "output": "linear"}),
    ("compact", SMALL["compact"]),
    ("compact", {**SMALL["compact"], "head": "resize"}),
]
SIZES = [(16, 24), (13, 9), (18, 11), (3, 2)]


def pair(number, size):
    """A case at a size; make test takes two sizes, and one for the variants of few layers."""
    slow = size not in ([(13, 9)] if number in (1, 3) else [(13, 9), (3, 2)])
    name = f"{CASES[number][0]}{number}-{size[0]}x{size[1]}"
    return pytest.param(*CASES[number], size, id=name, marks=[pytest.mark.slow] if slow else [])


def kernels():
    from stylenet.networks.fused import kernels

    return kernels


def random_features(*shape, device, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(*shape, generator=generator) * 3 + 5
    return features.contiguous(memory_format=torch.channels_last).to(device)


def instance_norm(features, weight, bias):
    return F.instance_norm(features.double(), weight=weight.double(), bias=bias.double(), eps=1e-5)


def random_scale_and_shift(channels, device):
    generator = torch.Generator().manual_seed(1)
    return (torch.randn(channels, generator=generator).to(device) for _ in range(2))


@pytest.mark.parametrize("shape", [(1, 6, 10, 12), (2, 5, 64, 70), (2, 130, 4, 6)])
def test_statistics_match_instance_normalization(shape, device):
    features = random_features(*shape, device=device)
    weight, bias = random_scale_and_shift(shape[1], device)
    scale, shift = kernels().instance_statistics(features, weight, bias, 1e-5)
    result = features * scale[..., None, None] + shift[..., None, None]
    torch.testing.assert_close(
        result.double(), instance_norm(features, weight, bias), rtol=1e-5, atol=2e-5
    )


@pytest.mark.parametrize("padding", ["reflect", "replicate"])
@pytest.mark.parametrize("margin", [0, 1])
def test_one_pass_normalizes_adds_activates_and_pads(padding, margin, device):
    module = kernels()
    features = random_features(2, 6, 10, 12, device=device)
    weight, bias = random_scale_and_shift(6, device)
    scale, shift = module.instance_statistics(features, weight, bias, 1e-5)
    wide = F.pad(random_features(2, 6, 10, 12, device=device, seed=2), (1,) * 4)
    residual = wide.contiguous(memory_format=torch.channels_last)[..., 1:-1, 1:-1]
    result = module.transform(
        features,
        scale,
        shift,
        (10, 12),
        margin=margin,
        padding=padding,
        activation=module.RELU,
        residual=residual,
    )
    expected = (instance_norm(features, weight, bias) + residual).relu()
    expected = F.pad(expected, (margin,) * 4, mode=padding)
    torch.testing.assert_close(result.double(), expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(("side", "margin", "cells"), [(2, 4, False), (4, 1, True)])
def test_pixels_are_rearranged_into_padded_squares(side, margin, cells, device):
    module = kernels()
    images = torch.rand(2, 3, 8, 12, device=device)
    scale, shift = torch.full((1, 3), 2.0, device=device), torch.full((1, 3), -1.0, device=device)
    layout = module.Layout(side)
    result = module.transform(
        images, scale, shift, (8, 12), out_layout=layout, margin=margin, pad_cells=cells
    )
    expected = images * 2 - 1
    if cells:
        expected = F.pad(space_to_depth(expected, side), (margin,) * 4, mode="reflect")
    else:
        expected = space_to_depth(F.pad(expected, (margin,) * 4, mode="reflect"), side)
    torch.testing.assert_close(result, expected)


def test_phases_of_an_upsampling_convolution_are_read_without_rearranging(device):
    module = kernels()
    features = random_features(2, 6, 5, 7, device=device)
    torch.manual_seed(0)
    layer = UpsampleConvolution(6, 4).to(device).requires_grad_(False)
    padded = F.pad(features, (1,) * 4, mode="replicate")
    phases = F.conv2d(padded, phase_kernels(layer.weight))
    phases = phases.contiguous(memory_format=torch.channels_last)
    weight, bias = random_scale_and_shift(4, device)
    scale, shift = module.instance_statistics(phases, weight, bias, 1e-5, module.PHASES)
    result = module.transform(phases, scale, shift, (10, 14), layout=module.PHASES)
    upsampled = F.interpolate(features, scale_factor=2.0)
    expected = F.conv2d(F.pad(upsampled, (1,) * 4, mode="reflect"), layer.weight)
    expected = instance_norm(expected, weight, bias)
    torch.testing.assert_close(result.double(), expected, rtol=1e-3, atol=5e-3)


@pytest.mark.parametrize(
    ("name", "arguments", "size"), [pair(number, size) for number in range(4) for size in SIZES]
)
@torch.no_grad()
def test_a_fused_network_gives_the_networks_images(name, arguments, size, device):
    torch.manual_seed(0)
    network = build_network(name, **arguments).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    images = torch.rand(2, 3, *size)
    expected = network.double()(images.double())
    fused = fuse(network.float().to(device), torch.float32)
    result = fused(images.to(device))
    assert result.shape == images.shape
    assert result.dtype == torch.float32
    # GPUs multiply float32 in TF32, which has 10 bits of mantissa instead of 23.
    tolerance = 1e-4 if device.type == "cpu" else 2e-2
    torch.testing.assert_close(result.cpu().double(), expected, rtol=0, atol=tolerance)


@torch.no_grad()
def test_a_fused_network_is_turned_with_its_plain_one(device):
    """Fused normalizations share the scales and shifts, so that nothing is compiled again."""
    torch.manual_seed(0)
    network = build_network("compact_dials", **SMALL["compact"]).eval()
    torch.nn.init.normal_(network.curves.weight, std=0.3)
    plain = network.select(Dials()).to(device)
    fused = fuse(plain, torch.float32)
    images = torch.rand(1, 3, 13, 9, device=device)
    before = fused(images)
    network.turn(plain, Dials(0.5, 4.0))
    result = fused(images)
    tolerance = 1e-4 if device.type == "cpu" else 2e-2
    torch.testing.assert_close(result, plain(images), rtol=0, atol=tolerance)
    assert (result - before).abs().max() > 0.05


def test_a_network_with_external_statistics_is_not_fused_or_recorded():
    # Fused or recorded, a smoothed video would use each frame's own statistics.
    network = with_statistics(build_network("johnson", width=2), lambda name, features: None)
    device = torch.device("cuda")
    assert make_forward(network, network, device, torch.bfloat16, 400.0) is network


def test_can_fuse_accepts_only_instance_normalization_on_cuda(monkeypatch):
    cuda = torch.device("cuda")
    batch = build_network("johnson", width=2, norm="batch")
    assert can_fuse(build_network("johnson", width=2), cuda)
    assert can_fuse(build_network("compact", width=4), cuda)
    assert not can_fuse(batch, cuda)
    assert not can_fuse(build_network("adain_style"), cuda)
    assert not can_fuse(build_network("johnson", width=2), torch.device("cpu"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not can_fuse(build_network("johnson", width=2), cuda)
