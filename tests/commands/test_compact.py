"""The compact network: training from scratch, distillation and stylizing."""

import pytest
from PIL import Image

from stylenet.checkpoint import load_checkpoint

from .conftest import blotches

SMALL = ["network=compact", "network.width=4", "network.deep_width=4", "network.deep_blocks=1"]


@pytest.fixture
def compact_options(tiny):
    return [argument for argument in tiny if not argument.startswith("network.")]


def stylize(run, checkpoint, folder):
    photo = blotches(folder / "photo.jpg", 41, 23)
    done = run("infer", f"input={photo}", f"checkpoint={checkpoint}", f"output={folder}/out.png")
    assert done.status == 0, done.err
    assert Image.open(folder / "out.png").size == (41, 23)


def test_the_train_command_trains_a_compact_network_that_stylizes(run, compact_options, tmp_path):
    result = run("train", "style=starry", *compact_options, *SMALL)
    assert result.status == 0, result.err
    network, _ = load_checkpoint(tmp_path / "run")
    assert (network.name, network.arguments["head"]) == ("compact", "resize")
    stylize(run, tmp_path / "run", tmp_path)


def test_a_compact_network_is_distilled_from_a_trained_network(
    run, tiny, compact_options, tmp_path
):
    assert run("train", "style=starry", *tiny, f"run_dir={tmp_path}/large").status == 0
    taught = ["experiment=distill", "style=starry", *compact_options, *SMALL[1:]]
    result = run("train", *taught, f"teacher_network={tmp_path}/large")
    assert result.status == 0, result.err
    assert "teacher" in result.out
    network, info = load_checkpoint(tmp_path / "run")
    assert network.name == "compact"
    assert info.recipe["teacher_network"] == f"{tmp_path}/large"


def test_the_default_teacher_is_the_pretrained_network_of_the_style(run, compact_options, tmp_path):
    result = run("train", "experiment=distill", "style=starry", *compact_options, *SMALL[1:])
    assert result.status == 0, result.err
    assert load_checkpoint(tmp_path / "run")[1].recipe["teacher_network"] == "starry"


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("teacher_network=nowhere", "nowhere: no such file"),
        ("teacher_weight=-2", "teacher_weight=-2"),
        ("style=ink", "teacher_network=ink: "),  # no pretrained network of this style
    ],
)
def test_a_mistake_ends_in_one_line_before_training(
    run, compact_options, tmp_path, mistake, message
):
    given = ["experiment=distill", "style=starry", *compact_options, *SMALL[1:], mistake]
    assert message in run("train", *given).error
    assert not (tmp_path / "run").exists()
