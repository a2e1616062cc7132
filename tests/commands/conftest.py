import os
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from PIL import Image
from safetensors.torch import save_file

from stylenet.cli.main import main
from stylenet.cli.start import start
from stylenet.perceptual.weights import load_weights
from stylenet.program import COMMANDS

ROOT = Path(__file__).parents[2]
MODULES = [entry.module for entry in COMMANDS.values() if entry.module]


class Result(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def error(self):
        """The error line on stderr; check that nothing follows it and the status is 2."""
        assert self.status == 2, self
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        assert self.err.splitlines()[-1] == lines[0], self.err
        return lines[0]


@pytest.fixture
def in_process(monkeypatch, capfd):
    """Run a program's body in this process, which is quick enough for many error cases."""

    def call(program, body, *arguments):
        monkeypatch.setattr(sys, "argv", [str(program)])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        # Hydra would compose the options twice, the first time only to read hydra.mode.
        monkeypatch.setattr(Hydra, "get_mode", lambda *_, **__: None)
        GlobalHydra.instance().clear()
        status = 0
        capfd.readouterr()
        try:
            body(list(map(str, arguments)))
        except SystemExit as leaving:
            status = leaving.code or 0
        captured = capfd.readouterr()
        return Result(status, captured.out, captured.err)

    return call


@pytest.fixture
def run(in_process):
    """Run ``scripts/NAME.py`` in this process."""

    def call(name, *arguments):
        return in_process(ROOT / f"scripts/{name}.py", partial(start, name), *arguments)

    return call


@pytest.fixture
def call_stylenet(in_process):
    """Run ``stylenet`` in this process."""
    return partial(in_process, "stylenet", main)


@pytest.fixture
def script(tmp_path):
    """Run a script in its own process, as a user does."""

    def call(name, *arguments, cwd=ROOT, **more):
        done = subprocess.run(
            [sys.executable, ROOT / "scripts" / f"{name}.py", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            **more,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return call


def blotches(path, width=40, height=32, seed=0):
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    small.resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    for i in range(4):
        blotches(tmp_path / "photos" / f"{i}.jpg", seed=i)
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory):
    """The first convolutions of a random VGG-19; to draw all of them takes longer than a run."""
    state = load_weights("vgg19", "random")
    state = {name: value for name, value in state.items() if int(name.split(".")[1]) <= 10}
    path = tmp_path_factory.mktemp("vgg") / "vgg19_to_relu3_1.safetensors"
    save_file(state, path)
    return path


@pytest.fixture
def tiny(tmp_path, photos, vgg_file):
    """Overrides for a run of one second, too short to train anything useful."""
    painting = blotches(tmp_path / "painting.png", 48, 40, seed=9)
    return [
        f"style.image={painting}",
        "style.size=32",
        "encoder=vgg19",
        f"encoder.weights={vgg_file}",
        "loss.content.layers=[relu1_2]",
        "loss.style.layers=[relu1_1,relu1_2]",
        "network.width=2",
        "network.blocks=1",
        "data=folder",
        f"data.root={photos}",
        "data.crop_size=16",
        "data.min_size=8",
        "data.batch_size=2",
        "data.workers=0",
        "callbacks.previews.size=24",
        "trainer.accelerator=cpu",
        "trainer.max_steps=3",
        f"run_dir={tmp_path / 'run'}",
    ]


# Options of scripts/optimize.py for ``small_folder``, for a run of one second.
SMALL_OPTIMIZE = {
    "content": "photo.jpg",
    "style": "custom",
    "style.image": "painting.png",
    "style.size": 32,
    "encoder": "lite",
    "size": 32,
    "steps": 3,
    "device": "cpu",
    "output": "out.png",
}


@pytest.fixture
def small_folder(tmp_path, monkeypatch):
    """Change to a directory with a photo and a style image."""
    monkeypatch.chdir(tmp_path)
    blotches(tmp_path / "photo.jpg", 48, 36)
    blotches(tmp_path / "painting.png", 48, 40, seed=9)
    return tmp_path


@pytest.fixture
def optimize(run, small_folder):
    """Run scripts/optimize.py in ``small_folder`` with SMALL_OPTIMIZE and the given overrides."""

    def call(*arguments):
        given = dict(argument.split("=", 1) for argument in arguments)
        merged = {**SMALL_OPTIMIZE, **given}
        return run("optimize", *(f"{key}={value}" for key, value in merged.items()))

    return call


@pytest.fixture
def stylize(run, checkpoint, tmp_path):
    """Stylize a photo with the test module's ``checkpoint``."""
    photo = blotches(tmp_path / "photo.png", 61, 44)

    def call(*options, output="out.png"):
        out = tmp_path / output
        given = [f"input={photo}", f"checkpoint={checkpoint}", f"output={out}"]
        result = run("infer", *given, *options)
        assert result.status == 0, result.err
        return np.asarray(Image.open(out), float) if output.endswith(".png") else out

    return call
