"""Videos as training data: exact samples, motion, resuming, and files that are unusable."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as skimage_data

from stylenet.data import Clips, Pairs, PhotoData, VideoData, photos_of, split_clips
from stylenet.errors import StyleNetError
from stylenet.video.flow import opencv

from ..video.videos import make_video

SIZE, STEP, FRAMES = (96, 72), (3, 1), 12


def pan(photo, frames=FRAMES):
    """Return frames whose view moves right and down by ``STEP``."""
    width, height = SIZE
    for t in range(frames):
        x, y = STEP[0] * t, STEP[1] * t
        yield np.ascontiguousarray(photo[y : y + height, x : x + width])


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    times = [512 * t for t in range(FRAMES)]
    for name, photo in (
        ("a.mp4", skimage_data.astronaut()[50:300:2, 100:500:2]),
        ("deep/b.mkv", skimage_data.coffee()[100:350:2, 100:500:2]),
        ("c.mov", skimage_data.chelsea()[:250:2, :400:2]),
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        make_video(folder / name, SIZE, (), times=times, frames=list(pan(photo)))
    return folder


def video_data(root, **options):
    defaults = {"crop_size": 48, "batch_size": 2, "min_size": 8, "workers": 0, "seed": 3}
    data = VideoData(str(root), **{**defaults, **options})
    data.setup()
    return data


def batches(data, count, step=0, world=1, rank=0):
    data.trainer = SimpleNamespace(
        world_size=world, num_devices=1, global_rank=rank, global_step=step,
        accumulate_grad_batches=1,
    )  # fmt: skip
    loaders = data.train_dataloader()
    loaded = zip(*loaders, strict=True) if isinstance(loaders, list) else iter(loaders)
    result = []
    for _ in range(count):
        batch = next(loaded)
        batch = list(batch) if isinstance(batch, tuple) and isinstance(loaders, list) else batch
        result.append(data.on_after_batch_transfer(data.on_before_batch_transfer(batch, 0), 0))
    return result


def assert_same(first, second):
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)


def test_a_batch_holds_neighboring_frames_and_their_motion(videos):
    for clips in batches(video_data(videos, max_scale=1.0), 3):
        assert isinstance(clips, Clips)
        assert clips.batch.shape == clips.following.shape == (2, 3, 48, 48)
        assert clips.motion.shape == (2, 3, 48, 48)
        assert 0 <= clips.batch.min() < clips.batch.max() <= 1
        for before, after in zip(clips.batch, clips.following, strict=True):
            assert 0.01 < (before - after).abs().mean() < 0.2


@pytest.mark.skipif(opencv() is None, reason="the extra `video` is not installed")
def test_the_motion_points_to_the_earlier_frame(videos):
    for clips in batches(video_data(videos, max_scale=1.0), 4):
        for down, right, visible in clips.motion:
            seen = visible > 0
            assert 0.6 < seen.float().mean() < 1
            scale = 48 / SIZE[1]  # the short side is reduced to the crop
            # The view moves to the right, so what it shows was farther right; a flip mirrors that.
            assert float(right[seen].median().abs()) == pytest.approx(3 * scale, abs=0.25)
            assert float(down[seen].median()) == pytest.approx(scale, abs=0.25)
    signs = {
        float(motion[1].median().sign())
        for clips in batches(video_data(videos, max_scale=1.0), 6)
        for motion in clips.motion
    }
    assert signs == {-1.0, 1.0}  # flips


def test_a_sample_depends_on_the_seed_and_its_number_only(videos):
    data, again = video_data(videos).dataset, video_data(videos).dataset
    for n in (5, 0, 9):
        for value, expected in zip(data[n][::2], again[n][::2], strict=True):
            assert torch.equal(value, expected)
    assert not torch.equal(data[0].pixels, video_data(videos, seed=4).dataset[0].pixels)
    epoch = [data[n].pixels for n in range(6)]
    assert len({tuple(pixels.flatten().tolist()) for pixels in epoch}) == 6


@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_and_ranks_continue_with_the_same_samples(videos, workers):
    whole = batches(video_data(videos), 4)
    resumed = batches(video_data(videos, workers=workers), 2, step=2)
    for clips, expected in zip(resumed, whole[2:], strict=True):
        assert_same(clips, expected)
    ranks = [batches(video_data(videos), 2, world=2, rank=rank) for rank in (0, 1)]
    both = [torch.stack([a.motion, b.motion], 1).flatten(0, 1) for a, b in zip(*ranks, strict=True)]
    for motion, first, second in zip(both, whole[::2], whole[1::2], strict=True):
        assert torch.equal(motion, torch.cat([first.motion, second.motion]))


def test_style_images_accompany_videos(videos, tmp_path):
    (tmp_path / "styles").mkdir()
    Image.fromarray(skimage_data.coffee()).save(tmp_path / "styles" / "a.png")
    data = video_data(videos, styles=str(tmp_path / "styles"))
    (clips,) = batches(data, 1)
    assert isinstance(clips.batch, Pairs)
    assert clips.batch.styles.shape == (2, 3, 48, 48)
    batch, same = split_clips(clips)
    assert same is clips
    assert torch.equal(photos_of(clips), batch.photos)


def test_previews_are_frames_of_the_videos(videos):
    assert video_data(videos).preview_photos(3, 40).shape == (3, 3, 40, 40)


@pytest.fixture
def broken(videos, tmp_path):
    """Folder of the usable videos and of those that training skips."""
    for path in videos.rglob("*.m*"):
        for copy in "123":
            (tmp_path / f"{copy}{path.name}").write_bytes(path.read_bytes())
    (tmp_path / "text.mp4").write_text("not a video")
    make_video(tmp_path / "single.mp4", (64, 48), (), times=[0])
    make_video(tmp_path / "tiny.mp4", (16, 8), ())
    random = np.random.default_rng(0)
    scenes = [np.full((48, 64, 3), random.choice([0, 255], 3), np.uint8) for _ in range(12)]
    colors = ([255, 0, 0], [0, 255, 255])
    for i, scene in enumerate(scenes):
        scene[:] = colors[i % 2]
    make_video(tmp_path / "cuts.mp4", (64, 48), (), frames=scenes)
    return tmp_path


def test_unusable_videos_are_skipped_and_named(broken, caplog):
    data = video_data(broken, batch_size=1, min_size=32)
    with caplog.at_level(logging.WARNING):
        loaded = batches(data, 26)
    assert all(clips.batch.shape == (1, 3, 48, 48) for clips in loaded)
    for name, problem in {
        "text.mp4": "is not a video",
        "single.mp4": "has a single frame",
        "tiny.mp4": "is too small: 16x8",
        "cuts.mp4": "has no two neighboring frames of one scene",
    }.items():
        assert f"{broken / name} {problem}" in caplog.text
    assert data.skipped_files == 4


def test_videos_are_checked_like_photos(broken):
    data = video_data(broken, min_size=32)
    names = [name for i, name in enumerate(data.dataset.photos) if data.dataset.check(i)]
    assert names == ["cuts.mp4", "single.mp4", "text.mp4", "tiny.mp4"]


def test_a_damaged_end_is_replaced_by_the_beginning(videos, tmp_path):
    whole = (videos / "deep" / "b.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    data = video_data(tmp_path, batch_size=1)
    assert all(clips.batch.shape == (1, 3, 48, 48) for clips in batches(data, 4))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "no such folder"),
        (lambda folder: folder.mkdir(), "holds no video"),
        (lambda folder: folder.write_bytes(b""), "expected a folder of videos"),
    ],
)
def test_a_folder_without_videos_is_refused(tmp_path, make, message):
    make(tmp_path / "clips")
    with pytest.raises(StyleNetError, match=message):
        video_data(tmp_path / "clips")


def test_the_lists_of_photos_and_videos_of_a_folder_are_cached_separately(videos, tmp_path):
    for path in (videos / "a.mp4", videos / "c.mov"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    Image.fromarray(skimage_data.coffee()).save(tmp_path / "photo.png")
    for _ in range(2):
        assert video_data(tmp_path).dataset.photos == ["a.mp4", "c.mov"]
        photos = PhotoData(str(tmp_path), crop_size=16, batch_size=1)
        photos.setup()
        assert photos.dataset.photos == ["photo.png"]
