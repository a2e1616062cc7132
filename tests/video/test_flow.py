import numpy as np
import pytest
import torch
from skimage import data, transform

from stylenet.video import flow as module
from stylenet.video.flow import find_flow, reduce_frame, to_gray, warp


@pytest.fixture(scope="module")
def photo():
    return np.asarray(transform.resize(data.camera(), (200, 200), anti_aliasing=True) * 255)


@pytest.fixture(params=["OpenCV", "scikit-image"])
def library(request, monkeypatch):
    if request.param == "OpenCV":
        pytest.importorskip("cv2", reason="the extra `video` is not installed")
    else:
        monkeypatch.setattr(module, "opencv", lambda: None)
    return request.param


def gray(pixels):
    return np.ascontiguousarray(np.clip(pixels, 0, 255)).round().astype(np.uint8)


def test_the_flow_follows_a_moving_image(photo, library):
    before, after = gray(photo[10:110, 10:110]), gray(photo[8:108, 13:113])
    flow, visible = find_flow(before, after)
    assert (flow.shape, visible.shape) == ((1, 2, 100, 100), (1, 1, 100, 100))
    middle = flow[0, :, 20:80, 20:80]
    assert torch.allclose(middle.flatten(1).median(1).values, torch.tensor([-2.0, 3.0]), atol=0.2)
    assert set(visible.unique().tolist()) <= {0.0, 1.0}
    assert visible.mean() > 0.6
    assert visible[..., -2:].mean() < 0.2, "pixels from outside the frame are occluded"


def test_noise_on_flat_areas_does_not_move_them(photo):
    pytest.importorskip("cv2", reason="the extra `video` is not installed")
    rng = np.random.default_rng(0)
    scene = np.full((120, 200), 128.0)
    scene[20:100, 20:100] = photo[60:140, 60:140]
    noisy = [gray(scene + rng.normal(0, 4, scene.shape)) for _ in range(2)]
    flow, visible = find_flow(*noisy)
    assert flow.abs().mean() < 0.3
    assert visible.mean() > 0.95


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 50), (50, 1), (9, 9), (10, 200), (16, 300), (24, 400), (40, 1500)]
)
def test_frames_of_any_shape_have_a_flow(shape, library):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, shape, dtype=np.uint8)
    flow, visible = find_flow(frame, frame)
    assert (flow.shape, visible.shape) == ((1, 2, *shape), (1, 1, *shape))
    assert flow.isfinite().all()


def test_warping_undoes_a_shift_of_whole_pixels():
    image = torch.rand(1, 3, 6, 7)
    flow = torch.zeros(1, 2, 6, 7)
    flow[:, 0], flow[:, 1] = 1, -2
    assert torch.allclose(warp(image, flow)[..., :-1, 2:], image[..., 1:, :-2], atol=1e-5)
    for mode in ("bilinear", "bicubic"):
        assert torch.allclose(warp(image, torch.zeros(1, 2, 6, 7), mode), image, atol=1e-5)


def test_frames_are_reduced_by_averaging_to_a_bounded_size():
    pixels = np.tile(np.arange(0, 240, 2, dtype=np.uint8)[:, None, None], (1, 200, 3))
    assert reduce_frame(pixels, 480) is pixels
    small = reduce_frame(pixels, 30)
    assert (small.shape, small.dtype) == ((30, 50, 3), np.uint8)
    assert np.abs(small[:, 0, 0].astype(int) - np.arange(3, 240, 8)).max() <= 1


def test_gray_levels_weigh_colors_as_the_eye_does():
    red, green, blue = to_gray(np.eye(3, dtype=np.uint8)[None] * 255)[0]
    assert blue < red < green
