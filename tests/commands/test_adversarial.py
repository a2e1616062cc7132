"""Training against a discriminator from the command line."""

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stylenet.checkpoint import load_checkpoint
from stylenet.training import RunFolder

from .conftest import blotches


@pytest.fixture
def paintings(tmp_path):
    for number in range(3):
        blotches(tmp_path / "paintings" / f"{number}.png", 40, 40, seed=20 + number)
    return tmp_path / "paintings"


@pytest.fixture
def adversarial(tiny, paintings):
    """Overrides for a run of one second against a small discriminator."""
    return [
        *tiny,
        "loss=adversarial",
        f"loss.adversarial.style_folder={paintings}",
        "loss.adversarial.discriminator_width=4",
        "loss.adversarial.discriminator_layers=1",
        "trainer.precision=32-true",
    ]


def test_a_run_logs_resumes_and_saves_a_network_that_stylizes(
    run, adversarial, tmp_path, monkeypatch
):
    logs = ["trainer.log_every_n_steps=1", "schedule=constant"]
    result = run("train", *adversarial, *logs)
    assert result.status == 0, result.err
    assert "adversarial" in result.out
    run_dir = tmp_path / "run"
    scalars = EventAccumulator(str(run_dir / "tensorboard")).Reload()
    assert {
        "loss/total",
        "loss/style",
        "loss/adversarial",
        "loss/discriminator",
        "discriminator/real",
        "discriminator/fake",
        "discriminator/accuracy",
        "lr-Adam",
        "lr-discriminator",
    } <= set(scalars.Tags()["scalars"])
    assert len(scalars.Scalars("loss/adversarial")) == 3
    assert load_checkpoint(run_dir)[1].step == 3
    assert set(load_checkpoint(run_dir)[0].state_dict())  # the network's own keys, and it loads
    options = yaml.safe_load((run_dir / "config.yaml").read_text())
    assert options["loss"]["adversarial"]["weight"] == 3.0
    assert options["trainer"]["gradient_clip_val"] == 10.0

    longer = [*adversarial, *logs, "trainer.max_steps=5"]
    result = run("train", *longer, "resume=true")
    assert result.status == 0, result.err
    assert run("train", *longer, f"run_dir={tmp_path}/uninterrupted").status == 0
    ends = [torch.load(RunFolder(tmp_path / n).checkpoint(5)) for n in ("run", "uninterrupted")]
    assert any(name.startswith("discriminator.") for name in ends[0]["state_dict"])
    for name, value in ends[0]["state_dict"].items():
        assert torch.equal(value, ends[1]["state_dict"][name]), name

    back = [o for o in adversarial if not o.startswith("loss")]
    back += ["loss.content.layers=[relu1_2]", "loss.style.layers=[relu1_1]"]
    error = run("train", *back, "resume=true", "trainer.max_steps=6").error
    assert "trained network and discriminator, but this run trains network" in error


def test_a_run_with_the_relative_loss_cannot_resume_as_an_adversarial_one(run, tiny, adversarial):
    assert run("train", *tiny).status == 0
    error = run("train", *adversarial, "resume=true", "trainer.max_steps=5").error
    assert "this run trains network and discriminator" in error
    assert "init=" in error


def test_a_compact_network_is_trained_too(run, adversarial, tmp_path):
    rest = [o for o in adversarial if not o.startswith("network")]
    small = ["network.width=4", "network.deep_width=4", "data.crop_size=24"]
    more = [f"{TERM}.objective=bce", f"{TERM}.spectral_norm=false"]
    more += ["trainer.gradient_clip_val=null"]
    result = run("train", *rest, "network=compact", *small, *more)
    assert result.status == 0, result.err
    assert load_checkpoint(tmp_path / "run")[0].name == "compact"


TERM = "loss.adversarial"
MISTAKES = [
    ([f"{TERM}.style_folder=nowhere"], f"{TERM}.style_folder=nowhere: no such folder"),
    ([f"{TERM}.style_folder=pyproject.toml"], f"{TERM}.style_folder=pyproject.toml: is a file"),
    ([f"{TERM}.style_folder=configs"], f"{TERM}.style_folder=configs holds no image"),
    ([f"{TERM}.style_folder=''"], f"{TERM}.style_folder is empty"),
    ([f"{TERM}.style_folder=???"], f"{TERM}.style_folder is missing"),
    ([f"{TERM}.weight=-1"], f"{TERM}.weight=-1"),
    ([f"{TERM}.objective=wgan"], f"{TERM}.objective=wgan is unknown; choose one of lsgan, bce"),
    ([f"{TERM}.spectral_norm=3"], f"{TERM}.spectral_norm=3"),
    ([f"{TERM}.discriminator_width=0"], f"{TERM}.discriminator_width=0"),
    ([f"{TERM}.discriminator_layers=0"], f"{TERM}.discriminator_layers=0"),
    (
        [f"{TERM}.discriminator_layers=2"],
        "data.crop_size=16 is smaller than the discriminator's patches of 34 ",
    ),
    ([f"{TERM}.discriminator_lr_ratio=0"], f"{TERM}.discriminator_lr_ratio=0"),
    ([f"{TERM}.wieght=1"], f"did you mean {TERM}.weight"),
    (["data.styles=photos"], "leave data.styles out"),
    (["trainer.accumulate_grad_batches=2"], "larger data.batch_size"),
]


@pytest.mark.parametrize(("overrides", "message"), MISTAKES, ids=[m[0][0] for m in MISTAKES])
def test_a_mistake_ends_in_one_line_and_leaves_no_files(
    run, adversarial, tmp_path, overrides, message
):
    assert message in run("train", *adversarial, *overrides).error
    assert not (tmp_path / "run").exists()


def test_the_style_folder_is_required(run, tiny):
    error = run("train", *tiny, "loss=adversarial").error
    assert "loss.adversarial.style_folder is missing" in error


def test_unreadable_style_images_end_the_run_before_training(run, adversarial, paintings, tmp_path):
    for painting in paintings.iterdir():
        painting.write_bytes(b"no image")
    error = run("train", *adversarial).error
    assert f"loss.adversarial.style_folder={paintings}: no usable photo" in error
    assert not (tmp_path / "run").exists()


def test_a_network_of_several_styles_is_refused(run, adversarial):
    rest = [o for o in adversarial if not o.startswith("style.image")]
    error = run("train", *rest, "network=johnson_multi", "styles=[starry,mosaic]").error
    assert "loss=adversarial is for" in error


@pytest.mark.parametrize(
    ("command", "overrides"),
    [
        ("optimize", ["content=photo.jpg", "style=starry", "encoder=lite", "size=32", "steps=1"]),
        ("evaluate", ["checkpoints=[starry]", "photos=.", "encoder=lite", "output=report"]),
        ("benchmark", ["suite=training", "encoder=lite", "output=bench.json"]),
    ],
)
def test_other_commands_refuse_the_adversarial_loss(run, small_folder, command, overrides):
    assert "scripts/train.py" in run(command, *overrides, "loss=adversarial").error
