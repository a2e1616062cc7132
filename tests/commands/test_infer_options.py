"""Options of infer beyond input, network and output."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.networks import build_network

from .conftest import ROOT, blotches


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "waves.safetensors"
    save_checkpoint(path, build_network("johnson", width=2, blocks=1), CheckpointInfo("waves", 1))
    return path


@pytest.fixture
def stylize(run, checkpoint, tmp_path):
    """Stylize the same photo with some options and return the pixels of the result."""
    photo = blotches(tmp_path / "photo.png", 60, 44)

    def call(*options):
        out = tmp_path / "out.png"
        result = run(
            "infer", f"input={photo}", f"checkpoint={checkpoint}", f"output={out}", *options
        )
        assert result.status == 0, result.err
        return np.asarray(Image.open(out), float)

    call.photo = np.asarray(Image.open(photo), float)
    return call


def test_strength_blends_from_the_photo_to_the_result(stylize):
    full, half, none = stylize(), stylize("strength=0.5"), stylize("strength=0")
    assert np.abs(none - stylize.photo).max() <= 1
    assert np.abs(half - (full + stylize.photo) / 2).max() <= 2


def test_the_photos_colors_can_be_kept(stylize):
    def chroma(pixels):
        return pixels - pixels.mean(axis=2, keepdims=True)

    kept = stylize("preserve_color=true")
    plain = stylize()
    photo = chroma(stylize.photo)
    assert np.abs(chroma(kept) - photo).mean() < 0.5 * np.abs(chroma(plain) - photo).mean()
    for way in ("histogram", "statistics"):
        result = stylize(f"preserve_color={way}").mean(axis=(0, 1))
        assert np.abs(result - stylize.photo.mean(axis=(0, 1))).max() < 6


def test_only_the_masked_region_is_stylized(stylize, tmp_path):
    mask = Image.new("L", (60, 44), 0)
    mask.paste(255, (30, 0, 60, 44))
    mask.save(tmp_path / "mask.png")
    result, plain = stylize(f"mask={tmp_path}/mask.png"), stylize()
    assert np.abs(result[:, :30] - stylize.photo[:, :30]).max() <= 1
    assert np.abs(result[:, 30:] - plain[:, 30:]).max() <= 1


def test_the_size_option_changes_the_network_input(stylize):
    assert stylize("size=24").shape == stylize.photo.shape
    assert np.abs(stylize("size=24") - stylize()).mean() > 1


def test_a_second_network_is_blended_in(stylize, checkpoint, tmp_path):
    other = tmp_path / "other.safetensors"
    torch.manual_seed(1)
    save_checkpoint(other, build_network("johnson", width=2, blocks=1), CheckpointInfo("other", 1))
    plain = stylize()
    assert np.abs(stylize(f"blend_with={other}", "blend_weight=0") - plain).max() <= 1
    assert np.abs(stylize(f"blend_with={other}", "blend_weight=0.5") - plain).mean() > 1


def test_skip_existing_leaves_finished_results_alone(run, checkpoint, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    for name in ("a.jpg", "b/c.png"):
        blotches(source / name)
    command = ["infer", f"input={source}", f"checkpoint={checkpoint}", f"output={target}"]
    assert "2 images stylized" in run(*command).out
    (target / "a.jpg").unlink()
    before = (target / "b/c.png").stat().st_mtime_ns
    again = run(*command)
    assert "1 image stylized" in again.out
    assert "1 were there already" in again.out
    assert (target / "b/c.png").stat().st_mtime_ns == before
    assert "2 images stylized" in run(*command, "overwrite=true").out
    assert (target / "b/c.png").stat().st_mtime_ns > before


def test_results_get_the_requested_names_and_format(run, checkpoint, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    blotches(source / "a.jpg")
    arguments = [f"input={source}", f"checkpoint={checkpoint}", f"output={target}"]
    result = run("infer", *arguments, "format=webp", "name='{name}_{style}'", "quality=50")
    assert result.status == 0, result.err
    assert [path.name for path in target.iterdir()] == ["a_waves.webp"]
    assert Image.open(target / "a_waves.webp").format == "WEBP"


@pytest.mark.slow
def test_launched_processes_divide_a_folder(checkpoint, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    for i in range(5):
        blotches(source / f"{i}.png", seed=i)
    command = [sys.executable, ROOT / "scripts" / "infer.py", f"input={source}"]
    command += [f"checkpoint={checkpoint}", f"output={target}", "device=cpu"]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    message = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert ["3 images" in message[0], "2 images" in message[1]] == [True, True], message
    assert sorted(path.name for path in target.iterdir()) == [f"{i}.png" for i in range(5)]


MISTAKES = [
    ("strength=2", "strength=2"),
    ("size=0", "size=0"),
    ("preserve_color=hue", "luminance"),
    ("tile=7", "tile=7"),
    ("quality=0", "quality=0"),
    ("format=xyz", "suffix"),
    ("name='{photo}'", "name={photo}"),
    ("precision=int4", "precision=int4"),
    ("video.blend=1", "blend=1"),
    ("mask={small}", "the mask has 9x7 pixels"),
    ("mask=nowhere.png", "nowhere.png"),
    ("blend_with=nowhere", "nowhere"),
    ("style=mosaic", "either style=NAME"),
    ("video.quality=30", "video.* is for videos"),
    ("interpolate=[a,b] blend_with=mosaic", "blend_with=mosaic is not for interpolate"),
    ("interpolate=[a,b] format=jpg", "format=jpg is not for interpolate"),
    ("input={video} quality=3", "Use video.quality"),
    ("input={video} name=foo", "name=foo is not for a video"),
    ("input={video} format=mkv", "format=mkv is not for a video"),
    ("input={video} mask=nowhere.png", "nowhere.png: no such file"),
    ("input={video} mask={small}", "the mask has 9x7 pixels"),
    ("format=jpg output={out}.png", "Leave name and format out"),
    ("name=b output={out}.png", "Leave name and format out"),
]


GrayS = np.broadcast_to(np.linspace(0, 255, 48)[:, None], (32, 48, 3)).astype(np.uint8)


def make_video(path, count=3):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as video:
        stream = video.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for _ in range(count):
            frame = av.VideoFrame.from_ndarray(GrayS, "rgb24")
            video.mux(stream.encode(frame))
        video.mux(stream.encode(None))
    return path


def test_only_the_masked_region_of_a_video_is_stylized(run, checkpoint, tmp_path):
    av = pytest.importorskip("av")
    video, out = make_video(tmp_path / "video.mp4"), tmp_path / "out.mp4"
    mask = Image.new("L", (48, 32), 0)
    mask.paste(255, (24, 0, 48, 32))
    mask.save(tmp_path / "mask.png")
    arguments = [f"input={video}", f"checkpoint={checkpoint}", f"output={out}", "video.quality=1"]
    result = run("infer", *arguments, f"mask={tmp_path}/mask.png")
    assert result.status == 0, result.err
    with av.open(str(out)) as made:
        frames = [f.to_ndarray(format="rgb24").astype(float) for f in made.decode(video=0)]
    assert len(frames) == 3
    for frame in frames:
        assert np.abs(frame - GrayS)[:, :22].max() < 8
        assert np.abs(frame - GrayS)[:, 26:].mean() > 20


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_ends_in_one_line(run, checkpoint, tmp_path, mistake, message):
    photo = blotches(tmp_path / "photo.png")
    small = blotches(tmp_path / "small.png", 9, 7)
    out = tmp_path / "made"
    arguments = [f"input={photo}", f"checkpoint={checkpoint}"]
    if not mistake.startswith(("format", "name", "input=camera")):
        arguments.append(f"output={out}.{'mp4' if '{video}' in mistake else 'png'}")
    video = make_video(tmp_path / "video.mp4") if "{video}" in mistake else None
    options = mistake.format(small=small, video=video, out=out, photo="{photo}").split()
    assert message in run("infer", *arguments, *options).error
    assert not list(tmp_path.glob("made*"))
