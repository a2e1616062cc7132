"""``stylenet infer input=camera`` with generated frames and simulated keys."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.cli import infer_camera
from stylenet.errors import StyleNetError
from stylenet.networks import build_network

av = pytest.importorskip("av")


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "waves.safetensors"
    save_checkpoint(path, build_network("johnson", width=2, blocks=0), CheckpointInfo("waves", 1))
    return path


@pytest.fixture
def camera(monkeypatch, tmp_path):
    """Replace camera and window; keys are pressed one for each frame."""
    keys = []

    class Window:
        def __init__(self, title):
            if not keys:
                raise StyleNetError("the preview needs a display (no $DISPLAY); do something")

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def show(self, pixels, caption):
            assert pixels.shape == (48, 64, 3)
            return [keys.pop(0)] if keys else ["q"]

    def frames(name):
        rng = np.random.default_rng(0)
        for _ in itertools.count() if keys else range(5):
            yield rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(infer_camera, "Window", Window)
    monkeypatch.setattr(infer_camera, "camera_frames", frames)
    return keys


def test_a_camera_is_recorded_and_snapshots_are_named(run, camera, checkpoint, tmp_path):
    camera += ["x", "minus", "s", "x"]
    result = run("infer", "input=camera", f"checkpoint={checkpoint}", "output=out.mp4")
    assert result.status == 0, result.err
    assert "5 frames in out.mp4" in result.out
    with av.open("out.mp4") as video:
        assert len(list(video.decode(video=0))) == 5
    snapshot = result.out.split("snapshot: ")[1].strip()
    assert Image.open(tmp_path / snapshot).size == (64, 48)


def test_without_a_display_a_camera_is_recorded_until_ctrl_c(run, camera, checkpoint):
    result = run("infer", "input=camera", f"checkpoint={checkpoint}", "output=out.mkv")
    assert result.status == 0, result.err
    assert "no window: the preview needs a display (no $DISPLAY); Ctrl-C ends" in result.out
    with av.open("out.mkv") as video:
        assert 1 <= len(list(video.decode(video=0))) <= 5


def test_a_camera_needs_a_display_or_an_output(run, camera, checkpoint, tmp_path):
    assert "display" in run("infer", "input=camera", f"checkpoint={checkpoint}").error
    for option, words in {
        "output=out.png": "output=out.png is not a video",
        "video.start=3": "not for a camera",
        "mask=a.mp4": "a.mp4",
        "name=a": "name=a is not for a camera",
    }.items():
        result = run("infer", "input=camera", f"checkpoint={checkpoint}", option)
        assert words in result.error
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.name]


def test_regions_of_a_camera_are_resized_to_its_frames(run, camera, checkpoint, monkeypatch):
    camera += ["s"]
    frame = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    # Always the same frame, because those that come too fast are left out.
    monkeypatch.setattr(infer_camera, "camera_frames", lambda name: itertools.repeat(frame))
    mask = Image.new("L", (8, 6))
    mask.paste(255, (4, 0, 8, 6))
    mask.save("mask.png")
    result = run("infer", "input=camera", f"regions={{mask.png: {checkpoint}}}", "video.blend=0")
    assert result.status == 0, result.err
    assert "regions: waves 50%, photo 50%" in result.out
    stylized = np.asarray(Image.open(result.out.split("snapshot: ")[1].strip()), float)
    assert np.array_equal(stylized[:, :28], frame[:, :28])
    assert np.abs(stylized - frame)[:, 36:].mean() > 5


def test_an_unplugged_camera_leaves_its_recording(run, camera, checkpoint, monkeypatch):
    def frames(name):
        yield np.zeros((48, 64, 3), np.uint8)
        raise StyleNetError("input=camera stopped: No such device")

    camera += 9 * ["x"]
    monkeypatch.setattr(infer_camera, "camera_frames", frames)
    result = run("infer", "input=camera", f"checkpoint={checkpoint}", "output=out.mp4")
    assert "stopped: No such device; the recording up to then is in out.mp4" in result.error
    with av.open("out.mp4") as video:
        assert len(list(video.decode(video=0))) == 1
