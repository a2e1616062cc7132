"""Networks of several styles: training, choosing, mixing, adding styles, exporting."""

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stylenet.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from stylenet.errors import StyleNetError
from stylenet.inference import Stylizer
from stylenet.networks import build_network

from .conftest import blotches


@pytest.fixture
def two_styles(tiny):
    """Overrides for a run of one second on two styles."""
    rest = [o for o in tiny if not o.startswith("style.image")]
    return [*rest, "network=johnson_multi", "styles=[starry,mosaic]"]


@pytest.fixture
def checkpoint(tmp_path):
    """A network of two styles that look different."""
    torch.manual_seed(0)
    network = build_network("johnson_multi", styles=["starry", "mosaic"], width=2, blocks=1)
    with torch.no_grad():
        for name in network.styles:
            for parameter in network.norm_parameters(name):
                parameter.add_(torch.randn_like(parameter))
    save_checkpoint(tmp_path / "multi.safetensors", network, CheckpointInfo("starry+mosaic", 1))
    return tmp_path / "multi.safetensors"


def scalars(run_dir):
    return set(EventAccumulator(str(run_dir / "tensorboard")).Reload().Tags()["scalars"])


def test_two_styles_are_trained_resumed_and_stylize(run, two_styles, tmp_path):
    result = run("train", *two_styles, "trainer.log_every_n_steps=1", "style.layers=[relu1_1]")
    assert result.status == 0, result.err
    assert "training starry+mosaic on" in result.out
    run_dir = tmp_path / "run"
    assert f"network: {run_dir / 'starry+mosaic.safetensors'}" in result.out
    network, info = load_checkpoint(run_dir)
    assert network.styles == ["starry", "mosaic"]
    assert (info.style, info.step) == ("starry+mosaic", 3)
    assert yaml.safe_load((run_dir / "config.yaml").read_text())["styles"] == network.styles
    assert {
        "loss/total",
        "loss/content",
        "loss/style",
        "loss/tv",
        "loss/starry/style",
        "loss/mosaic/content",
    } <= scalars(run_dir)

    more = [*two_styles, "style.layers=[relu1_1]", "trainer.max_steps=5"]
    assert run("train", *more, "resume=true").status == 0
    assert run("train", *more, f"run_dir={tmp_path / 'uninterrupted'}").status == 0
    resumed, uninterrupted = (
        load_checkpoint(tmp_path / name)[0].state_dict() for name in ("run", "uninterrupted")
    )
    assert all(torch.equal(value, resumed[name]) for name, value in uninterrupted.items())

    photo, out = blotches(tmp_path / "photo.jpg"), tmp_path / "mix.png"
    overrides = [f"input={photo}", f"checkpoint={run_dir}", f"output={out}"]
    done = run("infer", *overrides, "style=starry:0.6,mosaic:0.4")
    assert (done.status, done.out.strip()) == (0, str(out)), done.err


def test_each_style_keeps_its_image_weight_and_layers(run, two_styles, tmp_path):
    folder = tmp_path / "configs" / "style"
    for name, layers, weight in (("first", "[relu1_1]", 1.0), ("second", "[relu1_2]", 1000.0)):
        blotches(tmp_path / f"{name}.png", 48, 40, seed=3)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.yaml").write_text(
            f"_target_: stylenet.data.StyleOptions\nname: {name}\nimage: {tmp_path}/{name}.png\n"
            f"image_weights: null\nsize: 32\nweight: {weight}\nlayers: {layers}\n"
        )
    overrides = [o for o in two_styles if not o.startswith("styles")]
    overrides += ["styles=[first,second]", f"hydra.searchpath=[file://{folder.parent}]"]
    result = run("train", *overrides, "trainer.max_steps=1", "trainer.log_every_n_steps=1")
    assert result.status == 0, result.err
    events = EventAccumulator(str(tmp_path / "run/tensorboard")).Reload()
    found = {
        name: events.Scalars(f"loss/{name}")[0].value
        for name in ("total", "content", "tv", "first/style", "second/style")
    }
    style = (found["first/style"] + 1000 * found["second/style"]) / 2
    expected = found["content"] + 15 * style + 5 * found["tv"]  # the weights of loss/relative.yaml
    assert found["total"] == pytest.approx(expected, rel=1e-3)


def test_a_style_is_added_and_the_old_ones_stay_unchanged(run, two_styles, checkpoint, tmp_path):
    overrides = [o for o in two_styles if not o.startswith("styles")]
    result = run("train", *overrides, "styles=[woodblock]", f"add_to={checkpoint}")
    assert result.status == 0, result.err
    before, after = load_checkpoint(checkpoint)[0], load_checkpoint(tmp_path / "run")[0]
    assert after.styles == ["starry", "mosaic", "woodblock"]
    assert all(torch.equal(after.state_dict()[k], v) for k, v in before.state_dict().items())
    new, mean = after.select({"woodblock": 1}), before.select({"starry": 1, "mosaic": 1})
    assert not torch.equal(new.down[0][1].weight, mean.down[0][1].weight)


def test_several_styles_start_from_a_trained_network_of_one(run, two_styles, tiny, tmp_path):
    assert run("train", *tiny, f"run_dir={tmp_path / 'one'}").status == 0
    still = [*two_styles, f"init={tmp_path / 'one'}", "optimizer.lr=1e-12", "trainer.max_steps=1"]
    result = run("train", *still)
    assert result.status == 0, result.err
    one, many_styles = (load_checkpoint(tmp_path / name)[0] for name in ("one", "run"))
    for name in many_styles.styles:
        for key, value in many_styles.select({name: 1}).state_dict().items():
            torch.testing.assert_close(value, one.state_dict()[key], rtol=0, atol=1e-9)


def test_a_custom_style_image_is_added(run, tiny, checkpoint, tmp_path):
    overrides = [*tiny, "network=johnson_multi", "styles=[custom]", f"add_to={checkpoint}"]
    result = run("train", *overrides, "style.name=mine")
    assert result.status == 0, result.err
    assert load_checkpoint(tmp_path / "run")[0].styles == ["starry", "mosaic", "mine"]


def test_a_teacher_of_several_styles_teaches_the_chosen_one(run, tiny, checkpoint):
    rest = [*tiny, "style=mosaic", f"teacher_network={checkpoint}"]
    result = run("train", *rest, "trainer.max_steps=1")
    assert result.status == 0, result.err
    error = run("train", *rest, "style=ink", "resume=true").error
    assert "style=ink is not a style of this network; its styles are starry, mosaic" in error


def test_a_style_is_chosen_by_name_and_mixtures_lie_between(stylize, checkpoint):
    starry, mosaic = stylize("style=starry"), stylize("style=mosaic")
    assert np.abs(starry - mosaic).mean() > 5
    assert np.array_equal(stylize(), starry)
    assert np.array_equal(stylize("style=mosaic:0.3"), mosaic)
    mixed = stylize("style=starry:0.6,mosaic:0.4")
    assert np.array_equal(stylize("style='starry:6,mosaic:4'"), mixed)
    assert min(np.abs(mixed - starry).mean(), np.abs(mixed - mosaic).mean()) > 1
    stylizer = Stylizer.load(checkpoint, style="starry:0.6,mosaic:0.4")
    assert stylizer.info.style == "starry+mosaic"
    assert Stylizer.load(checkpoint).info.style == "starry"


def test_tiling_works_in_any_style(checkpoint, tmp_path):
    stylizer = Stylizer.load(checkpoint, style="mosaic", precision="float32", device="cpu")
    photo = Image.open(blotches(tmp_path / "large.png", 300, 280))
    untiled, tiled = (np.asarray(stylizer(photo, tile=tile), int) for tile in ("none", 256))
    assert np.abs(untiled - tiled).max() <= 1


@pytest.mark.parametrize("name", ["morph.mp4", "morph.ogv"])
def test_a_video_interpolates_between_styles(stylize, name):
    av = pytest.importorskip("av")
    options = ["interpolate=[starry,mosaic]", "frames=5", "fps=8"]
    with av.open(str(stylize(*options, output=name))) as video:
        decoded = list(video.decode(video=0))
    frames = [frame.to_ndarray(format="rgb24").astype(float) for frame in decoded]
    assert [frame.time for frame in decoded] == [i / 8 for i in range(5)]
    assert (len(frames), frames[0].shape) == (5, (44, 61, 3))
    ends = stylize("style=starry"), stylize("style=mosaic")
    away = [[np.abs(frame - end).mean() for frame in frames] for end in ends]
    assert away[0][0] == min(away[0])
    assert away[1][-1] == min(away[1])
    # Out of 255: the coding error of blotches, largest where chroma has half the resolution.
    assert away[0][0] < 12 > away[1][-1]


@pytest.mark.xdist_group("export")
@pytest.mark.slow
def test_a_mixture_is_exported(run, checkpoint, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    out = tmp_path / "mix.onnx"
    overrides = [f"checkpoint={checkpoint}", "size=[24,20]", f"output={out}"]
    result = run("export", *overrides, "style=starry:0.5,mosaic:0.5")
    assert result.status == 0, result.err
    images = torch.rand(1, 3, 24, 20)
    expected = load_checkpoint(checkpoint)[0].select({"starry": 1, "mosaic": 1})(images)
    (found,) = onnxruntime.InferenceSession(out).run(None, {"image": images.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=0, atol=1e-4)
    assert "starry, mosaic" in run("export", *overrides, "style=ink").error


def test_only_networks_of_one_style_are_pretrained(run, checkpoint):
    assert "holds several styles" in run("add_pretrained", f"checkpoint={checkpoint}").error


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["style=ink"], "style=ink is not a style of this network; its styles are starry, mosaic"),
        (["style=starry:0.5,ink:0.5"], "its styles are starry, mosaic"),
        (["style=starry:-1,mosaic:2"], "style=starry=-1.0 is not a number above 0"),
        (["style=starry:0,mosaic:1"], "is not a number above 0"),
        (["style=starry:much"], "style=starry:much is not a number above 0"),
        (["style=starry:1,starry:2"], "names starry twice"),
        (["style=starry,"], "lacks a name"),
        (["interpolate=[starry,ink]"], "its styles are starry, mosaic"),
        (["interpolate=[starry]"], "is not a list of two or more styles"),
        (["interpolate=starry"], "is not a list of two or more styles"),
        (["interpolate=[starry,mosaic]", "frames=1"], "frames=1"),
        (["interpolate=[starry,mosaic]", "fps=0"], "fps=0"),
        (["interpolate=[starry,mosaic]", "style=starry"], "leave style out"),
        (["interpolate=[starry,mosaic]"], "leave interpolate out for an image"),
        (["interpolate=[starry,mosaic]", "input={folder}"], "of one image"),
    ],
    ids=lambda overrides: " ".join(overrides) if isinstance(overrides, list) else "",
)
def test_a_wrong_option_for_stylizing_ends_in_one_line(
    run, checkpoint, tmp_path, overrides, message
):
    photo, out = blotches(tmp_path / "in" / "photo.png"), tmp_path / "out.png"
    good = [f"input={photo}", f"checkpoint={checkpoint}", f"output={out}"]
    overrides = [option.replace("{folder}", str(photo.parent)) for option in overrides]
    assert message in run("infer", *good, *overrides).error
    assert not out.exists()


def test_a_network_of_one_style_refuses_another_style(run, tmp_path):
    path, photo = tmp_path / "waves.safetensors", blotches(tmp_path / "photo.png")
    save_checkpoint(path, build_network("johnson", width=2, blocks=1), CheckpointInfo("waves", 1))
    overrides = [f"input={photo}", f"checkpoint={path}", f"output={tmp_path / 'out.png'}"]
    assert "holds one style, waves, and not ink" in run("infer", *overrides, "style=ink").error
    assert "holds one style, waves. Give" in run("infer", *overrides, "interpolate=[a,b]").error
    assert run("infer", *overrides, "style=waves").status == 0
    with pytest.raises(StyleNetError, match="holds one style, waves"):
        Stylizer.load(path, style="ink")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["network=johnson"], "choose network=johnson_multi"),
        (["styles=null"], "styles=None is not a list"),
        (["styles=[]"], "styles=[] is not a list"),
        (["styles=starry"], "styles=starry is not a list"),
        (["styles=[ink,ink]"], "names ink twice"),
        (["styles=[stary]"], "starry"),
        (["style.name=same"], "style.name=same would apply to each of"),
        (["style.layers=[relu9_9]"], "relu1_1"),
        (["add_to=nowhere"], "add_to=nowhere: "),
        (["add_to={multi}"], "names starry twice"),
        (["add_to={multi}", "styles=[ink]", "network.width=3"], "add network.width=2"),
        (["add_to={multi}", "styles=[ink]", "init={multi}"], "leave one of them out"),
        (
            ["add_to=starry", "styles=[ink]"],
            "a johnson network, to which no styles can be added",
        ),
        (["network=johnson", "styles=null", "add_to={multi}"], "add_to needs"),
        (["teacher_network={multi}"], "teacher_network teaches one style"),
    ],
    ids=lambda overrides: " ".join(overrides) if isinstance(overrides, list) else "",
)
def test_a_wrong_option_for_training_ends_in_one_line(
    run, two_styles, checkpoint, tmp_path, overrides, message
):
    # Overrides replace the options with the same key.
    overrides = [option.replace("{multi}", str(checkpoint)) for option in overrides]
    keys = {option.split("=")[0] for option in overrides}
    kept = [option for option in two_styles if option.split("=")[0] not in keys]
    assert message in run("train", *kept, *overrides).error
    assert not (tmp_path / "run").exists()


def test_the_run_directory_is_named_after_all_styles(run):
    shown = run("train", "network=johnson_multi", "styles=[starry,mosaic]", "--cfg", "job")
    assert shown.status == 0, shown.err
    shown = run(
        "train", "network=johnson_multi", "styles=[starry,mosaic]", "--cfg", "job", "--resolve"
    )
    assert yaml.safe_load(shown.out)["run_dir"] == "runs/starry+mosaic"
