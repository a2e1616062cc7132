"""A plugin package (tests/plugin) that extends StyleNet without changing it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stylenet import plugins
from stylenet.export import registry as formats
from stylenet.networks import registry as networks

from .conftest import blotches

PLUGIN = Path(__file__).parents[1] / "plugin"
FILES = [path for path in PLUGIN.rglob("*") if path.suffix in (".py", ".yaml")]


@pytest.fixture
def installed(monkeypatch):
    """Install the package: Python's path, its entry point and its Hydra configs."""
    monkeypatch.syspath_prepend(PLUGIN)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("STYLENET_CONFIGS", str(PLUGIN / "stroke_styles" / "configs"))
    monkeypatch.setattr(networks, "_NETWORKS", dict(networks._NETWORKS))
    monkeypatch.setattr(formats, "_FORMATS", dict(formats._FORMATS))
    monkeypatch.delitem(sys.modules, "stroke_styles", raising=False)
    plugins.load_plugins.cache_clear()
    yield
    sys.modules.pop("stroke_styles", None)
    plugins.load_plugins.cache_clear()


def test_a_package_adds_a_network_a_loss_a_style_a_callback_and_a_format(
    installed, run, tiny, tmp_path
):
    assert sum(len(path.read_text().splitlines()) for path in FILES) < 80
    blotches(tmp_path / "dots.png", 48, 40, seed=3)
    own = ("style.image=", "style.size=", "network.", "run_dir=")
    words = [word for word in tiny if not word.startswith(own)]
    words += ["style=dots", "network=pointwise", "+loss.contrast.weight=2", "run_dir=run"]
    words += ["+loss.contrast._target_=stroke_styles.ContrastLoss"]
    words += ["+callbacks.count._target_=stroke_styles.CountSteps", "+callbacks.count.path=steps"]
    done = subprocess.run(
        [sys.executable, "-m", "stylenet", "train", *words],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ", contrast " in done.stdout
    assert (tmp_path / "steps").read_text() == "3"

    checkpoint = f"checkpoint={tmp_path / 'run'}"
    outputs = [tmp_path / name for name in ("out.png", "a.onnx", "a.program")]
    photo = tmp_path / "photos" / "0.jpg"
    for words in (
        ["infer", f"input={photo}", checkpoint, f"output={outputs[0]}"],
        ["export", checkpoint, f"output={outputs[1]}"],
        ["export", checkpoint, "format=program", f"output={outputs[2]}"],
    ):
        result = run(*words)
        assert result.status == 0, result.err
    assert all(path.is_file() for path in outputs)


def test_without_the_package_the_error_names_the_network_of_the_checkpoint(
    installed, run, tmp_path
):
    plugins.load_plugins()
    from stylenet.checkpoint import CheckpointInfo, save_checkpoint

    network = networks.build_network("pointwise")
    save_checkpoint(tmp_path / "dots.safetensors", network, CheckpointInfo("dots", 1))
    del networks._NETWORKS["pointwise"]
    photo = blotches(tmp_path / "photo.png")
    error = run("infer", f"input={photo}", f"checkpoint={tmp_path / 'dots.safetensors'}").error
    assert "unknown network pointwise" in error


def test_a_missing_config_folder_is_named(run, tiny, monkeypatch):
    monkeypatch.setenv("STYLENET_CONFIGS", "nowhere")
    assert "STYLENET_CONFIGS=nowhere is not a folder" in run("train", *tiny).error
