import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.networks import build_network

from .conftest import ROOT, blotches

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


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_ctrl_c_leaves_a_playable_file_and_the_same_command_goes_on(script, tmp_path):
    source, target = tmp_path / "a.mp4", tmp_path / "b.mp4"
    with av.open(str(source), "w") as video:
        stream = video.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        for i in range(160):
            pixels = np.full((128, 160, 3), i, np.uint8)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        video.mux(stream.encode(None))
    arguments = [f"input={source}", "style=starry", f"output={target}", "device=cpu"]
    process = subprocess.Popen(
        [sys.executable, ROOT / "scripts" / "infer.py", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore the signal, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    state = tmp_path / "b.mp4.unfinished" / "state.safetensors"
    for _ in range(1200):
        if state.exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    message = err.splitlines()[-1]
    assert re.fullmatch(
        r"interrupted; the first \d+ frames \(.* s\) are kept in .*b\.partial\.mp4; "
        r"the same command goes on from frame (50|100|150)",
        message,
    ), message
    with av.open(str(tmp_path / "b.partial.mp4")) as video:
        assert len(list(video.decode(video=0))) >= 50
    result = script("infer", *arguments)
    assert result.status == 0, result.err
    assert "b.mp4: 160 frames" in result.out
    assert re.search(r"the first (50|100|150) frames are from the interrupted run", result.out)
    with av.open(str(target)) as video:
        assert len(list(video.decode(video=0))) == 160
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
