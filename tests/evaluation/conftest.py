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
def image():
    """Make images of blotches; a larger ``grid`` makes finer ones."""

    def make(size=32, seed=0, grid=5):
        generator = torch.Generator().manual_seed(seed)
        small = torch.rand(1, 3, grid, grid, generator=generator)  # (1, 3, grid, grid)
        shape = (size, size)
        return torch.nn.functional.interpolate(small, shape, mode="bicubic").clamp(0, 1)

    return make


@pytest.fixture(scope="session")
def encoder():
    return LiteEncoder()


@pytest.fixture(scope="session")
def criterion(image, encoder):
    terms = {
        "content": ContentLoss(["relu2_2"]),
        "style": StyleLoss(["relu1_2", "relu2_2"], weight=15.0),
        "tv": TotalVariationLoss(weight=5.0),
    }
    return PerceptualLoss(encoder, terms, [image(40, seed=9, grid=12)], style_weight=2.0)
