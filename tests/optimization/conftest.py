import pytest
import torch

from stylenet.perceptual import (
    ContentLoss,
    LiteEncoder,
    PerceptualLoss,
    StyleLoss,
    TotalVariationLoss,
)


@pytest.fixture(scope="session")
def make_image():
    """Make images of blotches; a larger ``grid`` makes finer ones."""

    def make(height=24, width=20, seed=0, grid=5):
        generator = torch.Generator().manual_seed(seed)
        small = torch.rand(1, 3, grid, grid, generator=generator)
        size = (height, width)
        return torch.nn.functional.interpolate(small, size, mode="bicubic").clamp(0, 1)

    return make


@pytest.fixture(scope="session")
def terms():
    return {
        "content": ContentLoss(["relu1_2"]),
        "style": StyleLoss(["relu1_2", "relu2_2"], weight=15.0),
        "tv": TotalVariationLoss(weight=1.0),
    }


@pytest.fixture(scope="session")
def criterion(make_image, terms):
    return PerceptualLoss(LiteEncoder(), terms, [make_image(32, 40, seed=9, grid=12)])
