import pytest
import yaml

from stylenet.cli.train import needs_quickstart
from stylenet.data import SamplePhotos


@pytest.fixture
def no_coco(tmp_path, monkeypatch):
    monkeypatch.delenv("STYLENET_COCO", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [[], ["style=starry"], ["trainer.max_steps=3", "encoder=vgg19"], ["-m", "seed=1,2"]],
)
def test_a_plain_command_without_photos_is_the_quick_start(no_coco, arguments):
    assert needs_quickstart(arguments)


@pytest.mark.parametrize(
    "argument",
    ["data=coco", "data.root=photos", "experiment=laptop", "--help", "-sc=x", "--version"],
)
def test_explicit_options_disable_the_quick_start(no_coco, argument):
    assert not needs_quickstart(["style=starry", argument])


def test_coco_in_its_default_folder_selects_the_full_recipe(no_coco, tmp_path, monkeypatch):
    (tmp_path / "data" / "coco").mkdir(parents=True)
    assert not needs_quickstart(["style=starry"])


def test_a_configured_coco_folder_selects_the_full_recipe_even_if_missing(
    no_coco, monkeypatch, run
):
    monkeypatch.setenv("STYLENET_COCO", "nowhere")
    assert not needs_quickstart(["style=starry"])
    assert "nowhere does not exist" in run("train", "style=starry").error


def test_the_quick_start_runs_offline_and_announces_itself_first_and_last(
    no_coco, run, monkeypatch
):
    def refuse(*args, **kwargs):
        raise AssertionError("the quick start opened a connection")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    small = ["data.crop_size=32", "data.batch_size=1", "data.workers=0", "network.width=2"]
    previews = ["callbacks.previews.size=32", "trainer.accelerator=cpu"]
    result = run("train", "style=starry", "trainer.max_steps=2", *small, *previews)
    assert result.status == 0, result.err
    lines = result.out.splitlines()
    assert lines[0] == lines[-1]
    command = ["python", "scripts/train.py", "style=starry", "trainer.max_steps=2", *small]
    assert " ".join([*command, *previews, "data=coco"]) in lines[0]
    assert "on 6 photos" in lines[1]


@pytest.mark.parametrize(
    "words", [["style=ink", "--cfg", "job"], ["--cfg", "job", "style=ink"], ["--cfg", "job"]]
)
def test_the_options_of_a_command_are_shown(no_coco, run, words):
    shown = run("train", *words)
    assert shown.status == 0, shown.err
    options = yaml.safe_load(shown.out)
    assert options["data"]["_target_"] == "stylenet.data.SamplePhotos"
    assert options["trainer"]["max_steps"] == 900


def test_a_sweep_may_start_with_the_multirun_flag(no_coco, run):
    assert "Could not find 'style/nosuch'" in run("train", "-m", "style=nosuch,starry").error


def test_a_folder_of_other_photos_suggests_data_folder(no_coco, run, photos):
    error = run("train", "style=starry", f"data.root={photos}").error
    assert "holds no folder train2017; for photos of your own: data=folder" in error


def test_all_sample_photos_are_usable():
    data = SamplePhotos("samples", crop_size=64, batch_size=2, workers=0)
    data.setup()
    assert [data.dataset.check(i) for i in range(len(data.dataset.photos))] == [None] * 6
