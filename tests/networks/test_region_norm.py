import pytest
import torch
import torch.nn.functional as F

from stylenet.networks import (
    build_network,
    differ_only_in_norms,
    mix_styles,
    moments,
    with_statistics,
)


def networks(dtype=torch.float64, count=3):
    torch.manual_seed(0)
    multi = build_network("johnson_multi", styles=list("abc"), width=4, blocks=1)
    for parameter in multi.parameters():
        if parameter.ndim == 1:  # scales and shifts of the styles
            torch.nn.init.normal_(parameter, 1, 0.5)
    return [multi.select({style: 1.0}).to(dtype).eval() for style in "abc"[:count]]


def weights_of(height, width, count=3):
    random = torch.rand(count, height, width, dtype=torch.float64)
    return random / random.sum(0)


class ReferenceNorm(torch.nn.Module):
    """Dumoulin et al., eq. 5, with scale and shift interpolated at each pixel."""

    def __init__(self, norms, weights):
        super().__init__()
        self.norms, self.weights = norms, weights

    def forward(self, features):
        factor = self.weights.shape[-1] // features.shape[-1]
        weights = F.avg_pool2d(self.weights[None], factor)[0]
        return sum(
            weight * F.instance_norm(features, weight=norm.weight, bias=norm.bias, eps=norm.eps)
            for weight, norm in zip(weights, self.norms, strict=True)
        )


@torch.no_grad()
def test_scales_and_shifts_are_mixed_at_each_pixel():
    styles, weights = networks(), weights_of(24, 32)
    images = torch.rand(2, 3, 24, 32, dtype=torch.float64)
    mixed = mix_styles(styles, lambda box: weights, (24, 32))
    reference = mix_styles(styles, lambda box: weights, (24, 32))
    for name, module in list(styles[0].named_modules()):
        if isinstance(module, torch.nn.InstanceNorm2d):
            parent, _, child = name.rpartition(".")
            norms = [network.get_submodule(name) for network in styles]
            setattr(reference.get_submodule(parent), child, ReferenceNorm(norms, weights))
    torch.testing.assert_close(mixed(images), reference(images), rtol=0, atol=1e-12)
    assert (mixed(images) - styles[0](images)).abs().max() > 0.1


@torch.no_grad()
@pytest.mark.parametrize("size", [(9, 7), (33, 50)])
def test_one_style_everywhere_is_its_network(size):
    styles = networks()
    images = torch.rand(1, 3, *size, dtype=torch.float64)
    for index, style in enumerate(styles):
        weights = torch.zeros(3, *size, dtype=torch.float64)
        weights[index] = 1
        mixed = mix_styles(styles, lambda box, weights=weights: weights, size)
        torch.testing.assert_close(mixed(images), style(images), rtol=0, atol=1e-9)


@torch.no_grad()
def test_external_statistics_replace_those_of_the_image():
    styles, weights = networks(), weights_of(16, 16)
    mixed = mix_styles(styles, lambda box: weights, (16, 16))
    images = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    names = []

    def take(name, features):
        names.append(name)
        return moments(features)

    torch.testing.assert_close(with_statistics(mixed, take)(images), mixed(images))
    assert len(set(names)) == len(names) == 7
    other = with_statistics(mixed, lambda name, x: tuple(2 * m for m in moments(x)))(images)
    assert (other - mixed(images)).abs().max() > 0.01


def test_only_styles_of_one_network_can_be_mixed():
    styles = networks()
    assert differ_only_in_norms(styles)
    assert not differ_only_in_norms([styles[0], networks()[1], build_network("compact")])
    torch.manual_seed(1)
    assert not differ_only_in_norms([styles[0], build_network("johnson", width=4, blocks=1)])
    batch = build_network("johnson", width=2, blocks=0, norm="batch")
    assert not differ_only_in_norms([batch, batch])


def test_styles_of_an_arbitrary_style_network_can_be_mixed():
    torch.manual_seed(0)
    network = build_network("adain", width=4)
    styles = [network.select([torch.rand(1, 3, 32, 32)]).eval() for _ in range(2)]
    assert differ_only_in_norms(styles)
    weights = torch.zeros(2, 32, 40)
    weights[1] = 1
    images = torch.rand(1, 3, 32, 40)
    mixed = mix_styles(styles, lambda box: weights, (32, 40))
    with torch.no_grad():
        torch.testing.assert_close(mixed(images), styles[1](images), rtol=0, atol=1e-5)
