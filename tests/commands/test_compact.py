"""The small network: from scratch, taught by a trained one, and stylizing."""

import pytest
from PIL import Image

from stylenet.checkpoint import load_checkpoint

from .conftest import blotches

SMALL = ["network=compact", "network.width=4", "network.deep_width=4", "network.deep_blocks=1"]


@pytest.fixture
def fast(tiny):
    return [argument for argument in tiny if not argument.startswith("network.")]


def stylize(run, checkpoint, folder):
    photo = blotches(folder / "photo.jpg", 41, 23)
    done = run("infer", f"input={photo}", f"checkpoint={checkpoint}", f"output={folder}/out.png")
    assert done.status == 0, done.err
    assert Image.open(folder / "out.png").size == (41, 23)


def test_it_is_trained_by_the_same_command_and_stylizes(run, fast, tmp_path):
    result = run("train", "style=starry", *fast, *SMALL)
    assert result.status == 0, result.err
    network, _ = load_checkpoint(tmp_path / "run")
    assert (network.name, network.arguments["head"]) == ("compact", "resize")
    stylize(run, tmp_path / "run", tmp_path)


def test_a_trained_network_teaches_it(run, tiny, fast, tmp_path):
    assert run("train", "style=starry", *tiny, f"run_dir={tmp_path}/large").status == 0
    taught = ["experiment=distill", "style=starry", *fast, *SMALL[1:]]
    result = run("train", *taught, f"teacher_network={tmp_path}/large")
    assert result.status == 0, result.err
    assert "teacher" in result.out
    network, info = load_checkpoint(tmp_path / "run")
    assert network.name == "compact"
    assert info.recipe["teacher_network"] == f"{tmp_path}/large"


def test_the_bundled_network_of_the_style_teaches_by_default(run, fast, tmp_path):
    result = run("train", "experiment=distill", "style=starry", *fast, *SMALL[1:])
    assert result.status == 0, result.err
    assert load_checkpoint(tmp_path / "run")[1].recipe["teacher_network"] == "starry"


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("teacher_network=nowhere", "nowhere: no such file"),
        ("teacher_weight=-2", "teacher_weight=-2"),
        ("style=ink", "teacher_network=ink: "),  # of which there is no trained network
    ],
)
def test_a_mistake_is_one_line_before_any_work(run, fast, tmp_path, mistake, said):
    given = ["experiment=distill", "style=starry", *fast, *SMALL[1:], mistake]
    assert said in run("train", *given).error
    assert not (tmp_path / "run").exists()
