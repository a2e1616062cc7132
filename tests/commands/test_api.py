import subprocess
import sys

import pytest
from safetensors.torch import load_file

import stylenet
from stylenet.networks import build_network


@pytest.fixture
def options(tiny, tmp_path):
    """Overrides of a tiny run as Python values by dotted name."""
    given = dict(word.split("=", 1) for word in tiny)
    del given["style.image"], given["data"], given["data.root"], given["run_dir"]
    del given["trainer.max_steps"]
    values = {"true": True, "false": False}
    lists = {
        key: value.strip("[]").split(",") for key, value in given.items() if value.startswith("[")
    }
    numbers = {key: int(value) for key, value in given.items() if value.isdigit()}
    return {**{k: values.get(v, v) for k, v in given.items()}, **lists, **numbers}


def test_training_from_python_equals_the_command_bit_for_bit(run, tiny, options, photos, tmp_path):
    command = run(
        "train", "style=custom", "style.name=painting", *tiny, f"run_dir={tmp_path / 'a'}"
    )
    assert command.status == 0, command.err
    checkpoint = stylenet.train(
        tmp_path / "painting.png",
        photos,
        experiment=None,
        run_dir=tmp_path / "b",
        max_steps=3,
        **options,
    )
    assert checkpoint == tmp_path / "b" / "painting.safetensors"
    expected, found = load_file(tmp_path / "a" / "painting.safetensors"), load_file(checkpoint)
    assert expected.keys() == found.keys()
    assert all(bool((expected[key] == found[key]).all()) for key in expected)
    assert stylenet.load(checkpoint, device="cpu").info.step == 3


def test_options_nest_as_mappings(options, photos, tmp_path):
    del options["style.size"], options["network.width"]
    checkpoint = stylenet.train(
        str(tmp_path / "painting.png"),
        str(photos),
        run_dir=tmp_path / "run",
        max_steps=1,
        network={"width": 3},
        loss={"style": {"weight": 7.5}},
        **{"style.size": 24, **options},
    )
    info = stylenet.load(checkpoint, device="cpu").info
    assert info.recipe["loss"]["style"]["weight"] == 7.5
    assert info.recipe["network"]["width"] == 3


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ({"style": "starri"}, "starri"),
        ({"style": "missing.jpg"}, r"missing\.jpg"),
        ({"lose.style.weight": 3}, "unknown option lose"),
        ({"optimizer.warmup_steps": 3}, r"schedule\.warmup_steps"),
        ({"seed": "x y"}, "seed"),
        ({"max_steps": 0}, r"trainer\.max_steps"),
    ],
)
def test_a_mistake_raises_a_stylenet_error(options, photos, tmp_path, mistake, message):
    given = {"photos": photos, "run_dir": tmp_path / "run", **options, **mistake}
    with pytest.raises(stylenet.StyleNetError, match=message) as caught:
        stylenet.train(**given)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_the_package_imports_quickly_and_provides_every_listed_name():
    code = "import sys, stylenet; print('torch' in sys.modules, stylenet.styles()[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", stylenet.styles()[0]]
    assert {name for name in dir(stylenet) if name[0] != "_"} == set(stylenet.__all__) - {
        "__version__"
    }
    assert all(getattr(stylenet, name) is not None for name in stylenet.__all__)
    assert stylenet.build_network is build_network
    with pytest.raises(AttributeError, match="stylise"):
        stylenet.stylise  # noqa: B018


def test_a_pretrained_style_is_loaded_by_name():
    assert stylenet.load("great_wave_compact", device="cpu").info.style.startswith("great_wave")
    with pytest.raises(stylenet.StyleNetError, match="no such file"):
        stylenet.load("great_waves")
