import pytest
import torch

from stylenet.perceptual import LiteEncoder, LossOptions, PerceptualLoss


@pytest.fixture(scope="session")
def image():
    """Draws an image of blotches, the larger the side of the grid the finer."""

    def image(height=24, width=20, seed=0, grid=5):
        generator = torch.Generator().manual_seed(seed)
        small = torch.rand(1, 3, grid, grid, generator=generator)
        size = (height, width)
        return torch.nn.functional.interpolate(small, size, mode="bicubic").clamp(0, 1)

    return image


@pytest.fixture(scope="session")
def loss_settings():
    return LossOptions("relative", ["relu1_2"], ["relu1_2", "relu2_2"], 1.0, 15.0, 1.0)


@pytest.fixture(scope="session")
def criterion(image, loss_settings):
    return PerceptualLoss(LiteEncoder(), loss_settings, [image(32, 40, seed=9, grid=12)])
