import math

import pytest
import torch

from stylenet.evaluation import StrokeMeter


def photos(count=2, side=160):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def waves(period, side=160, angle=0.6):
    axis = torch.arange(side, dtype=torch.float32)
    distance = axis[:, None] * math.sin(angle) + axis * math.cos(angle)
    return 0.2 * torch.sin(2 * math.pi * distance / period)


@pytest.mark.parametrize("period", [6, 11, 17, 30])
def test_the_wavelength_is_that_of_added_waves(period):
    meter = StrokeMeter()
    for images in photos().split(1):
        meter.add(images + waves(period), images)
    assert meter.wavelength() == pytest.approx(period, rel=0.08)


def test_power_is_counted_per_octave_and_without_the_mesh_of_4_pixels():
    images = photos()
    meter = StrokeMeter()
    meter.add(images + waves(24) + 0.9 * waves(9), images)
    assert meter.wavelength() < 12, "the same amplitude is more power per octave in short waves"
    meter = StrokeMeter()
    meter.add(images + waves(24) + 3 * waves(4, angle=0), images)
    assert meter.wavelength() == pytest.approx(24, rel=0.08)


def test_there_is_no_wavelength_without_added_power():
    assert StrokeMeter().wavelength() is None
    meter = StrokeMeter()
    meter.add(photos(), photos())
    assert meter.wavelength() is None
    meter.add(torch.full_like(photos(), 0.5), photos())
    assert meter.wavelength() is None
    small = StrokeMeter()
    small.add(photos(side=36) + waves(9, 36), photos(side=36))
    assert small.wavelength() is None
