import math

import pytest
import torch
from skimage import data

from stylenet.video.flicker import FlickerMeter, find_flow, warp


@pytest.fixture(scope="module")
def photo():
    pixels = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None].float() / 255
    return torch.nn.functional.interpolate(pixels, (128, 128), antialias=True, mode="bilinear")


def test_the_flow_follows_a_moving_image(photo):
    before, after = photo[..., 10:110, 10:110], photo[..., 8:108, 13:113]
    flow, visible = find_flow(before, after)
    assert flow.shape == (1, 2, 100, 100)
    middle = flow[0, :, 20:80, 20:80]
    assert torch.allclose(middle.flatten(1).median(1).values, torch.tensor([-2.0, 3.0]), atol=0.2)
    assert set(visible.unique().tolist()) <= {0.0, 1.0}
    assert visible.mean() > 0.6
    assert visible[0, :, -2:].mean() < 0.2, "pixels from outside the frame are occluded"


def test_warping_undoes_a_shift_of_whole_pixels():
    image = torch.rand(1, 3, 6, 7)
    flow = torch.zeros(1, 2, 6, 7)
    flow[:, 0], flow[:, 1] = 1, -2
    assert torch.allclose(warp(image, flow)[..., :-1, 2:], image[..., 1:, :-2], atol=1e-5)
    assert torch.allclose(warp(image, torch.zeros(1, 2, 6, 7)), image, atol=1e-5)


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
