"""Every YAML file in configs/, found by globbing, composed and built."""

from pathlib import Path

import hydra
import pytest
import yaml
from omegaconf import OmegaConf

from stylenet.cli.app import build
from stylenet.cli.configs import config_folder
from stylenet.errors import StyleNetError
from stylenet.training import OptimizerFactory

CONFIGS = config_folder()
COMMANDS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
CHOICES = sorted(
    (path.parent.name, path.stem)
    for path in CONFIGS.glob("*/*.yaml")
    if path.parent.name not in ("shared", "experiment")
)
EXPERIMENTS = sorted(path.stem for path in CONFIGS.glob("experiment/*.yaml"))

# Required options without a default.
GIVEN = {
    "data": ["data.root=photos"],
    "style": ["style.image=painting.jpg"],
    "network": ["styles=[starry]"],
    "encoder": ["encoder.weights=random", "encoder.allow_random=true"],
    "teacher": ["teacher.weights=random", "teacher.allow_random=true"],
}


def compose(command: str, *overrides: str):
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONFIGS)):
        return hydra.compose(command, overrides=list(overrides))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_composes_and_has_a_script_and_help(command):
    config = compose(command)
    assert "hydra" not in config
    assert (CONFIGS.parent / "scripts" / f"{command}.py").is_file()
    assert yaml.safe_load((CONFIGS / f"{command}.yaml").read_text())["hydra"]["help"]["template"]


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_config_is_built_by_its_command(group, choice, request):
    command = next(
        name
        for name in ["train", *COMMANDS]
        if f"- {group}: " in (CONFIGS / f"{name}.yaml").read_text()
    )
    required = GIVEN.get(group, [])
    if (group, choice) == ("loss", "adversarial"):
        required = ["loss.adversarial.style_folder=paintings"]
    if (group, choice) == ("encoder", "lite"):
        required = []
    if (group, choice) == ("teacher", "vgg19_distilled"):
        folder = request.getfixturevalue("shared")
        required = [f"teacher.weights={folder}/weights/vgg19_distilled16x_5SE.pth"]
    if group == "logger" and choice in ("wandb", "mlflow"):
        pytest.importorskip(choice)
    config = compose(command, f"{group}={choice}", *required)[group]
    parts = [config] if "_target_" in config else list(config.values())
    if group == "loss":
        # The only ones that are no terms.
        for name in ("temporal_weight", "droplet_weight"):
            assert config[name] == 0
            parts.remove(config[name])
    for part in parts:
        if part["_target_"] == "pytorch_lightning.Trainer":
            # Commands replace `auto`, which is StyleNet's own value.
            part.precision = "32-true"
            if "num_nodes" in part:
                part.devices = part.num_nodes = 1
        assert build(part) is not None


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_changes_the_recipe_and_stays_valid(experiment):
    changed = compose("train", f"experiment={experiment}")
    assert changed != compose("train")
    for part in ("style", "loss", "optimizer", "schedule", "network"):
        build(changed[part])


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda p: p.stem)
def test_every_file_starts_with_a_description(path):
    assert path.read_text().startswith("# ")


def test_the_default_recipe_equals_the_papers(monkeypatch):
    monkeypatch.delenv("STYLENET_COCO", raising=False)
    config = compose("train")
    assert config.trainer.max_steps == 40_000
    assert (config.data.batch_size, config.data.crop_size) == (4, 256)
    assert config.encoder.architecture == "vgg16"
    optimizer = OptimizerFactory(build(config.optimizer), build(config.schedule))
    assert (optimizer.name, optimizer.lr) == ("Adam", 1e-3)
    assert config.schedule._target_ == "stylenet.training.ConstantSchedule"
    assert config.data.root == "data/coco"


def test_the_coco_folder_can_be_set_by_an_environment_variable(monkeypatch):
    monkeypatch.setenv("STYLENET_COCO", "/somewhere/coco")
    assert compose("train").data.root == "/somewhere/coco"


def test_an_unknown_constructor_argument_ends_in_one_line():
    config = OmegaConf.merge(compose("train").data, {})
    OmegaConf.set_struct(config, False)
    config.speed = 3
    with pytest.raises(StyleNetError, match="speed"):
        build(config)


@pytest.mark.parametrize(
    ("chosen", "method"),
    [
        ([], "SingleStyle"),
        (["network=compact"], "SingleStyle"),
        (["network=johnson_multi", "styles=[starry]"], "Conditional"),
        (["network=johnson_dials"], "DialsMethod"),
        (["network=compact_dials"], "DialsMethod"),
        (["network=adain"], "ArbitraryStyle"),
        (["network=any_style"], "ArbitraryStyle"),
        (["loss=adversarial"], "Adversarial"),
    ],
)
def test_network_and_loss_choose_the_method(chosen, method):
    assert build(compose("train", *chosen).training_method).func.__name__ == method


def test_the_config_folder_lies_beside_a_clone_or_inside_a_wheel():
    assert Path(CONFIGS, "train.yaml").is_file()
