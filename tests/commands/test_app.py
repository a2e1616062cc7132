"""What all commands share."""

import os
import subprocess
import sys

import pytest
from hydra.plugins.completion_plugin import CompletionPlugin

import stylenet
import stylenet.cli.start
from stylenet.pretrained import pretrained_styles

from .conftest import MAINS, ROOT


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["list=true"], ["--help"]])
def test_a_reader_that_has_seen_enough_gets_no_traceback(arguments, unbuffered):
    """As in ``python scripts/infer.py list=true | head -n 1``."""
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "infer.py", *arguments],
        stdout=writes,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        text=True,
        timeout=120,
        check=False,
    )
    os.close(writes)
    assert (done.returncode, done.stderr) == (1, "")


def test_another_broken_pipe_is_not_hidden():
    code = (
        "from stylenet.cli.app import run\n"
        "def task(config):\n    raise BrokenPipeError(32, 'of a worker')\n"
        "run(task, 'contact_sheet')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "of a worker" in done.stderr


def test_the_version_is_stylenets(run):
    assert run("infer", "--version").out == f"StyleNet {stylenet.__version__}\n"


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_what_a_command_says_of_itself_comes_without_pytorch(option):
    """PyTorch takes seconds to import."""
    code = (
        "import sys\nfrom stylenet.cli.start import train\n"
        f"sys.argv = ['train.py', {option!r}]\n"
        "try:\n    train()\nexcept SystemExit:\n    pass\n"
        "print({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "set()", done.stderr


def test_every_command_can_be_started():
    names = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    assert names == set(MAINS)
    for name in names:
        assert (
            f"from stylenet.cli.start import {name}\n"
            in (ROOT / "scripts" / f"{name}.py").read_text()
        )
        assert getattr(stylenet.cli.start, name).args == (name,)


@pytest.mark.parametrize(
    "words", [[], ["install=ksh"], ["install"], ["install=bash", "uninstall=bash"], ["query=bash"]]
)
def test_completion_that_is_not_to_be_had_is_one_line(run, monkeypatch, words):
    monkeypatch.delenv("COMP_LINE", raising=False)
    assert "expected install=SHELL" in run("train", "--shell-completion", *words).error


def test_completion_is_installed(run):
    result = run("train", "-sc", "install=bash")
    assert (result.status, result.err) == (0, "")
    assert "hydra_bash_completion" in result.out


@pytest.mark.parametrize(
    ("name", "typed", "offered"),
    [
        ("infer", "style=", [f"style={name}" for name in pretrained_styles()]),
        ("infer", "style=wood", []),  # a painting without a trained network
        ("infer", "styl", ["style=", "style_name=", "style_size="]),
        ("infer", "encoder=", []),
        ("infer", "suite", []),
        ("train", "encoder=vgg", ["encoder=vgg16", "encoder=vgg19"]),
        ("train", "style=wood", ["style=woodblock"]),
        ("train", "suite=", []),
        ("train", "+experiment=l", ["+experiment=laptop"]),
        ("train", "network=x encoder=l", ["encoder=lite"]),
        ("benchmark", "suite=m", ["suite=memory"]),
    ],
)
def test_completion_offers_what_is_accepted(run, monkeypatch, name, typed, offered):
    every = CompletionPlugin._query_config_groups
    monkeypatch.setattr(CompletionPlugin, "_query_config_groups", every)  # to be put back
    monkeypatch.setenv("COMP_LINE", f"stylenet-{name} {typed}")
    result = run(name, "-sc", "query=bash")
    assert (result.status, result.err) == (0, "")
    assert result.out.split() == offered
