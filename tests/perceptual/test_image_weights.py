"""Styles of several weighted images."""

import pytest
import torch

from stylenet.data import StyleOptions
from stylenet.errors import StyleNetError
from stylenet.perceptual import PerceptualLoss, StyleLoss, gram_matrix

LAYERS = ["relu1_1", "relu2_2"]
TERMS = {"style": StyleLoss(LAYERS)}


def random_image(seed, *size):
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def images():
    return [random_image(0, 16, 20), random_image(1, 24, 12) ** 3]


def grams(encoder, images, weights):
    loss = PerceptualLoss(encoder, TERMS, images, image_weights=weights)
    return [loss.target("style", layer) for layer in LAYERS]


def test_the_mean_of_gram_matrices_is_weighted(encoder, images):
    for layer, mean in zip(LAYERS, grams(encoder, images, [3, 1]), strict=True):
        first, second = (gram_matrix(encoder(image, [layer])[layer]) for image in images)
        torch.testing.assert_close(mean, 0.75 * first + 0.25 * second)


def test_only_ratios_of_weights_matter(encoder, images):
    for small, large in zip(
        grams(encoder, images, [0.7, 0.3]), grams(encoder, images, [7, 3]), strict=True
    ):
        torch.testing.assert_close(small, large)


def test_a_weight_of_zero_leaves_an_image_out(encoder, images):
    for mean, alone in zip(
        grams(encoder, images, [1, 0]), grams(encoder, images[:1], None), strict=True
    ):
        torch.testing.assert_close(mean, alone)


def test_images_without_weights_count_equally(encoder, images):
    for mean, layer, even in zip(
        grams(encoder, images, None), LAYERS, grams(encoder, images, [1, 1]), strict=True
    ):
        both = torch.stack([gram_matrix(encoder(i, [layer])[layer]) for i in images])
        assert torch.equal(mean, both.mean(dim=0))
        torch.testing.assert_close(mean, even)


def test_the_number_of_weights_equals_the_number_of_images(encoder, images):
    with pytest.raises(StyleNetError, match="has 1 numbers for 2 images"):
        grams(encoder, images, [1])


def options(weights, image=("a.png", "b.png")):
    return StyleOptions("mine", image, 64, image_weights=weights)


def test_valid_weights_are_accepted():
    assert options([0.7, 0]).image_weights == [0.7, 0]
    assert options(None).image_weights is None
    assert options([2], "a.png").images == ["a.png"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], "1 numbers for 2 images"),
        ([], "0 numbers for 2 images"),
        ([1, 2, 3], "3 numbers for 2 images"),
        ([0, 0], "gives no image a weight above 0"),
        ([1, -1], "is not a number of at least 0"),
        ([1, None], "is not a number of at least 0"),
        ([1, float("nan")], "is not a number of at least 0"),
        ("0.5", "is not a list"),
        (0.5, "is not a list"),
    ],
)
def test_invalid_weights_end_in_one_line(weights, message):
    with pytest.raises(StyleNetError, match=rf"^style\.image_weights.*{message}"):
        options(weights)
