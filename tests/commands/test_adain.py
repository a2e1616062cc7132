"""Arbitrary style networks: training, resuming, stylizing, mixing, exporting, evaluating."""

import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stylenet.checkpoint import CheckpointInfo, load_checkpoint, load_style, save_checkpoint
from stylenet.inference import Stylizer
from stylenet.networks import build_network
from stylenet.perceptual import LiteEncoder, VGGEncoder
from stylenet.training import RunFolder
from stylenet.training.callbacks import SafeCheckpointIO

from .conftest import blotches


@pytest.fixture
def paintings(tmp_path):
    for i in range(3):
        blotches(tmp_path / "paintings" / f"{i}.jpg", 48, 40, seed=20 + i)
    return tmp_path / "paintings"


@pytest.fixture
def adain_options(tiny, paintings):
    """Overrides for an AdaIN run of one second."""
    dropped = ("style.", "network.blocks", "encoder", "loss.style.layers", "loss.content.layers")
    rest = [option for option in tiny if not option.startswith(dropped)]
    loss = ["loss.content.layers=[relu1_2]", "loss.style.layers=[relu1_2]"]
    return [*rest, "network=adain", "encoder=lite", *loss, f"data.styles={paintings}"]


@pytest.fixture
def checkpoint(tmp_path):
    """An AdaIN network with an untrained decoder, whose styles still look different."""
    torch.manual_seed(0)
    network = build_network("adain", layer="relu3_4", width=4)
    convolutions = LiteEncoder().convolutions_to("relu3_4")
    network.encoder.load_weights(
        {
            f"{k}.{parameter}": v
            for k, c in convolutions.items()
            for parameter, v in c.state_dict().items()
        }
    )
    recipe = {"encoder": {"weights": "bundled"}, "style": None}
    save_checkpoint(tmp_path / "any.safetensors", network, CheckpointInfo("adain", 1, recipe))
    return tmp_path / "any.safetensors"


@pytest.fixture
def stylize(stylize):
    """Stylize with style images as small as the photo."""

    def call(*options, output="out.png"):
        sized = any(option.startswith("style_size") for option in options)
        return stylize(*options, *([] if sized else ["style_size=48"]), output=output)

    return call


@pytest.fixture
def style_images(tmp_path):
    """Two style images with plain names and one whose name is special to the parser."""
    dark = blotches(tmp_path / "dark.png", 40, 56, seed=5)
    Image.open(dark).point(lambda value: value // 4).save(dark)
    unusual = tmp_path / "a,b:0.5.png"
    shutil.copy(dark, unusual)
    return blotches(tmp_path / "light.png", 64, 48, seed=4), dark, unusual


def test_an_adain_network_is_trained_resumed_and_stylizes(
    run, adain_options, style_images, tmp_path
):
    result = run("train", *adain_options, "trainer.log_every_n_steps=1")
    assert result.status == 0, result.err
    run_dir = tmp_path / "run"
    assert "training adain on 4 photos" in result.out
    assert f"network: {run_dir / 'adain.safetensors'}" in result.out
    assert "style=painting.jpg" in result.out
    network, info = load_checkpoint(run_dir)
    assert (info.style, info.step) == ("adain", 3)
    lite = LiteEncoder().convolutions_to("relu3_4")["conv3_4"].weight
    assert torch.equal(network.encoder.convolutions["conv3_4"].weight, lite)
    config = yaml.safe_load((run_dir / "config.yaml").read_text())
    assert config["style"] is None
    found = EventAccumulator(str(run_dir / "tensorboard")).Reload().Tags()["scalars"]
    assert {"loss/total", "loss/content", "loss/style", "loss/tv"} <= set(found)
    with Image.open(RunFolder(run_dir).preview(3)) as preview:
        # One column of style images and four of photos; the photos and three style images.
        assert preview.size == (5 * 26 + 2, 4 * 26 + 2)

    more = [*adain_options, "trainer.max_steps=5"]
    assert run("train", *more, "resume=true").status == 0
    assert run("train", *more, f"run_dir={tmp_path / 'uninterrupted'}").status == 0
    resumed, uninterrupted = (
        load_checkpoint(tmp_path / name)[0].state_dict() for name in ("run", "uninterrupted")
    )
    assert all(torch.equal(value, resumed[name]) for name, value in uninterrupted.items())

    saved = SafeCheckpointIO().load_checkpoint(RunFolder(run_dir).saved_checkpoints()[-1])
    assert all(name.startswith("network.decoder.") for name in saved["state_dict"])

    begun = run("train", *adain_options, f"init={run_dir}", f"run_dir={tmp_path / 'begun'}")
    assert begun.status == 0, begun.err

    photo, out = blotches(tmp_path / "photo.jpg"), tmp_path / "mix.png"
    overrides = [f"input={photo}", f"checkpoint={run_dir}", f"output={out}"]
    light, dark, _ = style_images
    done = run("infer", *overrides, f"style={light}:0.6,{dark}:0.4", "strength=0.8")
    assert (done.status, done.out.strip()) == (0, str(out)), done.err


def test_a_checkpoint_names_an_encoder_outside_the_package_by_its_hash(
    run, adain_options, style_images, shared, tmp_path
):
    weights = shared / "weights" / "vgg19_to_relu3_4.safetensors"
    mine = tmp_path / "vgg19.safetensors"
    shutil.copy(weights, mine)
    vgg = [option for option in adain_options if not option.startswith("encoder")]
    vgg += ["encoder=vgg19", f"encoder.weights={mine}", "trainer.max_steps=1"]
    error = run("train", *vgg).error
    assert "network.layer=relu4_1: vgg19" in error
    assert "has no layer relu4_1; it has relu1_1" in error
    result = run("train", *vgg, "network.layer=relu3_1")
    assert result.status == 0, result.err
    checkpoint = tmp_path / "run" / "adain.safetensors"
    assert checkpoint.stat().st_size < 100_000

    photo, out = blotches(tmp_path / "photo.jpg"), tmp_path / "out.png"
    overrides = [
        f"input={photo}",
        f"checkpoint={checkpoint}",
        f"style={style_images[0]}",
        f"output={out}",
    ]
    overrides.append("style_size=48")
    assert run("infer", *overrides).status == 0
    before = out.read_bytes()
    out.unlink()
    mine.unlink()
    error = run("infer", *overrides).error
    assert f"encoder.weights={mine} of its recipe was not found" in error
    assert "encoder_weights=PATH" in error
    assert not out.exists()
    assert run("infer", *overrides, f"encoder_weights={weights}").status == 0
    assert out.read_bytes() == before
    other = ["network.layer=relu3_1", "encoder.weights=random", "encoder.allow_random=true"]
    begun = run("train", *vgg, *other, f"init={checkpoint}", f"run_dir={tmp_path / 'begun'}")
    assert "encoder_weights=PATH" in begun.error


def test_any_style_image_works_and_mixtures_lie_between(stylize, checkpoint, style_images):
    light, dark, unusual = style_images
    first, second = stylize(f"style={light}"), stylize(f"style={dark}")
    assert np.abs(first - second).mean() > 5
    assert np.array_equal(stylize(f"style={dark}:3"), second)
    assert np.array_equal(stylize(f"style='{unusual}'"), second)  # a file, whatever its name
    mixed = stylize(f"style={light}:0.6,{dark}:0.4")
    assert np.array_equal(stylize(f"style='{light}:6, {dark}:4'"), mixed)
    assert min(np.abs(mixed - first).mean(), np.abs(mixed - second).mean()) > 1
    assert np.array_equal(
        stylize(f"style={light}", "strength=0"), stylize("strength=0", f"style={dark}")
    )
    assert np.abs(stylize(f"style={light}", "style_size=96") - first).mean() > 0.1
    stylizer = Stylizer.load(checkpoint, style=f"{light}:0.6,{dark}:0.4")
    assert stylizer.info.style == "light+dark"


def test_stylizing_needs_only_the_style_image_for_tiles_dtypes_and_videos(
    checkpoint, style_images, tmp_path
):
    photo = Image.open(blotches(tmp_path / "large.png", 300, 280))
    style = str(style_images[0])
    stylizer = Stylizer.load(checkpoint, "cpu", "float32", style)
    expected = np.asarray(stylizer(photo, tile="none"), int)
    assert np.abs(np.asarray(stylizer(photo, tile=256), int) - expected).max() <= 1
    narrow = Stylizer.load(checkpoint, "cpu", "bfloat16", style)
    assert np.abs(np.asarray(narrow(photo), int) - expected).mean() < 3
    other = Stylizer.load(checkpoint, "cpu", "float32", str(style_images[1]))
    middle = np.asarray(Stylizer.blend(stylizer, other, 0.5)(photo), int)
    both = Stylizer.load(checkpoint, "cpu", "float32", f"{style_images[0]},{style_images[1]}")
    assert np.abs(np.asarray(both(photo), int) - middle).max() <= 1


def test_a_video_interpolates_between_style_images(stylize, style_images):
    av = pytest.importorskip("av")
    light, dark, _ = style_images
    options = [f"interpolate=[{light},{dark}]", "frames=3", "fps=8"]
    with av.open(str(stylize(*options, output="morph.mp4"))) as video:
        frames = [frame.to_ndarray(format="rgb24").astype(float) for frame in video.decode(video=0)]
    ends = stylize(f"style={light}"), stylize(f"style={dark}")
    away = [[np.abs(frame - end).mean() for frame in frames] for end in ends]
    assert away[0][0] == min(away[0])
    assert away[1][-1] == min(away[1])


@pytest.mark.slow
@pytest.mark.xdist_group("export")
@pytest.mark.parametrize("export_format", ["onnx", "torch_export"])
def test_a_style_is_exported(run, checkpoint, style_images, tmp_path, export_format):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    out = tmp_path / f"light.{'onnx' if export_format == 'onnx' else 'pt2'}"
    overrides = [f"checkpoint={checkpoint}", f"format={export_format}", f"output={out}"]
    result = run("export", *overrides, f"style={style_images[0]}")
    assert result.status == 0, result.err
    assert "difference from PyTorch: 0.00" in result.out
    images = torch.rand(1, 3, 24, 20)
    expected = load_style(checkpoint, str(style_images[0]))[0](images)
    if export_format == "onnx":
        (found,) = onnxruntime.InferenceSession(out).run(None, {"image": images.numpy()})
        found = torch.from_numpy(found)
    else:
        found = torch.export.load(out).module(check_guards=False)(images)
    torch.testing.assert_close(found, expected.clamp(0, 1), rtol=0, atol=1e-4)
    assert "give one, style=image.jpg" in run("export", *overrides).error


def test_a_network_is_evaluated_in_the_given_style(run, checkpoint, style_images, photos, tmp_path):
    overrides = [f"checkpoints=[{checkpoint}]", f"photos={photos}", f"output={tmp_path / 'report'}"]
    overrides += [
        "encoder=lite",
        "size=32",
        "device=cpu",
        "precision=float32",
        "repeats=1",
        "limit=2",
    ]
    assert "Choose the one to measure: style=NAME" in run("evaluate", *overrides).error
    result = run(
        "evaluate", *overrides, "style=custom", f"style.image={style_images[1]}", "style.size=48"
    )
    assert result.status == 0, result.err
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["means"][0]["style_images"] == [str(style_images[1])]
    assert [row["checkpoint"] for row in report["rows"]] == ["any", "any"]


def test_a_network_that_refers_to_an_encoder_is_not_bundled(run, photos, tmp_path):
    network = build_network("adain", encoder="vgg19", layer="relu2_1", width=2)
    convolutions = VGGEncoder("vgg19", "random", allow_random=True).convolutions_to("relu2_1")
    network.encoder.load_weights(
        {f"{k}.{part}": v for k, c in convolutions.items() for part, v in c.state_dict().items()}
    )
    info = CheckpointInfo("adain", 1, {"encoder": {"weights": "random"}})
    save_checkpoint(tmp_path / "vgg.safetensors", network, info)
    given = [f"checkpoint={tmp_path}/vgg.safetensors", f"held_out={photos}", "held_out_name=x"]
    given += ["description=x", "source=x", "trained_on=x", "command=x"]
    assert "refers to the weights of an encoder" in run("add_pretrained", *given).error


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "give one, style=image.jpg"),
        (["style=nowhere.jpg"], "nowhere.jpg is not an image file"),
        (["style={light}:0.5,nowhere.jpg"], "nowhere.jpg is not an image file"),
        (["style={light},"], "an empty name is not an image"),
        (["style={light}:much"], "much is not a number above 0"),
        (["style={light}:0,{dark}"], "is not a number above 0"),
        (["style={light},{light}"], "twice"),
        (["style={folder}"], "is a folder, not an image file"),
        (["style={text}"], "notes.png"),
        (["style={light}", "style_size=0"], "style_size=0"),
        (["style={light}", "style_size=much"], "style_size=much"),
        (["style={light}", "strength=2"], "strength=2"),
        (["interpolate=[{light},nowhere.jpg]"], "nowhere.jpg is not an image"),
        (["interpolate=[{light}]"], "is not a list of two or more styles"),
    ],
    ids=lambda overrides: " ".join(overrides) if isinstance(overrides, list) else "",
)
def test_a_wrong_option_for_stylizing_ends_in_one_line(
    run, checkpoint, style_images, tmp_path, overrides, message
):
    photo, out = blotches(tmp_path / "in" / "photo.png"), tmp_path / "out.png"
    (tmp_path / "notes.png").write_text("no image")
    names = {"light": style_images[0], "dark": style_images[1]}
    names |= {"folder": tmp_path, "text": tmp_path / "notes.png"}
    good = [f"input={photo}", f"checkpoint={checkpoint}", f"output={out}"]
    error = run("infer", *good, *(option.format(**names) for option in overrides)).error
    assert message in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.styles=null"], "give a folder of the latter: data.styles=FOLDER"),
        (["data.styles=nowhere"], "data.styles=nowhere"),
        (["style=starry"], "style=starry is for networks of named styles"),
        (["style.size=64"], "style.size=64 is for networks of named styles"),
        (["styles=[starry]"], "styles=['starry'] is for networks"),
        (["add_to=starry"], "add_to=starry is for networks"),
        (["teacher_network=starry"], "teacher_network=starry is for networks"),
        (["network=johnson"], "but network=johnson trains on photos only"),
        (["init=starry"], "init=starry: it is a johnson network"),
        (["network.layer=relu9_9"], "network.layer=relu9_9 is unknown"),
        (["network.width=0"], "network.width=0"),
        (["loss.style.statistics=mean"], "loss.style.statistics=mean is unknown"),
        (["loss=adversarial", "loss.adversarial.style_folder=paintings"], "a network of one style"),
    ],
    ids=lambda overrides: " ".join(overrides) if isinstance(overrides, list) else "",
)
def test_a_wrong_option_for_training_ends_in_one_line(
    run, adain_options, tmp_path, overrides, message
):
    keys = {option.split("=")[0] for option in overrides}
    kept = [option for option in adain_options if option.split("=")[0] not in keys]
    assert message in run("train", *kept, *overrides).error
    assert not (tmp_path / "run").exists()


def test_an_adain_network_cannot_be_a_teacher(run, checkpoint, tmp_path):
    overrides = ["style=starry", "experiment=quickstart", f"teacher_network={checkpoint}"]
    error = run("train", *overrides, f"run_dir={tmp_path / 'run'}").error
    assert "cannot teach starry" in error


def test_distillation_refuses_a_folder_of_style_images(run):
    assert (
        "this command trains on photos only"
        in run("distill_encoder", "data.styles=paintings").error
    )


def test_the_run_directory_of_an_adain_run_is_named_after_the_network(run):
    shown = run("train", "network=adain", "data=coco", "--cfg", "job", "--resolve")
    config = yaml.safe_load(shown.out)
    assert config["run_dir"] == "runs/adain"
    assert config["network"]["encoder"] == "vgg16"


def test_a_trained_decoder_is_refused_for_another_encoder(run, adain_options, tmp_path):
    vgg = [option for option in adain_options if not option.startswith("encoder")]
    vgg += ["encoder=vgg19", "encoder.allow_random=true", "network.layer=relu2_1"]
    vgg.append("trainer.max_steps=1")
    assert run("train", *vgg, "encoder.weights=random").status == 0
    state = VGGEncoder("vgg19", "random", allow_random=True)._layers.state_dict()
    numbers = {"conv1_1": 0, "conv1_2": 2, "conv2_1": 5}
    other = {
        f"features.{number}.{parameter}": state[f"{name}.{parameter}"] * 2
        for name, number in numbers.items()
        for parameter in ("weight", "bias")
    }
    save_file(other, tmp_path / "other.safetensors")
    overrides = [f"encoder.weights={tmp_path / 'other.safetensors'}", f"init={tmp_path / 'run'}"]
    error = run("train", *vgg, *overrides, f"run_dir={tmp_path / 'begun'}").error
    assert "differ; give their file: encoder_weights=PATH" in error
