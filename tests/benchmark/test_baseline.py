import pytest
import torch

from stylenet.benchmark.baseline import load_reference, reference_network, reference_training
from stylenet.networks import build_network
from stylenet.perceptual import (
    ContentLoss,
    LiteEncoder,
    PerceptualLoss,
    StyleLoss,
    VGGEncoder,
    gram_matrix,
)

LAYERS = ["relu1_2", "relu2_2"]


@pytest.fixture
def images():
    return torch.rand(2, 3, 40, 56, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = build_network("johnson", width=4, blocks=2)
    for parameter in network.parameters():
        if parameter.ndim == 1:  # scales and shifts that are not all alike
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return network


def make_criterion(encoder):
    options = {"content": ContentLoss(["relu2_2"]), "style": StyleLoss(LAYERS)}
    return PerceptualLoss(encoder, options, [torch.rand(1, 3, 32, 32)])


@pytest.fixture(params=["vgg16", "vgg19", "lite"])
def encoder(request):
    if request.param == "lite":
        return LiteEncoder()
    return VGGEncoder(request.param, "random", allow_random=True)


def test_the_reference_gives_the_same_image(network, images):
    reference, described = reference_network(network)
    assert described == "johnson (width 4, blocks 2)"
    with torch.no_grad():
        torch.testing.assert_close(reference(images), network(images), atol=1e-5, rtol=1e-4)


def test_the_reference_has_as_many_weights_except_for_biases():
    network = build_network("johnson")
    reference, _ = reference_network(network)

    def count(module):
        return sum(p.numel() for p in module.parameters() if p.ndim == 4)

    assert count(reference) == count(network)


def test_the_reference_computes_the_same_features_and_gram_matrices(network, images, encoder):
    criterion = make_criterion(encoder)
    reference = reference_training(network, criterion, torch.rand(1, 3, 32, 32))
    ours, theirs = encoder(images, LAYERS), reference.features(images)
    for layer in LAYERS:
        torch.testing.assert_close(theirs[layer], ours[layer])
        torch.testing.assert_close(
            load_reference().gram_matrix(theirs[layer]), gram_matrix(ours[layer])
        )


def test_training_the_reference_does_not_change_our_network(network, images, encoder):
    criterion = make_criterion(encoder)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    reference = reference_training(network, criterion, torch.rand(1, 3, 32, 32))
    features = [p.clone() for p in reference.features.parameters()]
    losses = [reference.step(images) for _ in range(8)]
    assert losses[-1] < losses[0]
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert all(map(torch.equal, features, reference.features.parameters()))


def test_other_networks_are_compared_with_the_papers_network(network):
    network.name = "other"
    reference, described = reference_network(network)
    assert described == "johnson (width 32, blocks 5)"
    assert reference(torch.rand(1, 3, 16, 16)).shape == (1, 3, 16, 16)
