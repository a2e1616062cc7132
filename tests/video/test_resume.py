"""Interrupted videos go on where they were."""

import shutil
import threading
from fractions import Fraction

import numpy as np
import pytest
import torch

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.inference import Stylizer
from stylenet.inference.region_plan import RegionPlan
from stylenet.networks import build_network
from stylenet.video import VideoOptions, stylize_video
from stylenet.video.journal import SEGMENT, Journal
from stylenet.video.mask_videos import MaskVideos

from .videos import Identity, frames, make_video, packets

av = pytest.importorskip("av")

COUNT = 2 * SEGMENT + 30


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


class Stopping(Stylizer):
    """Stylizer that raises an error at one of the frames."""

    def __init__(self, at=None, error=KeyboardInterrupt, weights=0):
        torch.manual_seed(weights)
        network = build_network("johnson", width=2, blocks=0)
        super().__init__(network, CheckpointInfo("test", 1), "cpu", "float32")
        self.at, self.error, self.count = at, error, 0

    def stylize_tensor(self, images):
        self.count += 1
        if self.at is not None and self.count > self.at:
            raise self.error
        return super().stylize_tensor(images)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (96, 400, 3), dtype=np.uint8)
    # Uneven times, so that decoding times have to be right across the segments.
    times = np.cumsum(rng.integers(200, 1500, COUNT)).tolist()
    times = [int(time - times[0]) for time in times]
    images = [np.ascontiguousarray(texture[:, i : i + 128]) for i in range(COUNT)]
    return make_video(
        tmp_path_factory.mktemp("source") / "a.mp4",
        (128, 96),
        times=times,
        frames=images,
        options={"g": "30"},
    )


def run(stylizer, source, target, mask=None, **options):
    video = VideoOptions(**{"quality": 10, **options})
    return stylize_video(stylizer, source, target, video=video, progress=False, mask=mask)


def assert_equal(first, second, lossless):
    """Compare two videos; x264 itself is not the same in every run."""
    (a, times_a), (b, times_b) = frames(first), frames(second)
    assert times_a == times_b
    for x, y in zip(a, b, strict=True):
        assert np.abs(x.astype(int) - y).mean() <= (0 if lossless else 2)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        slow("mkv", {"codec": "ffv1"}),
        ("mp4", {"blend": 0, "fps": 30, "start": 0.3}),
        slow("mkv", {"codec": "ffv1", "steady": 0.5, "flicker": True}),
        slow("mkv", {"codec": "ffv1", "fps": 30, "start": 0.3, "blend": 0}),
        slow("mp4", {}),
        slow("mov", {"codec": "libx265", "blend": 0}),
        slow("avi", {"codec": "mpeg4", "blend": 0}),
        slow("mkv", {"codec": "libvpx-vp9", "blend": 0}),
    ],
)
def test_an_interrupted_run_goes_on_with_the_same_result(suffix, options, source, tmp_path):
    whole, target = tmp_path / f"whole.{suffix}", tmp_path / f"b.{suffix}"
    expected = run(Stopping(), source, whole, **options)
    assert expected.resumed == 0
    for at in (SEGMENT + 20, 20):
        with pytest.raises(KeyboardInterrupt, match="the same command goes on from frame") as info:
            run(Stopping(at), source, target, **options)
    assert str(info.value).startswith("interrupted; the first ")
    partial, _ = frames(tmp_path / f"b.partial.{suffix}")  # playable
    assert len(partial) > SEGMENT
    stylizer = Stopping()
    report = run(stylizer, source, target, **options)
    assert report.frames == expected.frames == len(frames(whole)[0])
    assert report.resumed in (SEGMENT, 2 * SEGMENT)
    assert stylizer.count < expected.frames * (2 if "flicker" in options else 1)
    assert report.flicker == expected.flicker
    assert_equal(whole, target, options.get("codec") == "ffv1")
    assert packets(whole, "audio") == packets(target, "audio") != [[]]
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {whole.name, target.name}


@pytest.mark.slow
def test_an_interrupted_run_goes_on_in_its_mask_video(source, tmp_path):
    shape, bars = (96, 128, 3), []
    for index in range(COUNT):  # a bar that moves by 8 columns a frame
        bars.append(np.zeros(shape, np.uint8))
        bars[-1][:, 8 * (index % 16) :][:, :8] = 255
    size, codec = (128, 96), {"codec": "ffv1", "options": {}}
    path = make_video(
        tmp_path / "mask.mkv", size, (), times=[512 * i for i in range(COUNT)], frames=bars, **codec
    )
    plan, options = RegionPlan.for_mask(path), {"codec": "ffv1", "blend": 0}
    whole, target = tmp_path / "whole.mkv", tmp_path / "b.mkv"
    run(Stopping(), source, whole, MaskVideos(plan, [True]), resume=False, **options)
    with pytest.raises(KeyboardInterrupt, match="goes on from frame"):
        run(Stopping(SEGMENT + 9), source, target, MaskVideos(plan, [True]), **options)
    report = run(Stopping(), source, target, MaskVideos(plan, [True]), **options)
    assert report.resumed == SEGMENT
    assert_equal(whole, target, lossless=True)
    with pytest.raises(KeyboardInterrupt):
        run(Stopping(SEGMENT + 9), source, target, MaskVideos(plan, [True]), **options)
    soft = RegionPlan.for_mask(path, feather=4)
    report = run(Stopping(), source, target, MaskVideos(soft, [True]), **options)
    assert report.resumed == 0, "another mask starts anew"


@pytest.mark.slow
def test_a_killed_run_goes_on(source, tmp_path):
    """A process that is killed has closed nothing: only what was committed counts."""
    target = tmp_path / "b.mp4"
    with pytest.raises(KeyboardInterrupt):
        run(Stopping(SEGMENT + 30), source, target)
    folder = tmp_path / "b.mp4.unfinished"
    with (folder / "packets.bin").open("ab") as file:
        file.write(b"half a packet")
    report = run(Stopping(), source, target)
    assert report.resumed == SEGMENT
    run(Stopping(), source, tmp_path / "whole.mp4", resume=False)
    assert len(frames(target)[0]) == COUNT
    assert frames(target)[1] == frames(tmp_path / "whole.mp4")[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", ["option", slow("weights"), slow("source"), slow("damage"), slow("cut")]
)
def test_another_run_starts_anew(change, source, tmp_path):
    own, target = tmp_path / "a.mp4", tmp_path / "b.mp4"
    shutil.copy(source, own)
    with pytest.raises(KeyboardInterrupt):
        run(Stopping(SEGMENT + 30), own, target)
    folder = tmp_path / "b.mp4.unfinished"
    if change == "source":
        shutil.copy(source, own)
    if change == "damage":
        (folder / "state.safetensors").write_bytes(b"no tensors")
    if change == "cut":
        (folder / "packets.bin").write_bytes(b"")
    options = {"blend": 0.5} if change == "option" else {}
    report = run(Stopping(weights=int(change == "weights")), own, target, **options)
    assert report.resumed == 0
    assert len(frames(target)[0]) == COUNT
    assert not folder.exists()


@pytest.mark.slow
def test_nothing_is_kept_without_resume_or_before_the_first_segment(source, tmp_path):
    target = tmp_path / "b.mp4"
    for at, resume in ((SEGMENT + 30, False), (9, True)):
        with pytest.raises(KeyboardInterrupt) as info:
            run(Stopping(at), source, target, resume=resume)
        assert "goes on" not in str(info.value)
        assert [path.name for path in tmp_path.iterdir()] == ["b.partial.mp4"]
    assert not {"reader", "writer"} & {thread.name for thread in threading.enumerate()}


@pytest.mark.slow
def test_a_full_disk_keeps_what_is_done(source, tmp_path):
    with pytest.raises(StyleNetError, match="memory is short"):
        run(Stopping(SEGMENT + 30, StyleNetError("memory is short")), source, tmp_path / "b.mp4")
    assert run(Stopping(), source, tmp_path / "b.mp4").resumed == SEGMENT


def test_two_runs_do_not_write_the_same_video(source, tmp_path):
    with Journal(tmp_path / "b.mp4", "key"), pytest.raises(StyleNetError, match="another run"):
        run(Identity(), source, tmp_path / "b.mp4")


@pytest.mark.slow
def test_animations_are_not_cut_into_segments(source, tmp_path):
    target = tmp_path / "b.gif"
    with pytest.raises(KeyboardInterrupt):
        run(Stopping(SEGMENT + 30), source, target)
    report = run(Stopping(), source, target, fps=Fraction(10))
    assert report.resumed == 0
    assert len(frames(target)[0]) == report.frames
