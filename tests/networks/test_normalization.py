import pytest
import torch
import torch.nn.functional as F

from stylenet.networks import build_network, moments, pool_moments
from stylenet.networks.layers import InstanceNorm

# More pixels than a single call handles, and a width that does not divide the size of a part.
LARGE = (1, 2, 1200, 1003)


def image(shape=LARGE, dtype=torch.float32, memory=torch.channels_last):
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(shape, generator=generator) * 3 + 1
    return values.to(dtype).contiguous(memory_format=memory)


def reference(features, eps=0.0):
    """Instance normalization in float64, with scale 1 and shift 0."""
    features = features.double()
    mean = features.mean((2, 3), keepdim=True)
    variance = (features - mean).square().mean((2, 3), keepdim=True)
    return (features - mean) / (variance + eps).sqrt()


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [LARGE, (1, 3, 1, 1), (1, 1, 5, 20_000), (1, 4, 70, 1)])
def test_mean_and_variance_are_exact(shape, dtype, memory):
    features = image(shape, dtype, memory)
    mean, variance = moments(features)
    assert mean.dtype == variance.dtype == (dtype if dtype == torch.float64 else torch.float32)
    exact = features.double()
    tolerance = 1e-12 if dtype == torch.float64 else 3e-6
    for result, expected in (
        (mean, exact.mean((0, 2, 3))),
        (variance, exact.var((0, 2, 3), correction=0)),
    ):
        torch.testing.assert_close(result.double(), expected, rtol=tolerance, atol=tolerance)


def test_mean_and_variance_of_a_non_contiguous_slice():
    view = image()[..., 10:-3, 5:-40]
    torch.testing.assert_close(moments(view), moments(view.clone()), rtol=1e-6, atol=1e-6)


def test_pooled_moments_of_parts_equal_those_of_the_whole():
    whole = image(dtype=torch.float64)
    parts = whole.split([100, 1, 1099], dim=2)
    counts = [part.shape[-2] * part.shape[-1] for part in parts]
    pooled = pool_moments(counts, *zip(*map(moments, parts), strict=True))
    torch.testing.assert_close(pooled, moments(whole))


@torch.inference_mode()
def test_a_large_image_is_normalized_as_exactly_as_a_small_one():
    # One float32 sum over all pixels is off by 5e-4 here, and by 0.1 for twelve times as many.
    norm = InstanceNorm(2)
    assert (norm(image()).double() - reference(image(), norm.eps)).abs().max() < 1e-5


def test_gradients_of_a_large_image_are_exact():
    norm = InstanceNorm(2)
    weights = torch.randn(LARGE, generator=torch.Generator().manual_seed(1))
    features, exact = image().requires_grad_(), image().requires_grad_()
    (norm(features) * weights).sum().backward()
    weight_gradient = norm.weight.grad.clone()
    norm.weight.grad = None
    expected = F.instance_norm(exact.double(), eps=norm.eps) * norm.weight.view(-1, 1, 1)
    (expected * weights).sum().backward()
    torch.testing.assert_close(features.grad, exact.grad, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(weight_gradient, norm.weight.grad, rtol=1e-3, atol=1e-1)


@torch.inference_mode()
@pytest.mark.parametrize(
    "name", ["johnson", pytest.param("johnson_multi", marks=pytest.mark.slow), "compact"]
)
def test_a_large_image_is_stylized_as_in_float64(name):
    torch.manual_seed(0)
    small = {"deep_blocks": 1} if name == "compact" else {"width": 4, "blocks": 1}
    network = build_network(name, **small).eval()
    photo = F.interpolate(torch.rand(1, 3, 20, 30), (700, 900), mode="bicubic").clamp(0, 1)
    result = network(photo)
    assert (result.double() - network.double()(photo.double())).abs().max() < 1e-4
