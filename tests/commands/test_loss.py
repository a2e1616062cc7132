"""The loss as a mapping of terms, in this version and in recipes of version 0.1."""

import pytest
import yaml
from omegaconf import OmegaConf

from stylenet.checkpoint import load_checkpoint
from stylenet.cli.earlier import upgrade
from stylenet.cli.loss import build_terms
from stylenet.errors import StyleNetError

OWN = """
from stylenet.perceptual import LossTerm

class Brightness(LossTerm):
    def forward(self, inputs):
        return (inputs.stylized - inputs.content).mean(dim=(1, 2, 3)).square()

class NoTerm:
    pass
"""

FLAT = {
    "_target_": "stylenet.perceptual.LossOptions",
    "form": "relative",
    "content_layers": ["relu1_2"],
    "style_layers": ["relu1_1", "relu1_2"],
    "content_weight": 1.0,
    "style_weight": 15.0,
    "tv_weight": 5.0,
    "dream_weight": 0.0,
    "dream_layers": None,
    "dream_channels": None,
    "style_statistics": "gram",
}


@pytest.fixture
def own_terms(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "own_terms.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path / "mine"))


def build_earlier(flat):
    return build_terms(OmegaConf.create(upgrade({"loss": flat})["loss"]))


def weights(folder):
    return load_checkpoint(folder)[0].state_dict()


def test_a_custom_term_takes_part_in_training(run, tiny, tmp_path, own_terms):
    assert run("train", *tiny).status == 0
    more = ["+loss.mine._target_=own_terms.Brightness", "+loss.mine.weight=50"]
    result = run("train", *tiny, *more, f"run_dir={tmp_path}/own")
    assert result.status == 0, result.err
    assert ", mine " in result.out
    plain, own = weights(tmp_path / "run"), weights(tmp_path / "own")
    assert any(not plain[name].equal(own[name]) for name in plain)


def test_a_term_can_be_left_out_and_layers_can_have_weights(run, tiny, tmp_path):
    more = ["loss.tv=null", "loss.style.layers=[{relu1_1: 0.5}, relu1_2]"]
    result = run("train", *tiny, *more)
    assert result.status == 0, result.err
    assert ", style " in result.out
    assert ", tv " not in result.out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["loss.style.layers=[{relu1_1:-1}]"], "loss.style.layers.relu1_1=-1 is not a number"),
        (["loss.style.relative=often"], "loss.style.relative=often is neither true nor false"),
        (["loss.style=3"], "loss.style=3 is not a term"),
        (["+loss.mine._target_=own_terms.NoTerm"], "own_terms.NoTerm is not a term of the loss"),
        (["+loss.mine._target_=own_terms.Missing"], "own_terms.Missing"),
        (["+loss.style.power=2"], "power"),
        (["+loss.style_weight=2"], "Write loss.style.weight=2 instead"),
        (["loss.style=null", "style.layers=[relu1_1]"], "needs the term loss.style"),
        (["loss={content:null,style:null,tv:null,dream:null}"], "loss has no term"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_mistake_ends_in_one_line(run, tiny, own_terms, overrides, message):
    assert message in run("train", *tiny, *overrides).error


def test_a_run_of_version_01_resumes_without_a_warning(run, tiny, tmp_path):
    layers = ["loss.content.layers=[relu1_2]", "loss.style.layers=[relu1_1,relu1_2]"]
    overrides = [word for word in tiny if not word.startswith("loss.")] + layers
    assert run("train", *overrides).status == 0
    path = tmp_path / "run" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({**config, "loss": FLAT}))
    more = [*overrides, "resume=true"]
    assert "other options" not in run("train", *more, "trainer.max_steps=4").err
    path.write_text(yaml.safe_dump({**config, "loss": {**FLAT, "style_weight": 8.0}}))
    assert "loss.style.weight=15.0 (was 8.0)" in run("train", *more, "trainer.max_steps=5").err


def test_terms_of_version_01_are_built():
    terms = build_earlier({**FLAT, "form": "absolute", "dream_weight": 2.0})
    assert {name: term.weight for name, term in terms.items()} == {
        **{"content": 1.0, "style": 15.0, "tv": 5.0, "dream": 2.0},
    }
    assert list(terms["style"].layers) == ["relu1_1", "relu1_2"]
    assert terms["content"].relative is terms["style"].relative is False
    adversarial = {"adversarial_weight": 2.0, "style_folder": "paintings", "objective": "bce"}
    terms = build_earlier({**FLAT, **adversarial})
    assert (terms["adversarial"].weight, terms["adversarial"].objective) == (2.0, "bce")


def test_layer_names_of_an_encoder_create_no_term():
    loss = {"tv": {"_target_": "stylenet.perceptual.TotalVariationLoss"}, "style": {"layers": []}}
    assert list(build_terms(OmegaConf.create(loss))) == ["tv"]
    with pytest.raises(StyleNetError, match="is not a term"):
        build_terms(OmegaConf.create({"style": {"weight": 3}}))


def test_the_temporal_loss_takes_part_in_training_and_in_resuming(run, tiny, tmp_path):
    steady = [*tiny, "loss.temporal_weight=30"]
    result = run("train", *steady)
    assert result.status == 0, result.err
    assert ", temporal " in result.out
    result = run("train", *tiny, f"run_dir={tmp_path}/plain")
    assert result.status == 0, result.err
    assert ", temporal " not in result.out
    plain, own = weights(tmp_path / "plain"), weights(tmp_path / "run")
    assert any(not plain[name].equal(own[name]) for name in plain)
    config = yaml.safe_load((tmp_path / "plain" / "config.yaml").read_text())
    del config["loss"]["temporal_weight"]  # as in a run of an earlier version
    (tmp_path / "plain" / "config.yaml").write_text(yaml.safe_dump(config))
    more = ["resume=true", "trainer.max_steps=4"]
    result = run("train", *tiny, *more, f"run_dir={tmp_path}/plain")
    assert (result.status, "other options" in result.err) == (0, False), result.err
    result = run("train", *tiny, *more)
    assert "loss.temporal_weight=0.0 (was 30)" in result.err


@pytest.mark.parametrize("name", ["loss.temporal_weight", "loss.droplet_weight"])
def test_an_impossible_weight_of_a_module_is_refused(run, tiny, tmp_path, name):
    for weight in ("-1", "nan", "much"):
        assert f"{name}=" in run("train", *tiny, f"{name}={weight}").error
    assert not (tmp_path / "run").exists()


def test_droplets_need_instance_normalization(run, tiny, tmp_path):
    error = run("train", *tiny, "network.norm=batch", "loss.droplet_weight=2").error
    assert "loss.droplet_weight=2.0 is for networks with instance normalization" in error
    assert not (tmp_path / "run" / "config.yaml").exists()


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("optimize", ["content={photo}", "output={folder}/out.png"]),
        ("evaluate", ["checkpoints=[starry]", "photos={folder}", "output={folder}/report"]),
        ("benchmark", ["suite=training", "output={folder}/bench.json"]),
    ],
)
@pytest.mark.parametrize("name", ["loss.temporal_weight", "loss.droplet_weight"])
def test_commands_that_train_nothing_refuse_losses_of_a_module(
    run, photos, tmp_path, command, options, name
):
    options = [o.format(photo=photos / "0.jpg", folder=photos) for o in options]
    error = run(command, *options, "encoder=lite", f"{name}=5").error
    assert f"{name}=5" in error
    assert "Leave it out" in error
