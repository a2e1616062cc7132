import numpy as np
import pytest
import torch

from stylenet.image.color import (
    ColorStatistics,
    keep_color,
    luminance,
    match_histogram,
    match_statistics,
)

# Full precision of YIQ (FCC NTSC standard), as in Gatys et al. 2017.
YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def image(seed, low=0.0, high=1.0, height=20, width=31):
    generator = np.random.default_rng(seed)
    mix = np.eye(3) + 0.3 * generator.normal(size=(3, 3))  # correlated channels
    pixels = np.einsum("ij,jhw->ihw", mix, generator.random((3, height, width)))
    pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min())
    return low + (high - low) * pixels


def tensor(pixels):
    return torch.tensor(pixels)[None]


def statistics(pixels, pieces=3):
    result = ColorStatistics()
    for piece in np.array_split(pixels, pieces, axis=1):
        result.add(tensor(piece))
    return result


def test_luminance_follows_bt601():
    colors = torch.eye(3).view(3, 3, 1, 1)
    assert luminance(colors).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])


def test_colors_are_kept_as_in_yiq():
    photo, result = image(0, 0.4, 0.6), image(1, 0.4, 0.6)
    mixed = np.einsum("ij,jhw->ihw", YIQ, photo)
    mixed[0] = np.einsum("ij,jhw->ihw", YIQ, result)[0]
    expected = np.einsum("ij,jhw->ihw", np.linalg.inv(YIQ), mixed).clip(0, 1)
    kept = keep_color(tensor(photo), tensor(result))[0].numpy()
    assert np.abs(kept - expected).max() < 2e-4  # YIQ's coefficients have four digits


def test_matched_statistics_equal_the_photos():
    photo, result = image(0, 0.3, 0.6), image(1, 0.2, 0.9)
    matched = match_statistics(statistics(photo), statistics(result))(tensor(result))
    matched = matched[0].flatten(1).numpy()
    flat = photo.reshape(3, -1)
    np.testing.assert_allclose(matched.mean(1), flat.mean(1), atol=1e-9)
    np.testing.assert_allclose(np.cov(matched), np.cov(flat), rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("match", [match_histogram, match_statistics])
def test_a_result_with_the_photos_colors_is_unchanged(match):
    photo = np.round(image(0) * 255) / 255
    matched = match(statistics(photo), statistics(photo, 2))(tensor(photo))
    assert np.abs(matched[0].numpy() - photo).max() < 1e-6


@pytest.mark.parametrize("match", [match_histogram, match_statistics])
def test_a_flat_result_gets_a_color_of_the_photo(match):
    photo, flat = image(0, 0.2, 0.7), np.full((3, 8, 9), 128 / 255)
    matched = match(statistics(photo), statistics(flat))(tensor(flat))[0].numpy()
    middle = np.median if match is match_histogram else np.mean
    expected = middle(photo.reshape(3, -1), axis=1)
    assert np.abs(matched - expected[:, None, None]).max() < 0.01


def test_a_matched_histogram_equals_the_photos():
    photo, result = image(0, 0.3, 0.6, 90, 90), image(1, 0.1, 0.9, 60, 70)
    matched = match_histogram(statistics(photo), statistics(result))(tensor(result))[0].numpy()
    quantiles = np.linspace(0.02, 0.98, 25)
    for channel in range(3):
        # The float64 reference: the photo's quantile at each pixel's rank.
        expected = np.quantile(photo[channel], quantiles)
        assert np.abs(np.quantile(matched[channel], quantiles) - expected).max() < 2 / 255
        order = np.argsort(result[channel].ravel())
        assert (np.diff(matched[channel].ravel()[order]) >= -1e-6).all()
