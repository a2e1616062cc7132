import pytest
import torch
import torchvision
from safetensors.torch import save_file

from stylenet.perceptual import VGGEncoder


@pytest.fixture(scope="session")
def make_vgg():
    """Make torchvision's own VGG with random weights, without its large classifier."""

    def make(architecture, until=None):
        with torch.device("meta"):
            features = getattr(torchvision.models, architecture)(weights=None).features[:until]
        generator = torch.Generator().manual_seed(0)
        features.to_empty(device="cpu")
        for parameter in features.parameters():
            fan_in = parameter[0].numel()
            torch.nn.init.normal_(parameter, std=(2 / fan_in) ** 0.5, generator=generator)
            if parameter.ndim == 1:
                parameter.data.mul_(0.1)
        return features.requires_grad_(False)

    return make


@pytest.fixture(scope="session")
def small_state(make_vgg):
    """Weights of a random VGG up to relu2_2, small and quick."""
    features = make_vgg("vgg16", until=9)
    return {f"features.{key}": value for key, value in features.state_dict().items()}


@pytest.fixture(scope="session")
def small_file(small_state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "vgg16_to_relu2_2.safetensors"
    save_file(small_state, path)
    return path


@pytest.fixture
def encoder(small_file):
    return VGGEncoder("vgg16", weights=str(small_file))
