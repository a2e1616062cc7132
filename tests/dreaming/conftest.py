import pytest
import torch
from torch import nn

from stylenet.perceptual import Encoder


@pytest.fixture
def encoder():
    """Small encoder with random weights; ``point`` sees single pixels only."""
    torch.manual_seed(0)
    layers = {
        "point": nn.Conv2d(3, 6, 1),
        "relu1_1": nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()),
        "pool1": nn.MaxPool2d(2, 2),
        "relu2_1": nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()),
    }
    return Encoder("small", "random", layers)


@pytest.fixture
def photo():
    return torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(1)).repeat(1, 1, 5, 5)
