"""What repainting can be told beyond input, network and output."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import ArtefactInfo, save_artefact
from stylenet.networks import build_network

from .conftest import ROOT, blotches


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "waves.safetensors"
    save_artefact(path, build_network("johnson", width=2, blocks=1), ArtefactInfo("waves", 1))
    return path


@pytest.fixture
def repaint(run, checkpoint, tmp_path):
    """Repaints the same photo with some options; gives the result's pixels."""
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


def test_strength_goes_from_the_photo_to_the_result(repaint):
    whole, half, none = repaint(), repaint("strength=0.5"), repaint("strength=0")
    assert np.abs(none - repaint.photo).max() <= 1
    assert np.abs(half - (whole + repaint.photo) / 2).max() <= 2


def test_colours_can_be_the_photos(repaint):
    def chroma(pixels):
        return pixels - pixels.mean(axis=2, keepdims=True)

    kept = repaint("preserve_color=true")
    plain = repaint()
    photo = chroma(repaint.photo)
    assert np.abs(chroma(kept) - photo).mean() < 0.5 * np.abs(chroma(plain) - photo).mean()
    for way in ("histogram", "statistics"):
        found = repaint(f"preserve_color={way}").mean(axis=(0, 1))
        assert np.abs(found - repaint.photo.mean(axis=(0, 1))).max() < 6


def test_only_what_the_mask_shows_is_repainted(repaint, tmp_path):
    mask = Image.new("L", (60, 44), 0)
    mask.paste(255, (30, 0, 60, 44))
    mask.save(tmp_path / "mask.png")
    found, plain = repaint(f"mask={tmp_path}/mask.png"), repaint()
    assert np.abs(found[:, :30] - repaint.photo[:, :30]).max() <= 1
    assert np.abs(found[:, 30:] - plain[:, 30:]).max() <= 1


def test_the_network_works_at_another_size(repaint):
    assert repaint("size=24").shape == repaint.photo.shape
    assert np.abs(repaint("size=24") - repaint()).mean() > 1


def test_another_network_is_blended_in(repaint, checkpoint, tmp_path):
    other = tmp_path / "other.safetensors"
    torch.manual_seed(1)
    save_artefact(other, build_network("johnson", width=2, blocks=1), ArtefactInfo("other", 1))
    plain = repaint()
    assert np.abs(repaint(f"blend_with={other}", "blend_share=0") - plain).max() <= 1
    assert np.abs(repaint(f"blend_with={other}", "blend_share=0.5") - plain).mean() > 1


def test_a_folder_is_not_done_twice(run, checkpoint, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    for name in ("a.jpg", "b/c.png"):
        blotches(source / name)
    command = ["infer", f"input={source}", f"checkpoint={checkpoint}", f"output={target}"]
    assert "2 pictures repainted" in run(*command).out
    (target / "a.jpg").unlink()
    before = (target / "b/c.png").stat().st_mtime_ns
    again = run(*command)
    assert "1 picture repainted" in again.out
    assert "1 were there already" in again.out
    assert (target / "b/c.png").stat().st_mtime_ns == before
    assert "2 pictures repainted" in run(*command, "overwrite=true").out
    assert (target / "b/c.png").stat().st_mtime_ns > before


def test_results_are_named_and_stored_as_wished(run, checkpoint, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    blotches(source / "a.jpg")
    given = [f"input={source}", f"checkpoint={checkpoint}", f"output={target}"]
    result = run("infer", *given, "format=webp", "name='{name}_{style}'", "quality=50")
    assert result.status == 0, result.err
    assert [path.name for path in target.iterdir()] == ["a_waves.webp"]
    assert Image.open(target / "a_waves.webp").format == "WEBP"


def test_processes_of_a_launcher_share_a_folder(checkpoint, tmp_path):
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
    said = [process.communicate(timeout=200)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert ["3 pictures" in said[0], "2 pictures" in said[1]] == [True, True], said
    assert sorted(path.name for path in target.iterdir()) == [f"{i}.png" for i in range(5)]


MISTAKES = [
    ("strength=2", "strength=2"),
    ("size=0", "size=0"),
    ("preserve_color=hue", "luminance"),
    ("tile=7", "tile=7"),
    ("quality=0", "quality=0"),
    ("format=xyz", "suffix"),
    ("name='{photo}'", "name={photo}"),
    ("dtype=int8", "dtype=int8"),
    ("film.blend=1", "blend=1"),
    ("mask={small}", "the mask has 9x7 pixels"),
    ("mask=nowhere.png", "nowhere.png"),
    ("blend_with=nowhere", "nowhere"),
    ("style=mosaic", "either style=NAME"),
    ("film.quality=30", "film.* is for films"),
    ("interpolate=[a,b] blend_with=mosaic", "blend_with=mosaic is not for interpolate"),
    ("interpolate=[a,b] format=jpg", "format=jpg is not for interpolate"),
    ("input={film} quality=3", "use film.quality"),
    ("input={film} name=foo", "name=foo is not for a film"),
    ("input={film} format=mkv", "format=mkv is not for a film"),
    ("input={film} mask=nowhere.png", "nowhere.png: no such file"),
    ("input={film} mask={small}", "the mask has 9x7 pixels"),
    ("input=camera mask={small}", "is not for a camera"),
    ("format=jpg output={out}.png", "leave name and format out"),
    ("name=b output={out}.png", "leave name and format out"),
]


GREYS = np.broadcast_to(np.linspace(0, 255, 48)[:, None], (32, 48, 3)).astype(np.uint8)


def make_film(path, count=3):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for _ in range(count):
            frame = av.VideoFrame.from_ndarray(GREYS, "rgb24")
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return path


def test_of_a_film_only_what_the_mask_shows_is_repainted(run, checkpoint, tmp_path):
    av = pytest.importorskip("av")
    film, out = make_film(tmp_path / "film.mp4"), tmp_path / "out.mp4"
    mask = Image.new("L", (48, 32), 0)
    mask.paste(255, (24, 0, 48, 32))
    mask.save(tmp_path / "mask.png")
    given = [f"input={film}", f"checkpoint={checkpoint}", f"output={out}", "film.quality=1"]
    result = run("infer", *given, f"mask={tmp_path}/mask.png")
    assert result.status == 0, result.err
    with av.open(str(out)) as made:
        frames = [f.to_ndarray(format="rgb24").astype(float) for f in made.decode(video=0)]
    assert len(frames) == 3
    for frame in frames:
        assert np.abs(frame - GREYS)[:, :22].max() < 8
        assert np.abs(frame - GREYS)[:, 26:].mean() > 20


@pytest.mark.parametrize(("mistake", "said"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_one_line(run, checkpoint, tmp_path, mistake, said):
    photo = blotches(tmp_path / "photo.png")
    small = blotches(tmp_path / "small.png", 9, 7)
    out = tmp_path / "made"
    given = [f"input={photo}", f"checkpoint={checkpoint}"]
    if not mistake.startswith(("format", "name", "input=camera")):
        given.append(f"output={out}.{'mp4' if '{film}' in mistake else 'png'}")
    film = make_film(tmp_path / "film.mp4") if "{film}" in mistake else None
    options = mistake.format(small=small, film=film, out=out, photo="{photo}").split()
    assert said in run("infer", *given, *options).error
    assert not list(tmp_path.glob("made*"))
