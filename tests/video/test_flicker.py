import math

import pytest
import torch
from skimage import data

from stylenet.video.flicker import FlickerMeter


@pytest.fixture(scope="module")
def photo():
    pixels = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None].float() / 255
    return torch.nn.functional.interpolate(pixels, (128, 128), antialias=True, mode="bilinear")


def test_a_result_that_moves_with_the_video_does_not_flicker(photo):
    before, after = photo[..., 10:110, 10:110], photo[..., 10:110, 12:112]
    meter = FlickerMeter()
    noise = 0.1 * torch.randn(before.shape, generator=torch.Generator().manual_seed(0))
    meter.add((before, after), (1 - before, 1 - after + noise), (1 - before, 1 - after))
    report = meter.report()
    assert report.pairs == 1
    assert report.stylized == pytest.approx(report.source, rel=0.01)
    assert report.source < 0.03
    assert math.sqrt(0.01 + report.source**2) == pytest.approx(report.plain, rel=0.1)
    assert "less" in str(report)


def test_there_is_no_report_without_measurements():
    assert FlickerMeter().report() is None


def test_large_frames_are_measured_at_a_bounded_size():
    still = torch.rand(1, 3, 32, 48).repeat_interleave(20, -1).repeat_interleave(20, -2)
    meter = FlickerMeter()
    meter.add((still, still), (still, 1 - still), (still, still))
    assert meter.report().stylized == pytest.approx(0, abs=1e-3)
    assert meter.report().plain > 0.2
