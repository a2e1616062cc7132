import itertools

import numpy as np
import pytest
import torch
from skimage import data

from stylenet.checkpoint import CheckpointInfo
from stylenet.inference import Stylizer
from stylenet.networks import build_network
from stylenet.video import FrameStylizer, VideoOptions, frame_stylizer
from stylenet.video.motion import MotionBlend

pytest.importorskip("cv2", reason="the extra `video` is not installed")

HEIGHT, WIDTH = 120, 160


@pytest.fixture(scope="module")
def photo():
    return np.ascontiguousarray(data.astronaut()[:300, 100:500])


def as_tensor(pixels):
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255


def pan(photo, frames, step):
    return [photo[60 : 60 + HEIGHT, step * t : step * t + WIDTH] for t in range(frames)]


def blend_all(frames, stylized, weight=0.7):
    blend = MotionBlend(weight)
    return [
        blend(np.ascontiguousarray(frame), as_tensor(frame), image)
        for frame, image in zip(frames, stylized, strict=True)
    ]


def sharpness(images):
    return sum(float(image.diff(dim=-1).abs().mean()) for image in images)


@torch.inference_mode()
def test_a_pan_flickers_less_and_stays_sharp(photo):
    rng = np.random.default_rng(0)
    noisy = [frame + rng.normal(0, 2, frame.shape) for frame in pan(photo, 8, 3)]
    frames = [frame.clip(0, 255).round().astype(np.uint8) for frame in noisy]
    stylizer = Stylizer.load("great_wave_compact", "cpu", "float32")
    stylized = [stylizer.stylize_tensor(as_tensor(frame)) for frame in frames]
    blended = blend_all(frames, stylized)

    def flicker(images):  # the true motion is 3 pixels a frame
        pairs = itertools.pairwise(images[3:])
        return sum(float((a[..., 3:] - b[..., :-3])[..., 8:-8].square().mean()) for a, b in pairs)

    assert flicker(blended) < 0.3 * flicker(stylized)
    assert 0.88 < sharpness(blended[3:]) / sharpness(stylized[3:]) < 1.08


def test_no_ghost_stays_where_a_moving_square_was(photo):
    background = photo[60 : 60 + HEIGHT, :WIDTH]
    square = 255 - photo[150:190, 200:240]
    frames, masks = [], []
    for t in range(6):
        frame, mask = background.copy(), np.zeros((HEIGHT, WIDTH), bool)
        frame[40:80, 10 + 12 * t : 50 + 12 * t] = square
        mask[40:80, 10 + 12 * t : 50 + 12 * t] = True
        frames.append(frame)
        masks.append(mask)
    stylized = [1 - as_tensor(frame) for frame in frames]  # perfectly steady
    blended = blend_all(frames, stylized)
    for t in range(1, 6):
        uncovered = torch.from_numpy(masks[t - 1] & ~masks[t])
        ghost = (blended[t] - stylized[t]).abs()[0].mean(0)[uncovered]
        assert ghost.mean() < 2 / 255


def test_a_scene_cut_stays_a_cut(photo):
    blend = MotionBlend(0.9)
    first, second = photo[:HEIGHT, :WIDTH].copy(), photo[100 : 100 + HEIGHT, 200 : 200 + WIDTH]
    blend(first, as_tensor(first), torch.zeros(1, 3, HEIGHT, WIDTH))
    new = torch.rand(1, 3, HEIGHT, WIDTH)
    result = blend(second.copy(), as_tensor(second), new, torch.tensor(True))
    assert torch.allclose(result, new, atol=1e-5)


def test_light_is_averaged_and_not_code_values():
    gray = np.full((40, 40, 3), 90, np.uint8)
    blend = MotionBlend(0.5)
    blend(gray, as_tensor(gray), torch.zeros(1, 3, 40, 40))
    result = blend(gray, as_tensor(gray), torch.ones(1, 3, 40, 40))
    assert torch.allclose(result[..., 10:-10, 10:-10], torch.tensor(0.7071), atol=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (700, 40), (600, 900)])
def test_frames_of_any_size_are_blended(size):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    blend = MotionBlend(0.7)
    for _ in range(2):
        result = blend(pixels, as_tensor(pixels), as_tensor(pixels))
    assert result.shape == (1, 3, *size)
    assert (result - as_tensor(pixels)).abs().mean() < 0.02
    smaller = pixels[: max(1, size[0] // 2)]
    assert torch.equal(blend(smaller, as_tensor(smaller), as_tensor(smaller)), as_tensor(smaller))


@pytest.mark.parametrize("installed", [True, False])
def test_without_opencv_only_still_parts_are_blended(photo, monkeypatch, installed):
    if not installed:
        monkeypatch.setattr(frame_stylizer, "opencv", lambda: None)
    torch.manual_seed(0)
    stylizer = Stylizer(build_network("johnson", width=4, blocks=1), CheckpointInfo("a", 1), "cpu")
    stylize = FrameStylizer(stylizer, video=VideoOptions(blend=0.7)).stylize
    frames = [np.ascontiguousarray(frame) for frame in pan(photo, 2, 8)]
    results = [stylize(frame) for frame in frames]
    alone = FrameStylizer(stylizer, video=VideoOptions(blend=0)).stylize(frames[1])
    # The head, which moves by 8 pixels.
    changed = (results[1] != alone).any(-1)[30:90, 40:100]
    assert (changed.mean() > 0.5) == installed
