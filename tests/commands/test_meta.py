"""Base networks: meta-learning one, starting from it, and the instant experiment."""

import numpy as np
import pytest
import yaml
from PIL import Image

from stylenet.checkpoint import load_checkpoint, start_from_base
from stylenet.networks import build_network
from stylenet.training import RunFolder

from .conftest import blotches


@pytest.fixture
def paintings(tmp_path):
    folder = tmp_path / "paintings"
    for i in range(3):
        blotches(folder / f"{i}.jpg", 90, 70, seed=20 + i)
    return folder


@pytest.fixture
def meta_options(tiny, paintings):
    """Overrides for a run of experiment=meta of a second."""
    rest = [option for option in tiny if not option.startswith(("style.", "trainer.max_steps"))]
    sizes = ["training_method.inner_steps=2", "training_method.style_size=32"]
    return ["experiment=meta", *rest, *sizes, f"data.styles={paintings}", "trainer.max_steps=3"]


def test_a_base_network_is_meta_learned_resumed_and_started_from(run, meta_options, tiny, tmp_path):
    first = run("train", *meta_options, "callbacks.checkpoints.every_n_steps=2")
    assert first.status == 0, first.err
    folder = RunFolder(tmp_path / "run")
    assert folder.preview(3).is_file()
    network, info = load_checkpoint(folder.final_checkpoint("base"))
    assert (network.name, info.style, info.step) == ("johnson", "base", 3)
    longer = run("train", *meta_options, "resume=true", "trainer.max_steps=4")
    assert longer.status == 0, longer.err
    assert load_checkpoint(tmp_path / "run")[1].step == 4
    begun = run("train", *tiny, f"init={tmp_path}/run", f"run_dir={tmp_path}/mine")
    assert begun.status == 0, begun.err


def test_unusable_style_images_are_skipped_and_named(run, meta_options, paintings, caplog):
    blotches(paintings / "wide.png", 20_000, 64)
    Image.new("RGB", (90, 70), "red").save(paintings / "red.png")
    Image.new("RGBA", (90, 70), (0, 200, 0, 40)).save(paintings / "clear.png")
    Image.new("RGB", (1, 1)).save(paintings / "one.png")
    (paintings / "broken.jpg").write_bytes(b"no image")
    (paintings / "folder").mkdir()
    result = run("train", *meta_options, "trainer.max_steps=8", "data.min_size=16")
    assert result.status == 0, result.err
    for name in ("one.png", "broken.jpg"):
        assert f"skipped: {paintings / name}" in caplog.text
    assert "2 unusable files were skipped" in result.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["data.styles=null"], "give a folder of style images: data.styles=FOLDER"),
        (["data.styles=nowhere"], "data.styles=nowhere"),
        (["style=starry"], "style=starry is for networks of named styles"),
        (["styles=[starry]"], "styles=['starry'] is for networks of named styles"),
        (["training_method.inner_steps=0"], "training_method.inner_steps=0"),
        (["training_method.inner_lr=-1"], "training_method.inner_lr=-1"),
        (["training_method.style_size=8"], "training_method.style_size=8"),
        (["data.batch_size=0"], "data.batch_size=0"),
        (["loss.temporal_weight=9"], "loss.temporal_weight=9 does not work"),
        (["loss.droplet_weight=9"], "loss.droplet_weight=9 does not work"),
        (["trainer.accumulate_grad_batches=2"], "trainer.accumulate_grad_batches=2 does not"),
        (["trainer.precision=16-mixed"], "set trainer.precision=bf16-mixed or 32-true"),
        (["network.norm=batch"], "experiment=meta needs network.norm=instance"),
        (["init=starry"], "init=starry: it is a johnson network"),
        (["init=base"], "init=base: no base network fits a johnson network"),
    ],
)
def test_impossible_options_end_in_one_line(run, meta_options, tmp_path, options, message):
    assert message in run("train", *meta_options, *options).error
    assert not (tmp_path / "run").exists()


def test_a_network_of_any_style_is_no_base(run, meta_options):
    rest = [option for option in meta_options if not option.startswith("network.blocks")]
    error = run("train", *rest, "network=adain", "training_method=meta").error
    assert "holds any style, but a base network holds one style" in error


def test_a_folder_without_usable_style_images_is_an_error(run, meta_options, paintings, tmp_path):
    for path in paintings.iterdir():
        path.write_bytes(b"no image")
    assert "no usable photo" in run("train", *meta_options).error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("experiment", ["quickstart", "laptop"])
def test_other_networks_than_the_defaults_start_from_random_weights(
    run, tiny, tmp_path, experiment
):
    result = run("train", f"experiment={experiment}", *tiny)
    assert result.status == 0, result.err
    assert yaml.safe_load((tmp_path / "run/config.yaml").read_text())["init"] is None


def test_base_is_refused_by_a_network_that_it_does_not_fit(run, tiny, tmp_path):
    error = run("train", *tiny, "init=base").error
    assert "init=base: no base network fits a johnson network with {'width': 2" in error
    assert "init=null" in error
    assert not (tmp_path / "run").exists()


# The options of a run on the default network that a test can afford.
SMALL = ("data.crop_size=32", "data.batch_size=1", "data.workers=0", "callbacks.previews.size=32")


@pytest.mark.parametrize("network", ["johnson", "compact"])
def test_an_instant_network_is_written_after_the_first_steps(run, tmp_path, network):
    image = blotches(tmp_path / "painting.jpg", 48, 40, seed=9)
    result = run(
        *("train", "style=custom", f"style.image={image}", "style.size=48", "experiment=instant"),
        *(f"network={network}", *SMALL, "callbacks.checkpoints.first_step=1"),
        *("trainer.max_steps=2", "trainer.accelerator=cpu", f"run_dir={tmp_path / 'run'}"),
    )
    assert result.status == 0, result.err
    folder = RunFolder(tmp_path / "run")
    first = folder.checkpoint(1).with_suffix(".safetensors")
    assert f"first network, after 1 steps: {first}" in result.out
    assert first.is_file()
    # The preview of step 0 shows the base network, before any step.
    config = yaml.safe_load(folder.config.read_text())
    assert config["init"] == "base"
    before, after = (np.asarray(Image.open(folder.preview(step)), float) for step in (0, 2))
    assert before.shape == after.shape
    assert np.abs(before - after).mean() > 0.1
    trained, _ = load_checkpoint(first)
    base = build_network(network, **trained.arguments)
    assert start_from_base(base)
    weights = base.state_dict()
    moved = {k: float((v - weights[k]).abs().max()) for k, v in trained.state_dict().items()}
    assert 0 < max(moved.values()) < 0.01, "the first step starts from the base network"


@pytest.mark.slow
def test_several_styles_start_from_the_base_network(run, tmp_path):
    result = run(
        *("train", "network=johnson_multi", "styles=[starry,ink]", "experiment=quickstart"),
        *(*SMALL, "trainer.max_steps=1", "trainer.accelerator=cpu", f"run_dir={tmp_path / 'run'}"),
    )
    assert result.status == 0, result.err
    assert yaml.safe_load((tmp_path / "run/config.yaml").read_text())["init"] == "base"


def test_the_base_network_is_no_pretrained_style(run, tmp_path):
    photo = blotches(tmp_path / "photo.png")
    error = run("infer", f"input={photo}", "style=base", f"output={tmp_path / 'out.png'}").error
    assert "style=base is neither a pretrained style nor an image file" in error
