"""Networks with dials: training, and stroke size and style weight after it, as users run them."""

import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import stylenet
from stylenet.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from stylenet.errors import StyleNetError
from stylenet.export import runtime
from stylenet.inference import Stylizer
from stylenet.networks import Dials, build_network

from .conftest import blotches
from .test_infer_videos import make_video


@pytest.fixture
def dials(tiny):
    """Overrides for a run of one second with dials."""
    return [*tiny, "network=johnson_dials"]


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = build_network("johnson_dials", width=2, blocks=1)
    torch.nn.init.normal_(network.curves.weight, std=0.2)
    return network.eval()


@pytest.fixture
def checkpoint(network, tmp_path):
    recipe = {
        "style": {"name": "waves", "image": str(blotches(tmp_path / "style.png")), "size": 40}
    }
    info = CheckpointInfo("waves", 1, recipe)
    save_checkpoint(tmp_path / "dials.safetensors", network, info)
    return tmp_path / "dials.safetensors"


@pytest.fixture
def plain(tmp_path):
    torch.manual_seed(0)
    network, path = build_network("johnson", width=2, blocks=1), tmp_path / "plain.safetensors"
    save_checkpoint(path, network, CheckpointInfo("plain", 1))
    return path


def test_a_network_with_dials_is_trained_resumed_and_stylizes(run, dials, tmp_path):
    result = run("train", *dials)
    assert result.status == 0, result.err
    run_dir = tmp_path / "run"
    assert f"checkpoint={run_dir} stroke=1.5 style_weight=2" in result.out
    network, info = load_checkpoint(run_dir)
    assert (network.name, info.style, info.step) == ("johnson_dials", "starry", 3)
    recipe = yaml.safe_load((run_dir / "config.yaml").read_text())
    assert recipe["network"]["largest_stroke"] == 2.0

    more = [*dials, "trainer.max_steps=5"]
    assert run("train", *more, "resume=true").status == 0
    assert run("train", *more, f"run_dir={tmp_path / 'uninterrupted'}").status == 0
    resumed, uninterrupted = (
        load_checkpoint(tmp_path / name)[0].state_dict() for name in ("run", "uninterrupted")
    )
    assert all(torch.equal(value, resumed[name]) for name, value in uninterrupted.items())

    photo, out = blotches(tmp_path / "photo.jpg"), tmp_path / "out.png"
    words = [f"input={photo}", f"checkpoint={run_dir}", f"output={out}"]
    done = run("infer", *words, "stroke=1.5", "style_weight=2")
    assert (done.status, done.out.strip()) == (0, str(out)), done.err


def test_it_starts_from_a_plain_network_and_takes_over_its_size(run, dials, tiny, tmp_path):
    one = [*tiny, "network.width=3", f"run_dir={tmp_path / 'one'}"]
    assert run("train", *one).status == 0
    rest = [o for o in dials if not o.startswith(("network.width", "network.blocks"))]
    still = [*rest, f"init={tmp_path / 'one'}", "optimizer.lr=1e-12", "trainer.max_steps=1"]
    result = run("train", *still)
    assert result.status == 0, result.err
    plain, network = (load_checkpoint(tmp_path / name)[0] for name in ("one", "run"))
    assert network.arguments["width"] == 3
    for key, value in network.select(Dials(0.5, 4.0)).state_dict().items():
        torch.testing.assert_close(value, plain.state_dict()[key], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["teacher_network=starry"], "teacher_network=starry has one size of strokes"),
        (["styles=[starry,mosaic]"], "names several styles for one network"),
        (["training_method=single_style"], "network=johnson_dials holds one style with dials"),
        (["network=johnson", "training_method=dials"], "network=johnson has no dials"),
        (["network.degree=0"], "network.degree=0 is not a whole number of at least 1"),
        (["network.largest_stroke=1"], "network.largest_stroke=1 is not a number above 1"),
        (["init=great_wave_compact"], "choose the same network options"),
        (["style.size=16", "network.largest_stroke=4.0"], "expected 16 at least on each side"),
    ],
)
def test_training_refuses_what_does_not_fit(run, dials, tmp_path, overrides, message):
    assert message in run("train", *dials, *overrides).error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("values", [{}, {"stroke": 0.5}, {"stroke": 1.7, "style_weight": 0.3}])
def test_infer_stylizes_with_the_plain_network_of_the_position(stylize, network, values, tmp_path):
    made = stylize("precision=float32", *(f"{k}={v}" for k, v in values.items()))
    stylizer = Stylizer(
        network.select(Dials(**values)), CheckpointInfo("x", 1), precision="float32"
    )
    expected = np.asarray(stylizer(Image.open(tmp_path / "photo.png")), float)
    assert np.abs(made - expected).max() <= 1
    assert made.shape == (44, 61, 3)


def test_python_turns_the_dials(checkpoint, network, tmp_path):
    photo = Image.open(blotches(tmp_path / "photo.png", 61, 44))
    stylizer = stylenet.load(checkpoint, stroke=1.5, style_weight=2, precision="float32")
    assert stylizer.dials == Dials(1.5, 2)
    first = np.asarray(stylizer(photo))
    copied = stylizer.turned()
    copied.turn(stroke=0.5)
    assert (copied.dials, stylizer.dials) == (Dials(0.5, 2), Dials(1.5, 2))
    assert np.array_equal(np.asarray(stylizer(photo)), first)
    stylizer.turn(style_weight=0.25)
    info = CheckpointInfo("waves", 1)
    for turned, dials in ((stylizer, Dials(1.5, 0.25)), (copied, Dials(0.5, 2))):
        alone = Stylizer(network.select(dials), info, precision="float32")
        assert np.array_equal(np.asarray(turned(photo)), np.asarray(alone(photo)))
        tiled = np.asarray(turned(photo.resize((300, 270)), tile=256), float)
        assert np.abs(tiled - np.asarray(alone(photo.resize((300, 270))), float)).max() <= 1
    with pytest.raises(StyleNetError, match=r"has a dial for strokes. Give stroke=2 to load\(\)"):
        stylizer(photo, stroke=2)
    with pytest.raises(StyleNetError, match=r"stroke=2\.5 is not a number of at least 0.5"):
        stylizer.turn(stroke=2.5)
    assert stylizer.dials == Dials(1.5, 0.25)


def test_python_refuses_dials_of_other_networks(plain):
    with pytest.raises(StyleNetError, match="stroke=2 turns a dial, which a network johnson lacks"):
        stylenet.load(plain, stroke=2)
    with pytest.raises(StyleNetError, match="plain has no dials"):
        stylenet.load(plain).turn(style_weight=2)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_turning_reaches_every_copy_of_the_network(network, precision, tmp_path):
    """Bfloat16 copies the convolutions, and videos share statistics between frames."""
    photo = Image.open(blotches(tmp_path / "photo.png", 61, 44))
    info = CheckpointInfo("waves", 1)
    stylizer, moved = (Stylizer(network, info, precision=precision) for _ in range(2))
    shared = moved.with_statistics(
        lambda _, x: (x.float().mean((2, 3), keepdim=True), x.float().var((2, 3), keepdim=True))
    )
    before = np.asarray(shared(photo), float)
    moved.turn(2.0, 4.0)
    assert np.abs(np.asarray(shared(photo), float) - before).max() > 5
    alone = Stylizer(network.select(Dials(2.0, 4.0)), info, precision=precision)
    assert np.array_equal(np.asarray(moved(photo)), np.asarray(alone(photo)))
    assert not np.array_equal(np.asarray(moved(photo)), np.asarray(stylizer(photo)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("stroke=3", "stroke=3 is not a number of at least 0.5 and at most 2"),
        ("stroke=-1", "stroke=-1 is not a number"),
        ("style_weight=0", "style_weight=0 is not a number of at least 0.25"),
        ("style_weight=much", "style_weight=much is neither a number nor keyframes"),
        ("stroke={0: 1}", "stroke={0: 1} are keyframes for a video, not for an image"),
        ("stroke=[1,2]", "stroke=[1, 2] are keyframes for a video"),
    ],
)
def test_infer_refuses_values_out_of_range(run, checkpoint, tmp_path, words, message):
    photo, out = blotches(tmp_path / "photo.png"), tmp_path / "out.png"
    result = run("infer", f"input={photo}", f"checkpoint={checkpoint}", f"output={out}", words)
    assert message in result.error
    assert not out.exists()


def test_style_weight_needs_dials(run, plain, tmp_path):
    photo, out = blotches(tmp_path / "photo.png"), tmp_path / "out.png"
    words = [f"input={photo}", f"checkpoint={plain}", f"output={out}"]
    assert (
        "style_weight=2 needs a network with dials, and plain has none"
        in run("infer", *words, "style_weight=2").error
    )
    done = run("infer", *words, "stroke=2")
    assert "stroke=2: the network works at 0.5 times the height and width" in done.out


def test_regions_may_have_dials(run, checkpoint, plain, tmp_path):
    photo, mask = blotches(tmp_path / "photo.png"), tmp_path / "mask.png"
    Image.fromarray(np.eye(32, 40, dtype=np.uint8) * 255).save(mask)
    words = [f"input={photo}", f"output={tmp_path / 'out.png'}", "stroke=2"]
    both = f"regions={{{mask}: {checkpoint}, rest: null}}"
    assert run("infer", *words, both).status == 0
    mixed = f"regions={{{mask}: {checkpoint}, rest: {plain}}}"
    assert "plain has no dials" in run("infer", *words, mixed).error


def test_keyframes_move_the_dials_of_a_video(run, checkpoint, plain, tmp_path):
    source, target = make_video(tmp_path / "in.mp4", codec="mpeg4"), tmp_path / "out.mp4"
    words = [f"input={source}", f"output={target}"]
    done = run(
        "infer", *words, f"checkpoint={checkpoint}", "stroke={0: 0.5, 3: 2}", "style_weight=2"
    )
    assert done.status == 0, done.err
    assert target.is_file()
    given = [*words, "stroke={0: 1, 2: 2}"]
    refused = run("infer", *given, f"checkpoint={plain}")
    assert "stroke={0: 1, 2: 2} needs a network with dials, and plain has none" in refused.error
    for keyframes, message in (
        ("{0: 1, 2: 9}", "stroke=9 is not a number of at least 0.5 and at most 2"),
        ("{soon: 1}", "time of a keyframe of stroke=soon is not a number"),
        ("{-1: 1}", "time of a keyframe of stroke=-1 is not a number of at least 0"),
        ("{0: small}", "stroke at 0 s=small is not a number above 0"),
        ("[1,2]", "stroke=[1, 2] is neither a number nor keyframes"),
    ):
        result = run("infer", *words, f"checkpoint={checkpoint}", f"stroke={keyframes}")
        assert message in result.error


def test_evaluate_measures_a_point_of_the_dials(run, checkpoint, network, plain, tmp_path):
    """The objective is that of a network trained alone with this style size and weight."""
    for index in range(2):
        blotches(tmp_path / "photos" / f"{index}.jpg", 40, 40, seed=index)
    alone = tmp_path / "alone.safetensors"
    style = {"name": "waves", "image": str(tmp_path / "style.png"), "size": 60, "weight": 2.0}
    save_checkpoint(
        alone, network.select(Dials(1.5, 2.0)), CheckpointInfo("w", 1, {"style": style})
    )
    words = [f"photos={tmp_path / 'photos'}", "encoder=lite", "size=32", "repeats=1", "device=cpu"]
    words += [f"output={tmp_path / 'report'}", "precision=float32", "stroke=1.5", "style_weight=2"]
    result = run("evaluate", *words, f"checkpoints=[{checkpoint},{alone}]", "reference=alone")
    assert result.status == 0, result.err
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    dials, reference = report["means"]
    for name in ("total", "content", "style"):
        assert dials["means"][name] == pytest.approx(reference["means"][name], rel=1e-5)
    style = ["style=custom", f"style.image={tmp_path / 'style.png'}"]
    refused = run("evaluate", *words, f"checkpoints=[{plain}]", *style)
    assert "stroke=1.5 is for networks with dials, and none of the checkpoints" in refused.error
    far = [word for word in words if not word.startswith("stroke")]
    refused = run("evaluate", *far, "stroke=3", f"checkpoints=[{checkpoint}]")
    assert "dials: stroke=3 is not a number of at least 0.5" in refused.error


@pytest.mark.slow
def test_export_bakes_the_dials_or_makes_them_inputs(run, checkpoint, network, plain, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    words = [f"checkpoint={checkpoint}"]
    image = torch.rand(2, 3, 37, 50)
    baked = tmp_path / "baked.onnx"
    done = run("export", *words, "stroke=1.5", "style_weight=2", f"output={baked}")
    assert done.status == 0, done.err
    session = onnxruntime.InferenceSession(baked)
    assert [value.name for value in session.get_inputs()] == ["image"]
    (stylized,) = session.run(None, {"image": image.numpy()})
    expected = network.select(Dials(1.5, 2.0))(image).detach().numpy()
    np.testing.assert_allclose(stylized, expected, rtol=0, atol=1e-4)

    turned = tmp_path / "dials.onnx"
    done = run("export", *words, "dials=true", f"output={turned}")
    assert done.status == 0, done.err
    assert json.loads((tmp_path / "dials.onnx.json").read_text())["dials"] is True
    session = onnxruntime.InferenceSession(turned)
    inputs = {value.name: (value.shape, value.type) for value in session.get_inputs()}
    assert inputs["image"] == (["N", 3, "H", "W"], "tensor(float)")
    assert inputs["stroke"] == inputs["style_weight"] == ([1], "tensor(float)")
    for stroke, weight in ((0.5, 0.25), (2.0, 4.0), (1.2, 0.7), (1.0, 1.0)):
        values = {"stroke": stroke, "style_weight": weight}
        given = {name: np.array([value], np.float32) for name, value in values.items()}
        (stylized,) = session.run(None, {"image": image.numpy(), **given})
        expected = network.select(Dials(**values))(image).detach().numpy()
        np.testing.assert_allclose(stylized, expected, rtol=0, atol=1e-4)

    for more, message in (
        ("stroke=3", "stroke=3 is not a number of at least 0.5 and at most 2"),
        ("dials=true stroke=1.5", "dials=true makes stroke and style_weight inputs of the file"),
        ("dials=true format=torch_export", "dials=true needs format=onnx, web"),
        ("dials=true precision=int8", "precision=int8 does not work with dials=true"),
        ("dials=perhaps", "dials=perhaps is neither true nor false"),
        (f"dials=true checkpoint={plain}", "dials=true needs a network trained with"),
        (f"style_weight=2 checkpoint={plain}", "style_weight=2 turns a dial, which a network"),
    ):
        target = tmp_path / "bad.onnx"
        refused = run("export", *words, f"output={target}", *more.split())
        assert message in refused.error
        assert not target.exists()


@pytest.mark.slow
def test_a_page_has_sliders_for_the_dials(run, checkpoint, network, plain, tmp_path, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(runtime, "_URL", "http://127.0.0.1:9/nothing.tgz")
    page = tmp_path / "page"
    words = ["format=web", "dials=true", f"output={page}"]
    result = run("export", f"checkpoint=[{checkpoint},{plain}]", *words)
    assert result.status == 0, result.err
    dials, other = json.loads((page / "page.json").read_text())["networks"]
    assert [
        (item["name"], item["minimum"], item["maximum"], item["default"])
        for item in dials["inputs"]
    ] == [("stroke", 0.5, 2.0, 1.0), ("style_weight", 0.25, 4.0, 1.0)]
    assert other["inputs"] == []
    image, given = torch.rand(1, 3, 24, 32), {"stroke": 2.0, "style_weight": 0.25}
    values = {name: np.array([value], np.float32) for name, value in given.items()}
    session = onnxruntime.InferenceSession(page / dials["file"])
    (stylized,) = session.run(None, {"image": image.numpy(), **values})
    expected = network.select(Dials(**given))(image).detach().numpy()
    np.testing.assert_allclose(stylized, expected, rtol=0, atol=1e-4)

    refused = run("export", f"checkpoint={plain}", *words[:2], f"output={tmp_path / 'none'}")
    assert "dials=true needs a network trained with" in refused.error
    assert not (tmp_path / "none").exists()
