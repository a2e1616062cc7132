import pytest
from PIL import Image

from stylenet.image import (
    resize_short_side,
)


@pytest.mark.parametrize("size", [(1, 2000), (2000, 1), (3, 40_000), (1, 1_000_000)])
def test_a_thin_image_is_enlarged_within_bounds(size):
    width, height = resize_short_side(Image.new("L", size), 512).size
    assert width * height <= max(8.5 * 512**2, size[0] * size[1] * 1.01)
    assert min(width, height) >= min(size)


@pytest.mark.parametrize("size", [(100, 700), (640, 480), (30, 20), (2000, 5000), (700, 40_000)])
def test_the_short_side_of_an_ordinary_image_gets_the_size(size):
    result = resize_short_side(Image.new("L", size), 512).size
    assert min(result) == 512
    assert max(result) == pytest.approx(512 * max(size) / min(size), abs=1)
