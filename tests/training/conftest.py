from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.data import PhotoData
from stylenet.networks import build_network
from stylenet.perceptual import (
    ContentLoss,
    PerceptualLoss,
    StyleLoss,
    TotalVariationLoss,
    VGGEncoder,
)
from stylenet.training import (
    ConstantSchedule,
    CosineSchedule,
    OptimizerFactory,
    StyleTransferModule,
)


def adam(lr, warmup_steps, decay="cosine", max_steps=9):
    """Return a factory for Adam with a schedule."""
    schedules = {
        "none": partial(ConstantSchedule, warmup_steps=warmup_steps),
        "cosine": partial(CosineSchedule, warmup_steps=warmup_steps, max_steps=max_steps),
    }
    return OptimizerFactory(partial(torch.optim.Adam, lr=lr), schedules[decay])


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for i in range(7):
        # Smooth blotches: JPEG-like content with large and small structure.
        small = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(small).resize((48 + 3 * i, 40), Image.Resampling.BICUBIC).save(
            folder / f"{i}.png"
        )
    return folder


@pytest.fixture(scope="session")
def encoder():
    # Set the memory format here, because the first module would change it for the later ones:
    # sums differ in the last bit, and so would the style's Gram matrices.
    encoder = VGGEncoder("vgg19", weights="random", allow_random=True)
    return encoder.to(memory_format=torch.channels_last)


@pytest.fixture
def make_module(encoder):
    def make(lr=1e-3, warmup=2, decay="none", width=2, seed=0):
        torch.manual_seed(seed)
        terms = {
            "content": ContentLoss(["relu1_2"]),
            "style": StyleLoss(["relu1_1"], weight=5.0),
            "tv": TotalVariationLoss(weight=1.0),
        }
        style = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        return StyleTransferModule(
            build_network("johnson", width=width, blocks=1),
            PerceptualLoss(encoder, terms, [style]),
            adam(lr, warmup, decay),
            "test",
            {"seed": seed},
        )

    return make


@pytest.fixture
def make_data(photos):
    def make(root=photos, batch_size=2, workers=0):
        return PhotoData(
            str(root), crop_size=16, batch_size=batch_size, min_size=8, workers=workers, seed=3
        )

    return make
