import pytest
import torch

from stylenet.networks import build_network, with_statistics


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_network("johnson", width=4, blocks=1).double().eval()


def own(name, features):
    return features.mean((0, 2, 3)), features.var((0, 2, 3), correction=0)


def of_each(name, features):
    return features.mean((2, 3), keepdim=True), features.var((2, 3), correction=0, keepdim=True)


@torch.no_grad()
@pytest.mark.parametrize(("take", "count"), [(own, 1), (of_each, 2)])
def test_by_its_own_statistics_nothing_changes(network, take, count):
    images = torch.rand(count, 3, 17, 23, dtype=torch.float64)
    torch.testing.assert_close(with_statistics(network, take)(images), network(images))


@torch.no_grad()
def test_every_layer_is_asked_once_in_order_and_obeys(network):
    asked = []

    def take(name, features):
        asked.append(name)
        return own(name, features)

    images = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    with_statistics(network, take)(images)
    norms = [n for n, m in network.named_modules() if isinstance(m, torch.nn.InstanceNorm2d)]
    assert asked == norms

    def other(name, features):
        mean, variance = own(name, features)
        return mean + 1, variance

    assert not torch.allclose(with_statistics(network, other)(images), network(images))


def test_the_weights_are_shared_and_the_network_stays(network):
    before = str(network)
    twin = with_statistics(network, own)
    assert str(network) == before
    assert {p.data_ptr() for p in twin.parameters()} == {p.data_ptr() for p in network.parameters()}


def test_a_network_without_instance_normalization_is_refused():
    network = build_network("johnson", width=4, blocks=1, norm="batch")
    with pytest.raises(ValueError, match="no instance normalization"):
        with_statistics(network, own)
