import numpy as np
import pytest
import torch

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.networks import build_network

from .conftest import blotches

av = pytest.importorskip("av")


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "run" / "waves.safetensors"
    save_checkpoint(path, build_network("johnson", width=2, blocks=1), CheckpointInfo("waves", 1))
    return path


def make_video(path, form=None, codec="mpeg2video"):
    with av.open(str(path), "w", format=form) as video:
        stream = video.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for i in range(5):
            pixels = np.full((32, 48, 3), 40 * i, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")
            frame.pts = i
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.vob", "a.of_an_unknown_kind"])
def test_videos_with_any_suffix_become_videos(run, checkpoint, tmp_path, name):
    source, target = make_video(tmp_path / name, "vob"), tmp_path / "b.mp4"
    result = run("infer", f"input={source}", f"checkpoint={checkpoint}", f"output={target}")
    assert result.status == 0, result.err
    with av.open(str(target)) as video:
        assert len(list(video.decode(video=0))) >= 4


def test_an_image_cannot_become_a_video(run, checkpoint, tmp_path):
    source, target = blotches(tmp_path / "a.png"), tmp_path / "b.mp4"
    result = run("infer", f"input={source}", f"checkpoint={checkpoint}", f"output={target}")
    assert "its suffix is none of" in result.error


def test_videos_in_a_folder_are_counted_whatever_their_suffix(run, checkpoint, tmp_path):
    source = tmp_path / "in"
    blotches(source / "a.png")
    for name in ("b.vob", "c.MXF", "d.ts"):
        (source / name).touch()
    result = run(
        "infer", f"input={source}", f"checkpoint={checkpoint}", f"output={tmp_path / 'out'}"
    )
    assert result.status == 0, result.err
    assert "3 videos were left out (b.vob, …); stylize each by itself" in result.out


def test_changes_to_a_video_are_reported(run, checkpoint, tmp_path):
    source, target = tmp_path / "a.mov", tmp_path / "b.mp4"
    with av.open(str(source), "w") as video:
        stream = video.add_stream("qtrle", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "argb"
        frame = av.VideoFrame.from_ndarray(np.full((32, 48, 4), 99, np.uint8), "rgba")
        video.mux(stream.encode(frame.reformat(format="argb")))
        video.mux(stream.encode(None))
    result = run("infer", f"input={source}", f"checkpoint={checkpoint}", f"output={target}")
    assert result.status == 0, result.err
    assert "left out: the transparency, flattened on white" in result.out
    wrong = "video.deinterlace=maybe"
    result = run("infer", f"input={source}", f"checkpoint={checkpoint}", wrong)
    assert "deinterlace=maybe is unknown; choose one of auto, true, false" in result.error
