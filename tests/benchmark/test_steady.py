"""Clips of known motion, and the steadiness measured on them."""

import itertools
import math

import numpy as np
import pytest
import torch
from skimage import data as skimage_data

from stylenet.benchmark import SteadySuite, Trained
from stylenet.benchmark.bench import Conditions
from stylenet.benchmark.clips import make_clips
from stylenet.data import SamplePhotos
from stylenet.errors import StyleNetError
from stylenet.image import to_tensor
from stylenet.video.flow import warp

from ..video.videos import Identity

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("av")

SIZE, FRAMES = (96, 64), 8


def smooth_photos():
    """Return a loader of photos without detail that interpolation would blur."""
    photos = itertools.cycle(
        Image.fromarray(photo[:, :, :3]).resize((12, 10), Image.Resampling.BOX)
        for photo in (skimage_data.astronaut(), skimage_data.coffee(), skimage_data.chelsea())
    )
    return lambda size: to_tensor(next(photos).resize(size, Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def clips():
    return {clip.name: clip for clip in make_clips(smooth_photos(), SIZE, FRAMES, 3)}


def as_tensor(frame):
    return torch.from_numpy(frame).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("name", ["pan", "object", "shake", "cut"])
@pytest.mark.parametrize("gap", [1, 3])
def test_the_motion_leads_from_each_frame_to_an_earlier_one(clips, name, gap):
    clip = clips[name]
    pairs = list(clip.pairs(gap))
    assert len(pairs) == (FRAMES - 2 * gap if name == "cut" else FRAMES - gap)
    for before, after in pairs:
        flow, visible = clip.motion(before, after)
        moved = warp(as_tensor(clip.frames[before]), flow, "bicubic")
        error = (moved - as_tensor(clip.frames[after])).abs() * visible
        assert visible.mean() > 0.6
        assert error.max() < 4 / 255
        still = (as_tensor(clip.frames[before]) - as_tensor(clip.frames[after])).abs() * visible
        assert error.mean() < 0.4 * still.mean()  # so there is motion


def test_what_the_object_covers_and_uncovers_is_not_visible(clips):
    flow, visible = clips["object"].motion(0, 3)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    center, step = np.array([0.3 * SIZE[0], 0.4 * SIZE[1]]), 3 * np.array([4.2, 1.1])

    def within(center, more):
        return np.hypot(x - center[0], y - center[1]) < round(0.45 * SIZE[1]) / 2 + more

    uncovered = within(center, 0) & ~within(center + step, 0)
    assert uncovered.sum() > 50
    assert visible[0, 0].numpy()[uncovered].max() == 0
    inside = within(center + step, -3)
    np.testing.assert_allclose(flow[0, 0].numpy()[inside], -3.3, atol=1e-4)
    np.testing.assert_allclose(flow[0, 1].numpy()[inside], -12.6, atol=1e-4)
    assert visible[0, 0].numpy()[inside].min() == 1
    outside = ~within(center, 4) & ~within(center + step, 4)
    outside[[0, 1, -2, -1]] = outside[:, [0, 1, -2, -1]] = False
    assert visible[0, 0].numpy()[outside].min() == 1
    assert flow[0].numpy()[:, outside].max() == 0


def test_recorded_clips_are_noisy_and_compressed(clips):
    for name in ("pan", "object", "shake", "cut"):
        exact, recorded = clips[name].frames, clips[f"{name}, recorded"].frames
        assert len(recorded) == FRAMES
        for a, b in zip(exact, recorded, strict=True):
            assert a.shape == b.shape == (SIZE[1], SIZE[0], 3)
            assert 1 < (a.astype(float) - b).std() < 6
    still = clips["still, recorded"].frames
    assert any((a != b).any() for a, b in itertools.pairwise(still))


def test_clips_depend_on_the_seed_only():
    first, again, other = (make_clips(smooth_photos(), SIZE, 4, seed) for seed in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a.frames, b.frames, strict=True))
    shake = [next(c for c in clips if c.name == "shake") for clips in (first, other)]
    assert not np.array_equal(shake[0].frames[-1], shake[1].frames[-1])


class Bench:
    """Bench whose network returns its input, so that all measures are known."""

    conditions = Conditions([SIZE], 1, 1, 0, False, torch.device("cpu"), "float32")

    def data(self, size):
        return SamplePhotos("scikit-image", size, 1)

    def trained(self, checkpoints, style_folder):
        def criterion(stylized, photo):
            return dict.fromkeys(("total", "content", "style"), (stylized - photo).square().mean())

        return [Trained(name, Identity(), "same", criterion) for name in checkpoints]


def test_a_network_that_returns_its_input_is_as_steady_as_the_source(tmp_path):
    sheets = tmp_path / "sheets"
    rows = SteadySuite(["first"], None, 8, 3, str(sheets)).run(Bench())
    variants = dict.fromkeys(row.details["variant"] for row in rows)
    assert [row.case for row in rows] == [f"first, {variant}" for variant in variants]
    for row in rows:
        measures = row.details["clips"]
        assert len(measures) == 9
        if row.details["variant"] == "frame by frame":
            for values in measures.values():
                assert values["short"] == values["short_source"] < 0.06
                assert values["long"] == values["long_source"]
                assert values["sharpness"] == 1
                assert values["total"] == 0
            assert measures["cut"]["ghost"] == 0
        assert measures["still, recorded"]["short"] <= measures["still, recorded"]["short_source"]
        assert measures["cut"]["ghost"] < 2 / 255
        assert math.isfinite(row.images_per_second)
    assert len(list(sheets.iterdir())) == 9
    with Image.open(sheets / "cut-recorded.png") as sheet:
        assert sheet.width == 3 * SIZE[0]


@pytest.mark.parametrize(
    ("options", "message"), [({"gap": 0}, "suite.gap=0"), ({"frames": 4}, "suite.frames=4")]
)
def test_an_impossible_clip_is_refused(options, message):
    with pytest.raises(StyleNetError, match=message):
        SteadySuite(["starry"], **options)
