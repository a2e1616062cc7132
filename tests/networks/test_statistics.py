import pytest
import torch

from stylenet.networks import build_network, with_statistics


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_network("johnson", width=4, blocks=1).double().eval()


def batch_statistics(name, features):
    return features.mean((0, 2, 3)), features.var((0, 2, 3), correction=0)


def image_statistics(name, features):
    return features.mean((2, 3), keepdim=True), features.var((2, 3), correction=0, keepdim=True)


@torch.no_grad()
@pytest.mark.parametrize(("take", "count"), [(batch_statistics, 1), (image_statistics, 2)])
def test_the_inputs_own_statistics_change_nothing(network, take, count):
    images = torch.rand(count, 3, 17, 23, dtype=torch.float64)
    torch.testing.assert_close(with_statistics(network, take)(images), network(images))


@torch.no_grad()
def test_the_function_is_called_once_per_layer_in_order(network):
    called = []

    def take(name, features):
        called.append(name)
        return batch_statistics(name, features)

    images = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    with_statistics(network, take)(images)
    norms = [n for n, m in network.named_modules() if isinstance(m, torch.nn.InstanceNorm2d)]
    assert called == norms


@torch.no_grad()
def test_other_statistics_change_the_result(network):
    def take(name, features):
        mean, variance = batch_statistics(name, features)
        return mean + 1, variance

    images = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    assert not torch.allclose(with_statistics(network, take)(images), network(images))


def test_the_copy_shares_its_weights_and_leaves_the_network_unchanged(network):
    before = str(network)
    clone = with_statistics(network, batch_statistics)
    assert str(network) == before
    assert {p.data_ptr() for p in clone.parameters()} == {
        p.data_ptr() for p in network.parameters()
    }


def test_a_network_without_instance_normalization_is_refused():
    network = build_network("johnson", width=4, blocks=1, norm="batch")
    with pytest.raises(ValueError, match="no instance normalization"):
        with_statistics(network, batch_statistics)
