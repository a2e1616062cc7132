import pytest
import torch
import torch.nn.functional as F

from stylenet.networks.convolutions import OutputConvolution, UpsampleConvolution
from stylenet.networks.layers import InstanceNorm

SHAPES = [(1, 4, 2, 2), (2, 3, 6, 10), (3, 5, 8, 6)]


def features(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def reference_norm(layer, x):
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), unbiased=False, keepdim=True)
    normed = (x - mean) / (variance + layer.eps).sqrt()
    return normed * layer.weight.view(-1, 1, 1) + layer.bias.view(-1, 1, 1)


def reference_upsampling(layer, x):
    doubled = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return F.conv2d(F.pad(doubled, (1, 1, 1, 1), mode="reflect"), layer.weight)


def reference_output(layer, x):
    margin = layer.kernel_size[0] // 2
    return F.conv2d(F.pad(x, (margin,) * 4, mode="reflect"), layer.weight, layer.bias)


def make_norm(channels):
    layer = InstanceNorm(channels)
    torch.nn.init.normal_(layer.weight)
    torch.nn.init.normal_(layer.bias)
    return layer


CASES = [
    (make_norm, reference_norm),
    (lambda channels: UpsampleConvolution(channels, 7), reference_upsampling),
    (lambda channels: OutputConvolution(channels, 3), reference_output),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("make", "reference"), CASES)
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_a_layer_and_its_gradients_match_the_plain_formula(make, reference, shape, memory):
    torch.manual_seed(0)
    layer = make(shape[1]).double().to(memory_format=memory)
    x = features(*shape).detach().contiguous(memory_format=memory).requires_grad_()
    inputs = [x, *layer.parameters()]
    result, expected = layer(x), reference(layer, x)
    torch.testing.assert_close(result, expected)
    weights = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad((result * weights).sum(), inputs),
        torch.autograd.grad((expected * weights).sum(), inputs),
    )


@pytest.mark.parametrize("kernel", [1, 3, 5, 9])
def test_the_output_convolution_takes_any_odd_kernel(kernel):
    torch.manual_seed(0)
    layer, x = OutputConvolution(2, kernel).double(), features(1, 2, 12, 8)
    torch.testing.assert_close(layer(x), reference_output(layer, x))


def test_each_image_of_a_batch_is_normalized_on_its_own():
    layer, x = make_norm(3), features(2, 3, 4, 4).float()
    alone = torch.cat([layer(image) for image in x.split(1)])
    assert torch.equal(layer(x), alone)


def test_channels_far_from_zero_are_normalized_exactly():
    # mean(x²) - mean(x)² would lose all digits here.
    x = features(1, 2, 64, 64).detach() + 1e4
    layer = make_norm(2)
    result, expected = layer(x.float()), reference_norm(layer.double(), x.float().double())
    torch.testing.assert_close(result.double(), expected, atol=1e-3, rtol=1e-3)
