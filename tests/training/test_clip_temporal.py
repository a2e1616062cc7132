"""The temporal loss of clips, and training on videos."""

import numpy as np
import pytest
import torch
from skimage import data as skimage_data
from torch.nn import functional as F

from stylenet.data import Clips, VideoData
from stylenet.networks import build_network
from stylenet.training import RunFolder
from stylenet.training.clip_temporal import ClipTemporalLoss, FeatureTap

from ..video.videos import make_video
from .test_resume import assert_equal, fit, weights
from .test_step import assert_close

SHIFT = (3, -5)  # down and to the right: where each pixel of the later frame was
HEIGHT, WIDTH = 40, 56


def clips_of(count=2, shift=SHIFT, brightening=0.0):
    """Return clips whose later frames show the earlier ones moved by whole pixels."""
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(count, 3, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)
    second = first.roll((-shift[0], -shift[1]), (-2, -1)) + brightening
    motion = torch.zeros(count, 3, HEIGHT, WIDTH, dtype=torch.float64)
    motion[:, 0], motion[:, 1] = shift
    rows, columns = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    rows, columns = rows + shift[0], columns + shift[1]
    inside = (rows >= 0) & (rows < HEIGHT) & (columns >= 0) & (columns < WIDTH)
    motion[:, 2] = inside.double()
    return Clips(first, second, motion)


def test_a_network_that_follows_the_motion_has_no_loss():
    loss, clips = ClipTemporalLoss(1.0), clips_of()
    view = loss.next_frames(clips)
    assert loss(clips.batch, clips.following, view) < 1e-20  # the identity
    assert loss(1 - clips.batch, 1 - clips.following, view) < 1e-20
    assert loss(clips.batch, clips.batch, view) > 0.05  # strokes that stick to the screen


def test_the_loss_is_the_mean_square_over_what_both_frames_show():
    loss, clips = ClipTemporalLoss(1.0), clips_of(brightening=0.1)
    view = loss.next_frames(clips)
    first, second = (torch.rand_like(clips.batch) for _ in range(2))
    down, right = SHIFT
    total, count = 0.0, 0
    for y in range(HEIGHT):
        for x in range(WIDTH):
            if 0 <= y + down < HEIGHT and 0 <= x + right < WIDTH:
                difference = second[:, :, y, x] - first[:, :, y + down, x + right] - 0.1
                total, count = total + float(difference.square().sum()), count + 6
    assert float(loss(first, second, view)) == pytest.approx(total / count, rel=1e-9)


def test_a_change_of_luminance_may_show_in_the_stylized_frames():
    loss, clips = ClipTemporalLoss(1.0), clips_of(brightening=0.2)
    view = loss.next_frames(clips)
    assert loss(clips.batch, clips.following, view) < 1e-20
    assert loss(clips.batch, clips.following - 0.2, view) == pytest.approx(0.04)


def test_what_is_hidden_does_not_count():
    loss, clips = ClipTemporalLoss(1.0), clips_of()
    clips.motion[:, 2, :, 20:30] = 0
    view = loss.next_frames(clips)
    changed = clips.following.clone()
    changed[..., 20:30] = 0
    assert loss(clips.batch, changed, view) < 1e-20
    assert loss(clips.batch, torch.zeros_like(changed), view) > 0.1
    clips.motion[:, 2] = 0
    assert loss(clips.batch, changed, loss.next_frames(clips)) == 0


@pytest.mark.parametrize("cells", [(10, 14), (11, 15)])  # the last: padded by a cell
def test_features_are_compared_along_the_motion(cells):
    loss, clips = ClipTemporalLoss(1.0), clips_of(shift=(4, -8))
    view = loss.next_frames(clips)
    first = torch.rand(2, 5, *cells, dtype=torch.float64)
    second = first.roll((-1, 2), (-2, -1))  # a cell has 4 x 4 pixels
    assert loss.compare_features(first, second, view) < 1e-20
    difference = loss.compare_features(first, first, view)
    assert difference > 100 * loss.compare_features(first, second + 0.01, view) > 0
    # Relative to the size of the features.
    assert loss.compare_features(9 * first, 9 * first, view) == pytest.approx(float(difference))


@pytest.mark.parametrize("name", ["johnson", "compact", "johnson_multi"])
def test_the_features_before_the_upsampling_are_collected(name):
    small = {"deep_width": 4, "deep_blocks": 1, "fine_blocks": 1}
    network = build_network(name, width=2, **(small if name == "compact" else {"blocks": 1}))
    tap = FeatureTap(network)
    for _ in range(2):
        network(torch.rand(1, 3, 32, 24))
    first, second = tap.take()
    assert first.shape == second.shape == (1, 2 if name == "compact" else 8, 8, 6)
    tap.remove()
    network(torch.rand(1, 3, 32, 24))
    assert tap.take() == []


def test_autocast_keeps_the_positions_precise():
    loss = ClipTemporalLoss(1.0)
    clips = Clips(*(value.float() for value in clips_of()))
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss.next_frames(clips)
    for value, expected in zip(mixed, loss.next_frames(clips), strict=True):
        assert torch.equal(value, expected)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for i, photo in enumerate((skimage_data.astronaut(), skimage_data.coffee())):
        frames = [np.ascontiguousarray(photo[50:90, 50 + 2 * t : 98 + 2 * t]) for t in range(8)]
        make_video(folder / f"{i}.mp4", (48, 40), (), times=range(0, 4096, 512), frames=frames)
    return folder


@pytest.fixture
def make_videos(videos):
    def make(**options):
        return VideoData(str(videos), 24, 2, min_size=8, workers=0, seed=3, **options)

    return make


@pytest.fixture
def make_steady(make_module):
    def make(*arguments, weight=30.0, **options):
        module = make_module(*arguments, **options)
        module.temporal = ClipTemporalLoss(weight, seed=1)
        return module

    return make


def test_a_run_on_videos_resumes_exactly(make_steady, make_videos, tmp_path):
    uninterrupted, resumed = make_steady(), make_steady(seed=5)
    fit(uninterrupted, make_videos(), tmp_path / "uninterrupted")
    checkpoint = RunFolder(tmp_path / "uninterrupted").checkpoint(4)
    fit(resumed, make_videos(), tmp_path / "resumed", resume=checkpoint)
    assert uninterrupted.losses["temporal"] > 0
    assert_equal(weights(uninterrupted), weights(resumed))


def test_steps_on_videos_are_replayed(make_steady, make_videos, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    modules = []
    for mode in ("false", "true"):
        module = make_steady()
        module.compile_mode = mode
        fit(module, make_videos(), tmp_path / mode, steps=5, every=9)
        modules.append(module)
    assert modules[1]._replayed is not None
    assert_close(*modules)


def test_without_the_loss_videos_train_like_their_frames(make_module, make_videos, tmp_path):
    module = make_module()
    fit(module, make_videos(), tmp_path, steps=2, every=9)
    assert "temporal" not in module.losses


@pytest.mark.slow
def test_training_on_videos_makes_a_network_steadier(make_steady, make_videos, tmp_path):
    errors = []
    for weight in (0.0, 300.0):
        module = make_steady(lr=1e-2, width=4, weight=weight)
        fit(module, make_videos(), tmp_path / str(weight), steps=25, every=99)
        errors.append(float(module.losses["temporal"]))
    assert errors[1] < 0.6 * errors[0]


def test_pooling_covers_partly_filled_cells():
    from stylenet.training.clip_temporal import _pool

    maps, features = torch.ones(1, 1, 10, 7), torch.zeros(1, 2, 3, 2)
    expected = F.avg_pool2d(F.pad(maps, (0, 1, 0, 2)), 4)
    assert torch.equal(_pool(maps, features), expected)
