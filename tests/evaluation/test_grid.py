import math

import numpy as np
import pytest
import torch

from stylenet.evaluation import GridMeter


def reference(images):
    """Compute the energies from their definition, one frequency of one window at a time."""
    window = np.sin(np.pi * np.arange(64) / 64) ** 2
    window = np.outer(window, window)
    power = {}

    def wave(u, v):
        index = np.arange(64)
        return np.exp(-2j * np.pi * np.add.outer(u * index, v * index) / 64)

    def mean_power(u, v):
        if (u % 64, v % 64) not in power:
            powers = []
            for channel in images.double().numpy().reshape(-1, *images.shape[-2:]) * 255:
                for top in range(0, channel.shape[0] - 63, 32):
                    for left in range(0, channel.shape[1] - 63, 32):
                        tile = channel[top : top + 64, left : left + 64]
                        tile = tile - (tile * window).sum() / window.sum()
                        powers.append(abs((tile * window * wave(u, v)).sum() / window.sum()) ** 2)
            power[u % 64, v % 64] = np.mean(powers)
        return power[u % 64, v % 64]

    def whitened(u, v):
        near = [(x + 32) % 64 - 32 for x in (u, v)]
        return math.log(mean_power(u, v) * (near[0] ** 2 + near[1] ** 2))

    energies = {2: 0.0, 4: 0.0, 8: 0.0}
    for u in range(-32, 32, 8):
        for v in range(-32, 32, 8):
            if u or v:
                around = [whitened(u + d, v) for d in (-3, -2, 2, 3) if u]
                around += [whitened(u, v + d) for d in (-3, -2, 2, 3) if v]
                expected = math.exp(np.mean(around)) / (u**2 + v**2)
                period = next(p for p in (2, 4, 8) if u * p % 64 == v * p % 64 == 0)
                energies[period] += mean_power(u, v) - expected
    return {period: max(0.0, energy) for period, energy in energies.items()}


def measure(*images):
    meter = GridMeter()
    for image in images:
        meter.add(image)
    return meter


def texture(height=192, width=160, seed=0):
    """Make noise in [0.2, 0.8] with the spectrum of natural images."""
    noise = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    rows, columns = torch.fft.fftfreq(height)[:, None], torch.fft.fftfreq(width)
    distance = (rows**2 + columns**2).sqrt().clamp_min(1 / width)
    smooth = torch.fft.ifft2(torch.fft.fft2(noise) / distance).real
    return 0.5 + 0.3 * smooth / smooth.abs().max()


def grid(pattern, height=192, width=160):
    """Repeat a pattern in levels of 255 over an image, in all channels."""
    tile = torch.tensor(pattern, dtype=torch.float64) / 255
    copies = -(-height // tile.shape[0]), -(-width // tile.shape[1])
    return tile.repeat(copies)[:height, :width]


STRIPES = [[2.0, 2.0, -2.0, -2.0]]  # period 4, standard deviation 2
CHECKERS = [[1.0, -1.0], [-1.0, 1.0]]  # period 2, standard deviation 1
CELL = [[7.0] + [-1.0] * 7]  # every eighth column: periods 8, 4 and 2, variance 7


def test_energies_follow_the_definition():
    image = texture(64, 96) + grid(CELL, 64, 96)
    assert measure(image).energies() == pytest.approx(reference(image), rel=1e-6)


@pytest.mark.parametrize(
    ("pattern", "energies"),
    [
        (CHECKERS, {2: 1.0, 4: 0.0, 8: 0.0}),
        (STRIPES, {2: 0.0, 4: 4.0, 8: 0.0}),
        (np.transpose(STRIPES), {2: 0.0, 4: 4.0, 8: 0.0}),
        (CELL, {2: 1.0, 4: 2.0, 8: 4.0}),
    ],
)
def test_on_a_flat_image_the_energy_is_the_variance_of_the_grid(pattern, energies):
    meter = measure(0.4 + grid(pattern)[None, None].expand(1, 3, -1, -1))
    assert meter.energies() == pytest.approx(energies, abs=1e-4)
    assert meter.level() == pytest.approx(sum(energies.values()) ** 0.5, abs=1e-4)


def test_on_a_texture_the_energy_is_nearly_the_variance_of_the_grid():
    images = [texture(seed=seed) for seed in range(6)]
    assert measure(*images).level() < 0.3
    assert measure(*(image + grid(STRIPES) for image in images)).level() == pytest.approx(
        2, abs=0.3
    )


def test_a_grid_that_changes_sign_across_the_image_counts():
    sign = torch.ones(160)
    sign[80:] = -1
    assert measure(0.5 + (grid(STRIPES) * sign).expand(1, 3, -1, -1)).level() > 1.5


@pytest.mark.parametrize("period", [3, 5, 6, 12])
def test_other_periods_do_not_count(period):
    waves = 4 / 255 * torch.sin(torch.arange(192) * 2 * torch.pi / period)
    assert measure(0.5 + waves.expand(1, 3, 192, -1)).level() < 0.1


def test_smooth_images_have_no_grid():
    ramp = torch.linspace(0, 1, 192)
    assert measure((ramp[:, None] * ramp).expand(1, 3, -1, -1)).level() < 0.05
    assert measure(torch.full((1, 3, 64, 64), 0.3)).level() < 0.01


def test_images_are_averaged_and_small_ones_do_not_count():
    plain, striped = torch.full((1, 3, 64, 64), 0.5), 0.5 + grid(STRIPES, 64, 64)
    meter = measure(plain, striped.expand(1, 3, -1, -1), torch.rand(1, 3, 63, 200))
    assert meter.energies()[4] == pytest.approx(2, abs=1e-4)
    assert measure().level() is None
    assert measure(torch.rand(1, 3, 63, 200)).energies() is None
