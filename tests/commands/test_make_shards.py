import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import pytest
import torch
import yaml
from PIL import Image

from stylenet.checkpoint import load_checkpoint

from .conftest import ROOT, blotches


@pytest.fixture
def options(photos, tmp_path):
    return [
        "data=folder",
        f"data.root={photos}",
        f"output={tmp_path / 'out'}",
        "per_shard=3",
        "workers=0",
    ]


def weights(folder):
    return load_checkpoint(folder)[0].state_dict()


def test_a_network_is_trained_on_shards_and_a_resumed_run_is_exact(run, tiny, options, tmp_path):
    made = run("make_shards", *options)
    assert made.status == 0, made.err
    assert "4 of 4 photos in 2 shards" in made.out
    assert f"data=shards data.root={tmp_path / 'out'}" in made.out
    shards = [*tiny, "data=shards", f"data.root={tmp_path / 'out'}"]
    shards.remove("data=folder")
    assert run("train", *shards).status == 0
    assert run("train", *shards, "trainer.max_steps=5", "resume=true").status == 0
    uninterrupted = [*shards, "trainer.max_steps=5", f"run_dir={tmp_path / 'uninterrupted'}"]
    assert run("train", *uninterrupted).status == 0
    # Shards hold the original bytes of photos that are small JPEG files.
    folder = [*tiny, "trainer.max_steps=5", f"run_dir={tmp_path / 'folder'}"]
    assert run("train", *folder).status == 0
    for name, value in weights(tmp_path / "uninterrupted").items():
        assert torch.equal(value, weights(tmp_path / "run")[name]), name
        assert torch.equal(value, weights(tmp_path / "folder")[name]), name


def test_bad_files_are_named_and_counted_and_the_shards_are_checked(run, options, photos, tmp_path):
    (photos / "empty.jpg").touch()
    made = run("make_shards", *options)
    assert made.status == 0, made.err
    assert f"left out: {photos / 'empty.jpg'} is empty" in made.out
    assert "4 of 5 photos in 2 shards" in made.out
    assert "1 left out" in made.out
    again = run("make_shards", *options)
    assert again.status == 0
    assert "4 of 5 photos in 2 shards" in again.out
    small = ["data.crop_size=16", "data.min_size=8", "data.workers=2"]
    checked = run("check_data", "data=shards", f"data.root={tmp_path / 'out'}", *small)
    assert "4 of 4 photos usable" in checked.out


def test_other_options_for_existing_shards_end_in_one_line(run, options):
    run("make_shards", *options)
    assert "holds shards made with size=384" in run("make_shards", *options, "size=256").error


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("data.root=nowhere", "data.root=nowhere is not a folder"),
        ("size=0", "size=0 is not a whole number"),
        ("quality=100", "quality=100 is above 95"),
        ("workers=-1", "workers=-1 is not a whole number"),
        ("data=samples", "data=samples has only six photos"),
        ("shard=3", "did you mean"),
    ],
)
def test_a_mistake_ends_in_one_line(run, options, mistake, message, tmp_path):
    assert message in run("make_shards", *options, mistake).error
    assert not (tmp_path / "out").exists()


def test_a_missing_option_ends_in_one_line(run, photos):
    assert "output is missing" in run("make_shards", "data=folder", f"data.root={photos}").error


def test_the_default_size_is_the_largest_that_the_default_recipe_needs():
    recipe = yaml.safe_load((ROOT / "configs/data/coco.yaml").read_text())
    size = yaml.safe_load((ROOT / "configs/make_shards.yaml").read_text())["size"]
    assert size == round(recipe["crop_size"] * recipe["max_scale"])


@pytest.mark.slow
def test_the_same_command_completes_a_killed_one(script, run, photos, tmp_path):
    large = blotches(photos / "large.jpg", 1500, 1200)
    for i in range(24):  # a second of work, to be killed halfway
        shutil.copy(large, photos / f"large{i:03}.jpg")
    options = ["data=folder", f"data.root={photos}", "per_shard=2", "workers=2"]
    process = subprocess.Popen(
        [sys.executable, ROOT / "scripts/make_shards.py", *options, f"output={tmp_path / 'out'}"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
        # Tests that run in the background of a shell inherit an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "out").glob("shard-*.tar"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert not list((tmp_path / "out").glob(".shard*"))
    unfinished = run("check_data", "data=shards", f"data.root={tmp_path / 'out'}")
    assert "not finished" in unfinished.error
    again = run("make_shards", *options, f"output={tmp_path / 'out'}")
    assert again.status == 0, again.err
    assert run("make_shards", *options, f"output={tmp_path / 'uninterrupted'}").status == 0
    files = [
        {p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("out", "uninterrupted")
    ]
    assert files[0] == files[1]
    with tarfile.open(tmp_path / "out/shard-000010.tar") as tar:
        photo = Image.open(io.BytesIO(tar.extractfile(tar.getmembers()[0]).read()))
    assert min(photo.size) == 384
