import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.optimization import plan_scales, resize
from stylenet.optimization.scales import resize_to


@pytest.mark.parametrize(
    ("size", "scales", "factors"),
    [
        ((200, 256), None, [1]),
        ((16, 16), None, [1]),
        ((511, 511), None, [1]),
        ((300, 512), None, [0.5, 1]),
        ((1024, 700), None, [0.25, 0.5, 1]),
        ((2048, 40), None, [0.5, 1]),  # a strip
        ((200, 256), 3, [0.25, 0.5, 1]),
        ((1024, 1024), 1, [1]),
    ],
)
def test_scales_follow_the_size_or_the_option(size, scales, factors):
    assert plan_scales(size, scales) == factors


@pytest.mark.parametrize("scales", [0, -1, 1.5, "two", True])
def test_an_invalid_number_of_scales_is_named(scales):
    with pytest.raises(StyleNetError, match=f"^scales={scales} is not a whole number"):
        plan_scales((256, 256), scales)


def test_too_many_scales_are_refused():
    with pytest.raises(StyleNetError, match=r"^scales=4 begins with a side of less than 16"):
        plan_scales((100, 256), 4)


@pytest.mark.parametrize("factor", [0.25, 0.5, 1.0, 2.0])
def test_resizing_keeps_mean_and_range(make_image, factor):
    image = make_image(64, 48)
    resized = resize(image, factor)
    assert resized.shape == (1, 3, round(64 * factor), round(48 * factor))
    assert 0 <= resized.min() <= resized.max() <= 1
    assert resized.mean().item() == pytest.approx(image.mean().item(), abs=0.01)


def test_an_image_of_the_right_size_is_unchanged(make_image):
    image = make_image()
    assert resize(image, 1.0) is image
    assert resize_to(image, (24, 20)) is image


def test_fine_stripes_become_gray_without_moire():
    stripes = torch.arange(64).remainder(2).float().expand(1, 3, 64, 64)
    assert (resize(stripes, 0.25) - 0.5).abs().max() < 0.05
