import numpy as np
import pytest
import torch

from stylenet.checkpoint import CheckpointInfo
from stylenet.inference import Stylizer
from stylenet.networks import build_network
from stylenet.networks.statistics import with_statistics
from stylenet.video import FrameStylizer, VideoOptions
from stylenet.video.steady import CutFinder, SteadyStatistics, StillBlend

INFO = CheckpointInfo("test", 1)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network("johnson", width=4, blocks=1).eval()


def scene(seed, height=24, width=32):
    """Return a smooth image whose brightness depends on the seed."""
    rng = np.random.default_rng(seed)
    small = torch.from_numpy(rng.random((1, 3, 4, 5))).float()
    large = torch.nn.functional.interpolate(small, (height, width), mode="bicubic")
    return (large * 0.4 + 0.6 * (seed % 2)).clamp(0, 1)


def as_bytes(image):
    return (image[0].permute(1, 2, 0) * 255).round().byte().numpy()


@torch.inference_mode()
def test_smoothing_does_not_change_a_still_video(network):
    steady = with_statistics(network, SteadyStatistics(0.9).update)
    photo = scene(1)
    for _ in range(3):
        assert torch.allclose(steady(photo), network(photo), atol=1e-4)


def test_statistics_start_as_a_mean_and_become_a_moving_average():
    statistics = SteadyStatistics(0.6)
    frames = [torch.randn(1, 2, 5, 6) * i + i for i in (1, 2, 5, 3)]
    expected_mean = expected_variance = torch.zeros(2)
    for frame, weight in zip(
        frames, (0, 1 / 2, 0.6, 0.6), strict=True
    ):  # the plain mean would have 2/3
        mean, variance = statistics.update("a", frame)
        own = frame.mean((0, 2, 3)), frame.var((0, 2, 3), correction=0)
        expected_mean = weight * expected_mean + (1 - weight) * own[0]
        expected_variance = weight * expected_variance + (1 - weight) * own[1]
        assert torch.allclose(mean, expected_mean, atol=1e-5)
        assert torch.allclose(variance, expected_variance, atol=1e-4)
    other, _ = statistics.update("b", frames[0])
    assert torch.allclose(other, frames[0].mean((0, 2, 3)), atol=1e-5)
    statistics.reset()
    mean, _ = statistics.update("a", frames[1])
    assert torch.allclose(mean, frames[1].mean((0, 2, 3)), atol=1e-5)


@torch.inference_mode()
def test_smoothing_limits_the_effect_of_a_change_in_one_corner(network):
    """A bright object enters at the left; far from it nothing should change."""
    before, after = scene(0, 32, 64), scene(0, 32, 64).clone()
    after[..., :4] = 1
    changes = {}
    for smoothing in (0.0, 0.995):
        steady = with_statistics(network, SteadyStatistics(smoothing).update)
        for _ in range(150):
            first = steady(before)
        changes[smoothing] = float((steady(after) - first)[..., 48:].abs().mean())
    assert changes[0.995] < 0.5 * changes[0.0]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_new_scene_resets_the_smoothing(network, dtype):
    stylizer = Stylizer(network, INFO, "cpu", dtype)
    video = VideoOptions(steady=0.9, blend=0.9)
    frame_stylizer = FrameStylizer(stylizer, video=video)
    for _ in range(3):
        frame_stylizer.stylize(as_bytes(scene(0)))
    assert np.array_equal(
        frame_stylizer.stylize(as_bytes(scene(1))),
        FrameStylizer(stylizer, video=video).stylize(as_bytes(scene(1))),
    )


def test_batch_normalization_needs_no_smoothing():
    network = build_network("johnson", width=4, blocks=1, norm="batch").eval()
    stylizer = Stylizer(network, INFO, "cpu")
    steady = FrameStylizer(stylizer, video=VideoOptions(steady=0.9, blend=0))
    plain = FrameStylizer(stylizer, video=VideoOptions(blend=0))
    for seed in (0, 2):
        assert np.array_equal(
            steady.stylize(as_bytes(scene(seed))), plain.stylize(as_bytes(scene(seed)))
        )


def test_a_frame_stylizer_does_not_change_the_stylizer(network):
    stylizer = Stylizer(network, INFO, "cpu")
    photo = scene(0)
    before = stylizer.stylize_tensor(photo)
    frame_stylizer = FrameStylizer(stylizer, video=VideoOptions(steady=0.9))
    frame_stylizer.stylize(as_bytes(scene(2)))
    assert torch.equal(stylizer.stylize_tensor(photo), before)


def test_blending_affects_only_still_parts():
    blend = StillBlend(0.8)
    first, second = torch.zeros(1, 3, 40, 80), torch.zeros(1, 3, 40, 80)
    second[..., 40:] = 0.5  # an object has come into the right half
    old, new = torch.zeros_like(first), torch.ones_like(first)
    assert torch.equal(blend(None, first, old), old)
    result = blend(None, second, new)
    assert torch.allclose(result[..., :30], torch.tensor(0.2), atol=1e-6)
    assert torch.equal(result[..., 40:], new[..., 40:])
    again = blend(None, second, new)
    assert torch.allclose(again[..., :30], torch.tensor(1 - 0.8**2), atol=1e-6)
    assert torch.equal(blend(None, second, old, torch.tensor(True)), old)


def test_camera_noise_counts_as_standing_still():
    rng = torch.Generator().manual_seed(0)
    photo = torch.full((1, 3, 60, 60), 0.5)
    noisy = [photo + torch.randn(photo.shape, generator=rng) * 4 / 255 for _ in range(2)]
    blend = StillBlend(0.8)
    blend(None, noisy[0], torch.zeros_like(photo))
    assert blend(None, noisy[1], torch.ones_like(photo)).mean() < 0.3


def test_cuts_are_detected_and_movement_is_not_a_cut():
    is_cut = CutFinder()
    wide = scene(0, 90, 200)
    pan = [wide[..., 3 * i : 3 * i + 160] for i in range(8)]
    assert [is_cut(frame) for frame in [*pan, scene(1, 90, 160), scene(1, 90, 160)]] == [
        *[False] * 8,
        True,
        False,
    ]
