import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stylenet.video import flow, local
from stylenet.video.flow import warp

pytest.importorskip("cv2", reason="the extra `video` is not installed")

SIZES = [(1, 1), (2, 3), (17, 40), (96, 130)]


def random(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.rand(1, *shape, generator=generator)


def lanczos(image, offsets):
    """Interpolate an image (C, H, W) at offsets (2, H, W) by the kernel of Lanczos, 8 x 8."""
    height, width = image.shape[1:]
    positions = np.mgrid[:height, :width] + offsets
    bases = np.floor(positions).astype(int)

    def weights(position, base):
        distances = position - base - np.arange(-3, 5).reshape(8, 1, 1)
        values = np.sinc(distances) * np.sinc(distances / 4)
        return values / values.sum(0)

    rows, columns = (weights(*pair) for pair in zip(positions, bases, strict=True))
    result = 0
    for i, j in itertools.product(range(8), repeat=2):
        y = (bases[0] + i - 3).clip(0, height - 1)
        x = (bases[1] + j - 3).clip(0, width - 1)
        result = result + image[:, y, x] * rows[i] * columns[j]
    return result


@pytest.fixture(params=["opencv", "pytorch"])
def backend(request, monkeypatch):
    if request.param == "pytorch":
        monkeypatch.setattr(local, "opencv", lambda: None)
    else:
        assert flow.opencv() is not None
    return request.param


@pytest.mark.parametrize("size", SIZES)
def test_moving_is_an_interpolation(backend, size):
    image, offsets = random(3, *size), 9 * random(2, *size) - 4
    if backend == "pytorch":
        expected = warp(image.double(), offsets.double(), "bicubic")
    else:
        expected = torch.from_numpy(lanczos(image[0].double().numpy(), offsets[0].double().numpy()))
    # OpenCV 4 rounds positions to 1/32 of a pixel: half of that times the steepest slope, 1.
    tolerance = 1e-4 if backend == "pytorch" else 0.04
    assert (local.move(image, offsets) - expected).abs().max() < tolerance


@pytest.mark.parametrize("size", SIZES)
def test_detail_is_what_a_binomial_filter_removes(backend, size):
    image = random(3, *size)
    row = torch.tensor([1.0, 2, 1], dtype=torch.float64) / 4
    kernel = torch.outer(row, row).expand(3, 1, 3, 3)
    padded = F.pad(image.double(), (1, 1, 1, 1), mode="replicate")
    blurred = F.conv2d(padded, kernel, groups=3)
    assert torch.allclose(local.detail(image).double(), image.double() - blurred, atol=1e-6)


@pytest.mark.parametrize("size", SIZES[1:])
def test_halving_averages(backend, size):
    image = random(3, *size)
    expected = F.avg_pool2d(image.double(), 2)
    assert torch.allclose(local.halve(image).double(), expected, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("goal", [(5, 7), (192, 260), (193, 131)])
def test_enlarging_interpolates(backend, size, goal):
    maps = random(2, *size)
    expected = F.interpolate(maps.double(), goal, mode="bilinear", align_corners=False)
    result = local.enlarge(maps, torch.empty(1, 3, *goal))
    assert torch.allclose(result.double(), expected, atol=1e-5)


def test_other_layouts_are_taken():
    image = random(40, 30, 3).permute(0, 3, 1, 2)
    assert torch.equal(local.detail(image), local.detail(image.contiguous()))
