import pytest
from PIL import Image

from stylenet import checkpoint, pretrained
from stylenet.checkpoint import load_checkpoint
from stylenet.cli import add_pretrained

from .conftest import blotches

STARRY = pretrained.PRETRAINED / "starry.safetensors"
WORDS = ["description='Red dots, 2026'", "source=mine", "trained_on=blotches", "command='style=x'"]


@pytest.fixture
def assets(tmp_path, monkeypatch):
    """An empty folder instead of the package's pretrained styles."""
    folder = tmp_path / "assets"
    folder.mkdir()
    for module in (pretrained, add_pretrained):
        monkeypatch.setattr(module, "PRETRAINED", folder)
    return folder


def test_a_trained_network_becomes_a_pretrained_style(run, tiny, assets, tmp_path, monkeypatch):
    options = [f"teacher_network={STARRY}", "loss.droplet_weight=2"]
    assert run("train", *tiny, *options).status == 0
    for name in ("a.jpg", "b.jpg"):
        blotches(tmp_path / "held_out" / name, 80, 70)
    words = [
        f"checkpoint={tmp_path}/run",
        f"held_out={tmp_path}/held_out",
        "held_out_name=blotches",
        "size=64",
        *WORDS,
    ]
    result = run("add_pretrained", "name=dots", *words)
    assert result.status == 0, result.err
    before = checkpoint.find_checkpoint(tmp_path / "run")
    after = assets / "dots.safetensors"
    assert after.stat().st_size < 0.8 * before.stat().st_size
    _, info = load_checkpoint("dots")
    assert (info.style, info.description) == ("dots", "Red dots, 2026")
    assert str(tmp_path) not in str(info.recipe)
    card = after.with_suffix(".md").read_text()
    assert "Mean losses on 2 held-out photos" in card
    assert "style/relu1_1" in card
    assert "from random weights, distilled from starry.safetensors (weight 5.0)." in card
    assert "droplet 2." in card
    assert str(tmp_path) not in card

    # The same network as a base network.
    monkeypatch.setattr(add_pretrained, "BASES", tmp_path / "bases")
    result = run("add_pretrained", "base=true", *words)
    assert result.status == 0, result.err
    assert load_checkpoint(tmp_path / "bases" / "johnson.safetensors")[1].style == "base"
    card = (tmp_path / "bases" / "johnson.md").read_text()
    for part in ("# Base network johnson: Red dots", "distilled from starry", "experiment=instant"):
        assert part in card
    assert str(tmp_path) not in card

    listed = run("infer", "list=true")
    assert listed.status == 0
    assert listed.out.split()[:3] == ["dots", "Red", "dots,"]
    out = tmp_path / "out.png"
    photo = tmp_path / "held_out" / "a.jpg"
    assert run("infer", f"input={photo}", "style=dots", f"output={out}").status == 0
    assert Image.open(out).size == (80, 70)


def test_a_run_without_photos_is_not_added(run, tiny, assets, tmp_path):
    assert run("train", *tiny).status == 0
    (tmp_path / "none").mkdir()
    given = [f"checkpoint={tmp_path}/run", f"held_out={tmp_path}/none", "held_out_name=none"]
    assert "is not a folder with images" in run("add_pretrained", *given, *WORDS).error
    assert not list(assets.iterdir())


def test_a_network_that_overflows_in_float16_is_refused_and_the_old_one_stays(run, tiny, assets):
    assert run("train", *tiny).status == 0
    folder = next(o for o in tiny if o.startswith("run_dir=")).partition("=")[2]
    path = checkpoint.find_checkpoint(folder)
    network, info = load_checkpoint(path)
    for parameter in network.parameters():
        parameter.data *= 1e7  # infinite in float16, so its results are NaN
    checkpoint.save_checkpoint(path, network, info)
    (assets / "dots.safetensors").write_bytes(b"the old one")
    photos = next(o for o in tiny if o.startswith("data.root=")).partition("=")[2]
    given = [f"checkpoint={path}", "name=dots", f"held_out={photos}", "held_out_name=blotches"]
    error = run("add_pretrained", *given, "size=24", *WORDS).error
    assert "Train it further, or train it anew" in error
    assert [file.name for file in assets.iterdir()] == ["dots.safetensors"]
    assert (assets / "dots.safetensors").read_bytes() == b"the old one"


def test_a_meta_learned_network_becomes_a_base_network(run, tiny, tmp_path, monkeypatch):
    folder = tmp_path / "bases"
    for module in (pretrained, add_pretrained):
        monkeypatch.setattr(module, "BASES", folder)
    blotches(tmp_path / "paintings" / "a.jpg", 80, 70)
    options = [option for option in tiny if not option.startswith("style.")]
    sizes = ["training_method.inner_steps=1", "training_method.style_size=32"]
    styles = f"data.styles={tmp_path / 'paintings'}"
    assert run("train", "experiment=meta", *options, *sizes, styles).status == 0
    photos = next(o for o in tiny if o.startswith("data.root=")).partition("=")[2]
    given = [f"checkpoint={tmp_path}/run", f"held_out={photos}", "held_out_name=blotches"]
    result = run("add_pretrained", *given, "base=true", "size=24", *WORDS)
    assert result.status == 0, result.err
    network, info = load_checkpoint(folder / "johnson.safetensors")
    assert (network.arguments["width"], info.style, info.step) == (2, "base", 3)
    card = (folder / "johnson.md").read_text()
    assert "3 steps of 1 inner steps" in card
    for part in ("from random weights", "experiment=instant", "License"):
        assert part in card
    assert str(tmp_path) not in card + str(info.recipe)
    # init=base finds it, because it fits the network.
    begun = run("train", *tiny, "init=base", f"run_dir={tmp_path}/mine")
    assert begun.status == 0, begun.err
