"""The ``stylenet`` program and its commands."""

import os
import subprocess
import sys

import numpy as np
import pytest
import yaml
from hydra.plugins.completion_plugin import CompletionPlugin
from PIL import Image

import stylenet
from stylenet.cli.renamed import RENAMED, check_renamed
from stylenet.errors import StyleNetError
from stylenet.pretrained import pretrained_styles
from stylenet.program import COMMANDS

from .conftest import MODULES, ROOT, blotches

WITHOUT_TORCH = {
    "help": ["--help"],
    "version": ["--version"],
    "styles": ["styles"],
    "help of a command": ["infer", "--help"],
    "a mistake": ["trian"],
}


@pytest.mark.parametrize("words", WITHOUT_TORCH.values(), ids=WITHOUT_TORCH)
def test_quick_commands_do_not_import_pytorch(words):
    """Check the imports, because PyTorch takes seconds to load."""
    code = (
        "import sys\nfrom stylenet.cli.main import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "print({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "set()", done.stderr


@pytest.mark.parametrize("words", [["-m", "stylenet"], ["scripts/infer.py"]])
def test_the_printed_version_is_stylenets(words):
    command = [sys.executable, *words, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert (done.returncode, done.stdout) == (0, f"StyleNet {stylenet.__version__}\n")


def test_every_command_prints_its_version(call_stylenet):
    for words in ([], *(name.split() for name in COMMANDS if name != "styles")):
        assert call_stylenet(*words, "--version").out == f"StyleNet {stylenet.__version__}\n"


def test_the_help_lists_every_command_in_one_line(call_stylenet):
    result = call_stylenet("--help")
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    for name, entry in COMMANDS.items():
        assert (
            len([line for line in lines if line.split() == [*name.split(), *entry.summary.split()]])
            == 1
        )
    assert call_stylenet().out == result.out
    assert max(map(len, lines)) <= 80


def test_a_group_of_commands_has_help(call_stylenet):
    lines = call_stylenet("data", "--help").out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["data", word] for word in ("check", "shards", "coco")
    ]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["trian"], "no command trian. Did you mean stylenet train?"),
        (["export-onnx"], "Did you mean stylenet export?"),
        (["make-shards"], "Did you mean stylenet data shards?"),
        (["stylize", "input=photo.jpg"], "Did you mean stylenet infer?"),
        (["input=photo.jpg"], "See stylenet --help."),
        (["data"], "Add one of check, shards, coco."),
        (["data", "chek"], "Did you mean stylenet data check?"),
        (["styles", "lsit"], "no command styles lsit. Did you mean stylenet styles sheet?"),
        (["data", "unzip"], "no command data unzip. Give check, shards, coco."),
        (["encoder"], "Did you mean stylenet encoder distill?"),
    ],
)
def test_an_unknown_command_suggests_the_nearest(call_stylenet, words, hint):
    assert hint in call_stylenet(*words).error


def test_pretrained_styles_are_listed(call_stylenet):
    result = call_stylenet("styles")
    names = [line.split()[0] for line in result.out.splitlines()]
    assert names == [*pretrained_styles(), "IMAGE.jpg"]
    assert "The Starry Night, Vincent van Gogh, 1889 (3.4 MB)" in result.out


def test_a_command_runs(call_stylenet, tmp_path):
    photo = blotches(tmp_path / "photo.png", 20, 30)
    out = tmp_path / "out.png"
    result = call_stylenet("infer", f"input={photo}", "style=mosaic", f"output={out}", "device=cpu")
    assert (result.status, result.out) == (0, f"{out}\n")
    assert np.asarray(Image.open(out)).shape == (30, 20, 3)


@pytest.mark.slow
def test_lightning_restarts_a_distributed_run_with_its_command(call_stylenet, tmp_path, tiny):
    """Check ``sys.argv``, with which Lightning starts the other ranks."""
    ranks = ["trainer=ddp", "trainer.devices=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "stylenet", "train", "style=custom", *tiny, *ranks]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "on each of 2 devices" in done.stdout
    assert (tmp_path / "run/custom.safetensors").is_file()


@pytest.mark.parametrize("name", [name for name in COMMANDS if COMMANDS[name].module])
def test_help_names_the_called_program(call_stylenet, run, name):
    module = COMMANDS[name].module
    template = yaml.safe_load((ROOT / f"configs/{module}.yaml").read_text())["hydra"]["help"]
    assert f"${{command:{name}}}" in template["template"]
    by_script, by_name = run(module, "--help"), call_stylenet(*name.split(), "--help")
    assert f"python scripts/{module}.py" in by_script.out
    assert "stylenet " not in by_script.out.partition("Options (KEY=VALUE")[0]
    assert f"stylenet {name}" in by_name.out
    assert "scripts/" not in by_name.out
    assert "Options (KEY=VALUE" in by_name.out


def test_messages_name_the_called_program(call_stylenet, run, tmp_path):
    overrides = ["data=shards", f"data.root={tmp_path}", "style=starry"]
    assert "make shards with: stylenet data shards" in call_stylenet("train", *overrides).error
    assert "make shards with: python scripts/make_shards.py" in run("train", *overrides).error


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("film.steady=0.5", "film.steady is now video.steady. Write video.steady=0.5 instead."),
        ("film=a.mp4", "film is now video. Write video=a.mp4 instead."),
        ("+film_frames=3", "film_frames is now video_frames. Write video_frames=3 instead."),
        ("~film.codec", "film.codec is now video.codec. Write ~video.codec instead."),
        ("loss=optimisation", "loss=optimisation is now loss=optimization. Write"),
        ("dtype=float32", "dtype is now precision. Write precision=float32 instead."),
        ("distillation.stylised=1", "Write distillation.stylized=1 instead."),
    ],
)
def test_a_renamed_option_is_answered_with_its_new_name(call_stylenet, word, answer):
    assert answer in call_stylenet("infer", "input=photo.jpg", word).error
    assert answer in call_stylenet("train", word).error


def test_an_option_that_was_split_names_the_new_ones(monkeypatch):
    monkeypatch.setitem(RENAMED, "loss.form", "loss.a.relative and loss.b.relative")
    with pytest.raises(StyleNetError, match=r"loss\.a\.relative and loss\.b\.relative\. See"):
        check_renamed(["loss.form=absolute"])


@pytest.mark.parametrize("word", ["films=1", "filmed.x=1", "video.film=1", "loss=relative", "film"])
def test_other_options_do_not_count_as_renamed(word):
    if word != "film":
        check_renamed([word])
    else:
        with pytest.raises(StyleNetError, match="Write video instead"):
            check_renamed([word])


def test_the_renamed_options_are_sorted_and_their_new_names_exist():
    assert list(RENAMED) == sorted(RENAMED)
    assert not set(RENAMED) & set(RENAMED.values())
    configs = "".join(path.read_text() for path in (ROOT / "configs").rglob("*.yaml"))
    for new in " and ".join(RENAMED.values()).split(" and "):
        key, _, choice = new.partition("=")
        if choice:
            assert (ROOT / f"configs/{key}/{choice}.yaml").is_file()
        else:
            assert f"{key.split('.')[-1]}:" in configs


@pytest.mark.parametrize(
    ("program", "words"),
    [("stylenet", []), ("stylenet", ["install=ksh"]), ("stylenet", ["query=bash"]), ("train", [])],
)
def test_unavailable_completion_ends_in_one_line(call_stylenet, run, monkeypatch, program, words):
    monkeypatch.delenv("COMP_LINE", raising=False)
    ask = call_stylenet if program == "stylenet" else lambda *words: run(program, *words)
    shown = "stylenet" if program == "stylenet" else "python scripts/train.py"
    error = ask("--shell-completion", *words).error
    assert "expected install=SHELL" in error
    assert f'eval "$({shown} --shell-completion install=bash)"' in error


def test_completion_is_installed(call_stylenet, run):
    result = call_stylenet("-sc", "install=bash")
    assert (result.status, result.err) == (0, "")
    assert result.out.rstrip().endswith("-F hydra_bash_completion stylenet")
    assert "hydra_bash_completion" in run("train", "-sc", "install=bash").out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", [*dict.fromkeys(name.split()[0] for name in COMMANDS), "--help", "--version"]),
        ("ex", ["export"]),
        ("--v", ["--version"]),
        ("data ", ["check", "shards", "coco"]),
        ("styles p", ["paint"]),
        ("nothing ", []),
        ("infer style=", [f"style={name}" for name in pretrained_styles()]),
        ("infer style=wood", []),  # a style image without a trained network
        ("infer styl", ["style=", "style_name=", "style_size=", "style_weight="]),
        ("infer encoder=", []),
        ("infer suite", []),
        ("train encoder=vgg", ["encoder=vgg16", "encoder=vgg19"]),
        ("train style=wood", ["style=woodblock"]),
        ("train suite=", []),
        ("train +experiment=l", ["+experiment=laptop"]),
        ("train network=x encoder=l", ["encoder=lite"]),
        ("data check data=f", ["data=folder"]),
        ("benchmark suite=m", ["suite=memory"]),
    ],
)
def test_completion_offers_valid_words(call_stylenet, monkeypatch, typed, offered):
    original = CompletionPlugin._query_config_groups
    # Restores the original after the test.
    monkeypatch.setattr(CompletionPlugin, "_query_config_groups", original)
    monkeypatch.setenv("COMP_LINE", f"stylenet {typed}")
    result = call_stylenet("-sc", "query=bash")
    assert (result.status, result.err) == (0, "")
    assert result.out.split() == offered


def test_the_completion_of_a_script_offers_valid_words(run, monkeypatch):
    original = CompletionPlugin._query_config_groups
    # Restores the original after the test.
    monkeypatch.setattr(CompletionPlugin, "_query_config_groups", original)
    monkeypatch.setenv("COMP_LINE", "python scripts/infer.py style=st")
    offered = [f"style={name}" for name in pretrained_styles() if name.startswith("st")]
    assert run("infer", "-sc", "query=bash").out.split() == offered


def test_every_module_has_exactly_one_command():
    assert len(MODULES) == len(set(MODULES))
