import numpy as np
import pytest
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from .conftest import ROOT, blotches

QUICK = ["steps=2", "octaves=2", "device=cpu"]
Video = ["zoom_frames=4", *QUICK]


@pytest.fixture
def photo(tmp_path):
    return blotches(tmp_path / "photo.jpg", 80, 64)


def read(path):
    return np.asarray(Image.open(path).convert("RGB"), float)


def frames_of(path):
    av = pytest.importorskip("av")
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format="rgb24").astype(float) for frame in video.decode(video=0)]


@pytest.mark.slow
def test_the_documented_command_dreams(script, photo, tmp_path):
    arguments = ["input=photo.jpg", "encoder=lite", "output=dream.png"]
    result = script("dream", *arguments, cwd=tmp_path)
    assert result.status == 0, result.err
    assert result.out == "dream.png\n"
    assert "30/30" in result.err  # the progress bar: three octaves of at least 32 pixels
    dreamt, before = read(tmp_path / "dream.png"), read(photo)
    assert dreamt.shape == before.shape
    assert 10 < np.abs(dreamt - before).mean() < 80


def test_the_default_output_is_named_after_the_photo(run, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("dream", f"input={photo}", *QUICK).out == "photo_dream.png\n"
    (tmp_path / "folder").mkdir()
    assert run("dream", f"input={photo}", "output=folder", *Video).status == 0
    assert (tmp_path / "folder" / "photo_dream.mp4").is_file()


def test_orientation_and_transparency_are_kept(run, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(blotches(tmp_path / "b.png", 80, 48)).save(tmp_path / "phone.jpg", exif=exif)
    assert (
        run("dream", f"input={tmp_path}/phone.jpg", f"output={tmp_path}/p.jpg", *QUICK).status == 0
    )
    with Image.open(tmp_path / "p.jpg") as upright:
        assert upright.size == (48, 80)
        assert upright.getexif().get(0x0112, 1) == 1

    image = Image.open(tmp_path / "b.png")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(tmp_path / "clear.png")
    arguments = [f"input={tmp_path}/clear.png", f"output={tmp_path}/c.png"]
    assert run("dream", *arguments, *QUICK).status == 0
    assert Image.open(tmp_path / "c.png").getchannel("A") == image.getchannel("A")
    assert run("dream", *arguments, "size=64", *QUICK).status == 0
    with Image.open(tmp_path / "c.png") as small:
        assert (small.mode, small.size) == ("RGBA", (64, 38))


# A value other than the default for each option that changes an image.
IMAGE_OPTIONS = {
    "size": "size=60",
    "layers": "layers=[relu2_2,relu4_1]",
    "channels": "channels=[3,17]",
    "guide": "guide={guide}",
    "steps": "steps=3",
    "step_size": "step_size=0.02",
    "octaves": "octaves=1",
    "octave_scale": "octave_scale=1.2",
    "jitter": "jitter=0",
    "bands": "bands=0",
    "smoothing": "smoothing=1.5",
    "tile": "tile=64",
    "seed": "seed=1",
}


@pytest.fixture
def dream(run, photo, tmp_path):
    def dream(*arguments, name="out.png"):
        result = run("dream", f"input={photo}", f"output={tmp_path / name}", *QUICK, *arguments)
        assert result.status == 0, result.err
        return tmp_path / name

    return dream


@pytest.mark.parametrize("option", IMAGE_OPTIONS.values(), ids=IMAGE_OPTIONS.keys())
def test_each_option_changes_the_image(dream, tmp_path, option):
    guide = blotches(tmp_path / "guide.png", 200, 150, seed=3)
    plain = read(dream())
    changed = read(dream(option.format(guide=guide)))
    assert changed.shape != plain.shape or np.abs(changed - plain).mean() > 0.1
    assert np.array_equal(read(dream()), plain)  # the same seed gives the same image


def test_guide_size_and_quality_change_the_result(dream, tmp_path):
    guide = f"guide={blotches(tmp_path / 'guide.png', 200, 150, seed=3)}"
    large, small = (read(dream(guide, f"guide_size={size}")) for size in (150, 48))
    assert np.abs(large - small).mean() > 0.1
    fine, coarse = (dream(f"quality={q}", name=f"{q}.jpg").stat().st_size for q in (95, 20))
    assert fine > 2 * coarse


@pytest.mark.parametrize(("width", "height"), [(80, 64), (81, 63)])
def test_a_video_has_the_requested_frames_and_size(run, tmp_path, width, height):
    av = pytest.importorskip("av")
    photo = blotches(tmp_path / "photo.png", width, height)
    target = tmp_path / "dream.mp4"
    result = run("dream", f"input={photo}", f"output={target}", "fps=10", "zoom=1.1", *Video)
    assert result.status == 0, result.err
    with av.open(str(target)) as video:
        assert video.streams.video[0].average_rate == 10
    frames = frames_of(target)
    assert [frame.shape for frame in frames] == [(height, width, 3)] * 4
    # The first frame equals the dreamed image, apart from coding errors.
    assert run("dream", f"input={photo}", f"output={tmp_path}/still.png", *QUICK).status == 0
    assert np.abs(frames[0] - read(tmp_path / "still.png")).mean() < 12


def test_zoom_and_steps_change_a_video(run, photo, tmp_path):
    def video(*arguments):
        target = tmp_path / "dream.mkv"
        assert run("dream", f"input={photo}", f"output={target}", *Video, *arguments).status == 0
        return frames_of(target)

    plain = video()
    for option in ("zoom=1.3", "zoom_steps=4"):
        changed = video(option)
        assert np.abs(changed[0] - plain[0]).mean() < 5
        assert np.abs(changed[3] - plain[3]).mean() > 5


def test_every_option_is_tested_here():
    keys = yaml.safe_load((ROOT / "configs" / "dream.yaml").read_text()).keys()
    others = {"input", "output", "guide_size", "quality", "device"}
    video = {"zoom_frames", "zoom", "zoom_steps", "fps"}
    assert keys - {"defaults", "hydra"} == others | video | IMAGE_OPTIONS.keys()


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("input=nowhere.jpg", "nowhere.jpg: no such file"),
        ("input={text}", "is not an image"),
        ("input={dot}", "dot.png: an image of 1x1 pixels is too small to dream on"),
        ("size=20", "an image of 20x16 pixels is too small"),
        ("size=big", "size=big is not a whole number"),
        ("layers=[relu9_9]", "has no layer relu9_9; it has relu1_2, relu2_2"),
        ("layers=relu3_4", "layers=relu3_4 is not a list of layers"),
        ("channels=[256]", "relu3_4 of lite has no channel 256; its channels are 0 to 255"),
        ("channels=[-1]", "channels=[-1] is not a list of channels"),
        ("guide=nowhere.jpg", "nowhere.jpg: no such file"),
        ("guide={dot} guide_size=8", "dot.png: an image of 8x8 pixels is too small"),
        ("encoder.weights=nowhere", "nowhere is not a file"),
        ("output={photo}", "is the input itself"),
        ("output={folder}/dream.xyz", "its suffix is none of"),
        ("output={folder}/dream.mp4", "its suffix is none of"),
        ("zoom_frames=2 output={folder}/dream.gif", "dream.gif would not be a video"),
        ("zoom_frames=2 output={folder}/dream.png", "dream.png would not be a video"),
        ("zoom_frames=2 output={folder}/dream", "expected .mp4, .mkv or .mov"),
        ("zoom_frames=0", "zoom_frames=0 is not a whole number of at least 1"),
        ("zoom_frames=2 zoom=0.9", "zoom=0.9 is not a number of at least 1"),
        ("zoom_frames=2 zoom_steps=0", "zoom_steps=0"),
        ("zoom_frames=2 fps=0", "fps=0"),
        ("steps=0", "steps=0 is not a whole number"),
        ("octave_scale=1", "octave_scale=1 is not a number above 1"),
        ("seed=-1", "seed=-1"),
        ("seed=99999999999999999999", "at most 9,223,372,036,854,775,807"),
        ("quality=0", "quality=0"),
        ("output={folder}/a.webp quality=101", "quality=101 is not a whole number of at least 1"),
        ("output={text}/dream.png", "cannot write output="),
        ("guide={dot} guide_size=20", "enlarge it to a longest side of 32 by guide_size"),
        ("device=gpu", "device=gpu is not available"),
        ("step=3", "unknown option step"),
    ],
)
def test_a_mistake_ends_in_one_line_and_leaves_no_files(run, photo, tmp_path, mistake, message):
    text, dot, folder = tmp_path / "text.jpg", tmp_path / "dot.png", tmp_path / "results"
    text.write_text("no image")
    Image.new("RGB", (1, 1)).save(dot)
    names = {"text": text, "dot": dot, "photo": photo, "folder": folder}
    before = sorted(tmp_path.rglob("*.*"))
    given = [f"input={photo}", f"output={folder}/dream.png", *QUICK]
    if "zoom_frames" in mistake:
        given[1] = f"output={folder}/dream.mp4"
    assert message in run("dream", *given, *mistake.format(**names).split()).error
    assert sorted(tmp_path.rglob("*.*")) == before


@pytest.mark.parametrize("loss", ["relative", "johnson2016"])
def test_a_network_is_trained_to_dream(run, tmp_path, loss):
    result = run(
        "train",
        *("style=starry", "experiment=quickstart", f"loss={loss}", f"run_dir={tmp_path}/run"),
        *("data.crop_size=32", "data.batch_size=1", "data.workers=0", "network.width=2"),
        *("callbacks.previews.size=32", "trainer.accelerator=cpu", "trainer.max_steps=2"),
        *("loss.dream.weight=2", "loss.dream.layers=[relu3_4,relu4_1]", "loss.dream.channels=[5]"),
        "trainer.log_every_n_steps=1",
    )
    assert result.status == 0, result.err
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    dream, *layers = (
        [event.value for event in events.Scalars(name)]
        for name in ("loss/dream", "loss/dream/relu3_4", "loss/dream/relu4_1")
    )
    assert dream
    assert max(dream) < 0
    np.testing.assert_allclose(dream, np.mean(layers, axis=0), rtol=1e-5)


def test_training_refuses_dream_layers_that_do_not_exist(run, tmp_path):
    arguments = ["style=starry", "experiment=quickstart", f"run_dir={tmp_path}/run"]
    for mistake, message in [
        ("loss.dream.layers=[relu5_1]", "loss.dream.layers: lite "),
        ("loss.dream.channels=[999]", "relu3_4 of lite has no channel 999"),
        ("loss.dream.weight=-1", "loss.dream.weight=-1 is not a number of at least 0"),
    ]:
        assert message in run("train", *arguments, "loss.dream.weight=1", mistake).error
