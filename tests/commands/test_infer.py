import os

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
    path = tmp_path / "run" / "waves.safetensors"
    save_checkpoint(path, build_network("johnson", width=2, blocks=1), CheckpointInfo("waves", 1))
    return path


def test_the_script_stylizes_a_photo(script, checkpoint, tmp_path):
    photo, out = blotches(tmp_path / "photo.jpg", 37, 23), tmp_path / "out.png"
    result = script("infer", f"input={photo}", f"checkpoint={checkpoint.parent}", f"output={out}")
    assert (result.status, result.out.strip()) == (0, str(out)), result.err
    before, after = Image.open(photo), Image.open(out)
    assert after.size == before.size
    assert np.asarray(after).std() > 1
    assert np.abs(np.asarray(after, float) - np.asarray(before, float)).mean() > 5


def test_a_folder_is_stylized_under_the_same_names(run, checkpoint, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    for name in ("a.jpg", "deep/er/b.png", "c.webp"):
        blotches(source / name)
    (source / "notes.txt").write_text("no image")
    result = run("infer", f"input={source}", f"checkpoint={checkpoint}", f"output={target}")
    assert result.status == 0, result.err
    assert "3 images stylized" in result.out
    made = sorted(str(p.relative_to(target)) for p in target.rglob("*") if p.is_file())
    assert made == ["a.jpg", "c.webp", "deep/er/b.png"]


def test_one_bad_file_does_not_end_a_folder(run, checkpoint, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    blotches(source / "a.jpg")
    (source / "b.jpg").write_bytes(b"")
    blotches(source / "c.jpg")
    result = run("infer", f"input={source}", f"checkpoint={checkpoint}", f"output={target}")
    assert result.status == 1
    assert "2 images stylized" in result.out
    assert "b.jpg is empty" in result.err
    assert sorted(p.name for p in target.iterdir()) == ["a.jpg", "c.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="file names on Windows hold no backslash")
def test_one_unusual_name_does_not_end_a_folder(run, checkpoint, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    odd, longest = "photos\\IMG_1.jpg", f"{'l' * 251}.jpg"
    for name in ("a.jpg", odd, longest):
        blotches(source / name)
    overrides = [f"input={source}", f"checkpoint={checkpoint}", f"output={target}"]
    result = run("infer", *overrides, "name={name}_new")
    assert result.status == 1
    assert "2 images stylized" in result.out
    assert longest in result.err
    assert sorted(p.name for p in target.iterdir()) == ["a_new.jpg", "photos\\IMG_1_new.jpg"]


def test_animations_and_videos_in_a_folder_stay_moving(run, checkpoint, tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    blotches(source / "still.png")
    blotches(source / "other.gif")
    frames = [Image.open(blotches(tmp_path / "frame.png", seed=i)).copy() for i in range(3)]
    for name in ("a.webp", "b.png", "deep/c.gif"):
        (source / name).parent.mkdir(exist_ok=True)
        frames[0].save(
            source / name, save_all=True, append_images=frames[1:], duration=[40, 80, 90]
        )
    (source / "video.mp4").write_bytes(b"")
    overrides = [f"input={source}", f"checkpoint={checkpoint}"]
    result = run("infer", *overrides, f"output={target}")
    assert result.status == 0, result.err
    assert "5 images stylized" in result.out
    assert "1 video was left out (video.mp4); stylize" in result.out
    count = {str(p.relative_to(target)): Image.open(p).n_frames for p in target.rglob("*.???*")}
    assert count == {"a.webp": 3, "b.png": 3, "deep/c.gif": 3, "other.gif": 1, "still.png": 1}
    result = run("infer", *overrides, f"output={tmp_path / 'jpg'}", "format=jpg", "name='{name}_x'")
    assert result.status == 1
    assert result.err.count("is an animation, which .jpg cannot hold") == 3
    assert sorted(path.name for path in (tmp_path / "jpg").rglob("*.jpg")) == [
        "other_x.jpg",
        "still_x.jpg",
    ]


def test_videos_among_earlier_results_are_not_counted(run, checkpoint, tmp_path):
    source = tmp_path / "in"
    blotches(source / "a.png")
    for name in ("one.mp4", "two.mov", "out/done.mp4"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_bytes(b"")
    result = run("infer", f"input={source}", f"checkpoint={checkpoint}", f"output={source}/out")
    assert result.status == 0, result.err
    assert "2 videos were left out (one.mp4, …); stylize" in result.out


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (65, 3)])
def test_tiny_images_keep_their_size(run, checkpoint, tmp_path, size):
    photo = blotches(tmp_path / "photo.png", *size)
    out = tmp_path / "out.png"
    assert run("infer", f"input={photo}", f"checkpoint={checkpoint}", f"output={out}").status == 0
    assert Image.open(out).size == size


def test_a_sideways_phone_photo_comes_out_upright(run, checkpoint, tmp_path):
    photo = tmp_path / "phone.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.open(blotches(tmp_path / "a.png", 40, 24)).save(photo, exif=exif)
    out = tmp_path / "out.jpg"
    assert run("infer", f"input={photo}", f"checkpoint={checkpoint}", f"output={out}").status == 0
    with Image.open(out) as made:
        assert made.size == (24, 40)
        assert made.getexif().get(0x0112, 1) == 1


def test_transparency_is_kept(run, checkpoint, tmp_path):
    photo, out = tmp_path / "photo.png", tmp_path / "out.png"
    image = Image.open(blotches(photo)).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(photo)
    assert run("infer", f"input={photo}", f"checkpoint={checkpoint}", f"output={out}").status == 0
    assert Image.open(out).getchannel("A").tobytes() == image.getchannel("A").tobytes()


def test_the_default_output_has_a_generated_name(run, checkpoint, tmp_path, monkeypatch):
    photo = blotches(tmp_path / "in" / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    result = run("infer", f"input={photo}", f"checkpoint={checkpoint}")
    assert result.out.strip() == "photo_waves.jpg"
    assert (tmp_path / "photo_waves.jpg").is_file()


def test_a_single_image_is_written_into_an_existing_folder(run, checkpoint, tmp_path):
    photo = blotches(tmp_path / "in" / "photo.jpg")
    (tmp_path / "out").mkdir()
    run("infer", f"input={photo}", f"checkpoint={checkpoint}", f"output={tmp_path / 'out'}")
    assert (tmp_path / "out" / "photo.jpg").is_file()
    result = run(
        *("infer", f"input={blotches(tmp_path / 'in' / 'photo.ppm')}", f"checkpoint={checkpoint}"),
        f"output={tmp_path / 'out'}",
    )
    assert result.out.strip() == str(tmp_path / "out" / "photo.png"), result.err
    run("infer", f"input={photo}", f"checkpoint={checkpoint}", f"output={tmp_path / 'new'}/")
    assert (tmp_path / "new" / "photo.jpg").is_file()


MISTAKES = [
    (["input=nowhere.jpg"], "nowhere.jpg: no such file"),
    (["input="], "input is empty"),
    (["input=pyproject.toml"], "pyproject.toml is not an image"),
    (["input={empty}"], "no images found"),
    (["output={photo}"], "is the input itself"),
    (["output=out.xyz"], "suffix"),
    (["output=/proc/nowhere/out.png"], "/proc/nowhere"),
    (["output=pyproject.toml/out.png"], "pyproject.toml"),
    (["checkpoint=nowhere"], "checkpoint=nowhere"),
    (["checkpoint={empty}"], "holds no .safetensors"),
    (["checkpoint=pyproject.toml"], "not a StyleNet checkpoint"),
    (["device=cuda:9"], "device=cuda:9 is not available"),
    (["device=abacus"], "device=abacus is not available"),
    (["speed=fast"], "input, style, checkpoint, list"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES, ids=[m[0][0] for m in MISTAKES])
def test_a_mistake_ends_in_one_line(run, checkpoint, tmp_path, monkeypatch, mistake, message):
    monkeypatch.chdir(ROOT)
    photo = blotches(tmp_path / "photo.jpg")
    (tmp_path / "empty").mkdir()
    before = photo.read_bytes()
    overrides = [o.format(photo=photo, empty=tmp_path / "empty") for o in mistake]
    good = [f"input={photo}", f"checkpoint={checkpoint}", f"output={tmp_path / 'out.png'}"]
    assert message in run("infer", *good, *overrides).error
    assert photo.read_bytes() == before
    assert not (tmp_path / "out.png").exists()


def test_missing_options_are_named(run):
    assert "input is missing" in run("infer").error


def test_a_command_without_a_network_lists_the_pretrained_styles(run, tmp_path):
    error = run("infer", f"input={blotches(tmp_path / 'photo.png')}").error
    assert "No style given. Give style=NAME (composition_vii, great_wave" in error
