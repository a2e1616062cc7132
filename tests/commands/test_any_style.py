"""Any image as a style: the bundled network, its training, and how it is bundled."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import stylenet
from stylenet import pretrained
from stylenet.checkpoint import finding, load_checkpoint, save_checkpoint
from stylenet.checkpoint import style as checkpoint_style
from stylenet.cli import add_pretrained
from stylenet.cli import main as front_door

from .conftest import blotches

SMALL = [
    *("network=any_style", "network.width=4", "network.deep_width=4"),
    *("network.deep_blocks=1", "network.hidden=8"),
]


@pytest.fixture
def paintings(tmp_path):
    for i in range(3):
        blotches(tmp_path / "paintings" / f"{i}.jpg", 48, 40, seed=20 + i)
    return tmp_path / "paintings"


@pytest.fixture
def options(photos, paintings, tmp_path):
    """Overrides for a training run of seconds."""
    return [
        *("experiment=any_style", "data=folder", f"data.root={photos}", f"data.styles={paintings}"),
        *("data.crop_size=24", "data.min_size=8", "data.batch_size=2", "data.workers=0", *SMALL),
        *("callbacks.previews.size=24", "callbacks.checkpoints.every_n_steps=2"),
        *("trainer.accelerator=cpu", "trainer.max_steps=3", f"run_dir={tmp_path / 'run'}"),
    ]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Change to a directory with a photo and two style images."""
    monkeypatch.chdir(tmp_path)
    blotches(tmp_path / "photo.jpg", 61, 44)
    blotches(tmp_path / "first.jpg", 64, 48, seed=4)
    dark = blotches(tmp_path / "second.jpg", 40, 56, seed=5)
    Image.open(dark).point(lambda value: value // 4).save(dark)
    return tmp_path


@pytest.fixture
def stylize(run, here):
    def call(*options, output="out.png"):
        result = run("infer", "input=photo.jpg", f"output={output}", *options)
        assert result.status == 0, result.err
        return np.asarray(Image.open(here / output), float) if output.endswith("png") else None

    return call


def test_a_style_image_is_enough(stylize):
    first, second = stylize("style=first.jpg"), stylize("style=second.jpg")
    assert first.shape == (44, 61, 3)
    assert np.abs(first - second).mean() > 5
    mixed = stylize("style='first.jpg:0.6,second.jpg:0.4'", "strength=0.8")
    alone = stylize("style=first.jpg", "strength=0.8")
    assert np.abs(mixed - alone).mean() > 1
    colors = stylize("style=second.jpg", "preserve_color=true")
    assert np.abs(colors - second).mean() > 1
    assert np.abs(stylize("style=first.jpg", "style_size=128") - first).mean() > 0.1
    named = stylize("style=first.jpg", "checkpoint=any_style")
    assert np.array_equal(named, first)


def test_the_result_is_named_after_the_style_image(run, here):
    assert run("infer", "input=photo.jpg", "style=first.jpg").status == 0
    assert (here / "photo_first.jpg").is_file()


def test_python_takes_a_style_image(here):
    photo = Image.open("photo.jpg")
    stylizer = stylenet.load(style="first.jpg", device="cpu", precision="float32")
    expected = np.asarray(stylizer(photo), int)
    named = stylenet.load("any_style", style="first.jpg", device="cpu", precision="float32")
    assert np.array_equal(np.asarray(named(photo)), expected)
    assert np.abs(np.asarray(stylizer(photo, tile=256), int) - expected).max() <= 1
    assert stylenet.load(style="starry", device="cpu", precision="float32").info.style == "starry"
    with pytest.raises(stylenet.StyleNetError, match="No style given"):
        stylenet.load()


def test_a_large_photo_in_tiles_equals_the_whole(here):
    stylizer = stylenet.load(style="first.jpg", device="cpu", precision="float32")
    photo = Image.open(blotches(here / "large.png", 600, 280))
    whole = np.asarray(stylizer(photo, tile="none"), int)
    assert np.abs(np.asarray(stylizer(photo, tile=256), int) - whole).max() <= 1


def test_a_video_and_a_folder_take_a_style_image(run, here):
    av = pytest.importorskip("av")
    from stylenet.video.new_video import new_video

    with new_video(here / "clip.mp4", 8, "test") as video:
        for seed in range(3):
            frame = Image.open(blotches(here / "frame.png", 64, 48, seed=seed)).convert("RGB")
            video.write(np.asarray(frame))
    result = run("infer", "input=clip.mp4", "style=first.jpg", "output=out.mp4")
    assert result.status == 0, result.err
    with av.open("out.mp4") as video:
        assert sum(1 for _ in video.decode(video=0)) == 3
    blotches(here / "in" / "a.png")
    result = run("infer", "input=in", "style='first.jpg,second.jpg'")
    assert (here / "in_first+second" / "a.png").is_file(), result.err


def test_a_video_interpolates_between_style_images(run, here):
    pytest.importorskip("av")
    given = ["input=photo.jpg", "checkpoint=any_style", "interpolate=[first.jpg,second.jpg]"]
    result = run("infer", *given, "frames=3", "output=morph.mp4")
    assert result.status == 0, result.err
    assert (here / "morph.mp4").stat().st_size > 0


def test_the_report_has_the_ratio_to_a_network_trained_for_the_style(run, here, photos):
    given = ["checkpoints=[any_style,starry]", "photos=photos", "output=report", "encoder=lite"]
    given += ["size=32", "device=cpu", "precision=float32", "repeats=1", "limit=2", "style=starry"]
    given += ["style.size=64"]
    result = run("evaluate", *given, "reference=starry")
    assert result.status == 0, result.err
    assert "total ratio" in result.out
    rows = json.loads((here / "report" / "report.json").read_text())["means"]
    ours, reference = (row["means"] for row in rows)
    assert reference["total_ratio"] == reference["style_ratio"] == 1
    for name in ("total", "style"):
        assert ours[f"{name}_ratio"] == pytest.approx(ours[name] / reference[name])
    assert "is none of the checkpoints" in run("evaluate", *given, "reference=mosaic").error


@pytest.mark.slow
@pytest.mark.xdist_group("export")
def test_a_style_is_exported(run, here):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    result = run("export", "checkpoint=any_style", "style=first.jpg", "output=first.onnx")
    assert result.status == 0, result.err
    image = torch.rand(1, 3, 40, 56)
    network = stylenet.load(style="first.jpg", device="cpu", precision="float32").network
    (exported,) = onnxruntime.InferenceSession("first.onnx").run(None, {"image": image.numpy()})
    with torch.inference_mode():
        expected = network(image.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(torch.from_numpy(exported), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: Image.new("RGB", (300, 200), "teal").save(path),
        lambda path: Image.new("RGB", (1, 1), "red").save(path),
        lambda path: blotches(path, 20_000, 40),
        lambda path: Image.new("RGBA", (80, 60), (255, 0, 0, 100)).save(path),
        lambda path: Image.new("L", (64, 64), 90).save(path),
    ],
    ids=["one color", "one pixel", "20,000 wide", "alpha", "gray"],
)
def test_an_unusual_style_image_gives_an_image(stylize, here, make):
    make(here / "style.png")
    assert stylize("style=style.png").shape == (44, 61, 3)


@pytest.mark.parametrize(
    ("style", "message"),
    [
        ("nowhere.jpg", "style=nowhere.jpg is neither a pretrained style nor an image file"),
        ("graet_wave", "did you mean great_wave"),
        ("starry:0.5,mosaic:0.5", "neither a pretrained style nor an image file"),
        (f"{'x' * 300}.jpg", "neither a pretrained style nor an image file"),
        ("folder", "folder is a folder, not an image file"),
        ("first.jpg,nowhere.jpg", "nowhere.jpg is not an image file"),
        ("first.jpg:much", "much is not a number above 0"),
        ("notes.txt", "notes.txt"),
    ],
    ids=lambda value: value[:20],
)
def test_a_wrong_style_ends_in_one_line(run, here, style, message):
    (here / "folder").mkdir()
    (here / "notes.txt").write_text("no image")
    error = run("infer", "input=photo.jpg", f"style='{style}'", "output=out.png").error
    assert message in error
    assert "checkpoint=/" not in error  # the user named none
    assert not (here / "out.png").exists()


def test_the_list_of_styles_ends_with_any_image(call_stylenet):
    lines = call_stylenet("styles").out.splitlines()
    assert lines[-1].startswith("IMAGE.jpg")


def test_a_run_is_resumed_exactly_and_its_network_is_bundled(
    run, options, here, monkeypatch, tmp_path
):
    result = run("train", *options)
    assert result.status == 0, result.err
    assert "training any_style on 4 photos" in result.out
    assert "style=painting.jpg" in result.out
    more = [*options, "trainer.max_steps=5"]
    assert run("train", *more, "resume=true").status == 0
    assert run("train", *more, f"run_dir={tmp_path / 'uninterrupted'}").status == 0
    resumed, uninterrupted = (
        load_checkpoint(tmp_path / name)[0].state_dict() for name in ("run", "uninterrupted")
    )
    assert all(torch.equal(value, resumed[name]) for name, value in uninterrupted.items())

    bundled = tmp_path / "assets" / "any_style.safetensors"
    for module in (pretrained, finding, checkpoint_style, front_door, add_pretrained):
        monkeypatch.setattr(module, "ANY_STYLE", bundled)
    given = [f"checkpoint={tmp_path / 'run'}", "held_out=photos", "held_out_name=blotches"]
    given += ["description='Any image'", "source=mine", "trained_on=blotches", "command=x"]
    assert "held_out_styles=FOLDER" in run("add_pretrained", *given, "size=32").error
    result = run("add_pretrained", *given, "held_out_styles=paintings", "size=32")
    assert result.status == 0, result.err
    card = bundled.with_suffix(".md").read_text()
    assert "Mean losses on 3 pairs of held-out photos and style images" in card
    assert "style=painting.jpg" in card
    assert str(tmp_path) not in card
    assert run("infer", "input=photo.jpg", "style=first.jpg", "output=out.png").status == 0
    assert "Any image" in run("infer", "list=true").out.splitlines()[-1]

    # Half precision changes the scale of the encoder, which is no reason to refuse the start.
    begun = run("train", *options, "init=any_style", f"run_dir={tmp_path / 'begun'}")
    assert begun.status == 0, begun.err


def test_permuted_colors_are_a_choice(run, options):
    error = run("train", *options, "training_method.permute_colors=some").error
    assert "training_method.permute_colors=some is neither true nor false" in error


def test_a_network_begins_with_a_pretrained_compact_one(run, options, here):
    grown = [option for option in options if not option.startswith("network.")]
    error = run("train", *options, "init=starry_night_compact").error
    assert "init=starry_night_compact: it is a compact network" in error
    result = run("train", *grown, "trainer.max_steps=1", "init=starry_night_compact")
    assert result.status == 0, result.err


def test_a_damaged_bundled_network_is_named(run, here, monkeypatch, tmp_path):
    network, info = load_checkpoint("starry")
    save_checkpoint(tmp_path / "other.safetensors", network, info)
    monkeypatch.setattr(finding, "ANY_STYLE", tmp_path / "missing.safetensors")
    error = run("infer", "input=photo.jpg", "style=first.jpg", "output=out.png").error
    assert "missing.safetensors: no such file" in error


def test_a_modulated_decoder_starts_from_the_bundled_network(run, options, stylize, tmp_path):
    rest = [option for option in options if option not in SMALL]
    modulated = [*rest, "init=any_style"]
    random_loss = ["encoder=vgg19", "encoder.weights=random", "encoder.allow_random=true"]
    result = run("train", *modulated, *random_loss)
    assert result.status == 0, result.err
    bundled = stylize("style=first.jpg")
    trained = stylize("style=first.jpg", f"checkpoint={tmp_path / 'run'}")
    # Three steps change little, but something.
    assert 0 < np.abs(trained - bundled).mean() < 20
    other = ["network.encoder=vgg16", "network.layer=relu3_1", f"run_dir={tmp_path / 'other'}"]
    error = run("train", *modulated, *other).error
    assert "network.encoder=vgg16, but encoder=lite" in error
