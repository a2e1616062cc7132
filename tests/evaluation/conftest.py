import pytest
import torch

from stylenet.perceptual import LiteEncoder, LossSettings, PerceptualLoss


@pytest.fixture(scope="session")
def picture():
    """Draws a picture of blotches, the larger the side of the grid the finer."""

    def picture(side=32, seed=0, grid=5):
        generator = torch.Generator().manual_seed(seed)
        small = torch.rand(1, 3, grid, grid, generator=generator)
        size = (side, side)
        return torch.nn.functional.interpolate(small, size, mode="bicubic").clamp(0, 1)

    return picture


@pytest.fixture(scope="session")
def encoder():
    return LiteEncoder()


@pytest.fixture(scope="session")
def criterion(picture, encoder):
    settings = LossSettings("relative", ["relu2_2"], ["relu1_2", "relu2_2"], 1.0, 15.0, 5.0)
    return PerceptualLoss(encoder, settings, [picture(40, seed=9, grid=12)], style_weight=2.0)
