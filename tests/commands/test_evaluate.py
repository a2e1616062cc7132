import json

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from stylenet.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from stylenet.cli import evaluate as evaluate_module
from stylenet.data import StyleOptions, load_style_images
from stylenet.evaluation import GridMeter, StrokeMeter, load_square, measure_defects
from stylenet.image import to_tensor
from stylenet.networks import build_network
from stylenet.perceptual import (
    ContentLoss,
    LiteEncoder,
    PerceptualLoss,
    StyleLoss,
    TotalVariationLoss,
)

from .conftest import blotches

SIZE = 32
QUICK = ["encoder=lite", f"size={SIZE}", "device=cpu", "precision=float32", "repeats=2"]
FILES = ["contact_sheet.jpg", "report.json"]


@pytest.fixture
def checkpoint(tmp_path):
    """Save an untrained network in a run directory."""

    def checkpoint(name, width=2, recipe=True, **style):
        torch.manual_seed(width)
        network = build_network("johnson", width=width, blocks=1)
        painting = blotches(tmp_path / "painting.png", 48, 40, seed=9)
        style_options = {"name": name, "image": str(painting), "size": 32, "weight": 1.0, **style}
        info = CheckpointInfo(name, 3, {"style": style_options} if recipe else {})
        save_checkpoint(tmp_path / "runs" / name / f"{name}.safetensors", network, info)
        return tmp_path / "runs" / name

    return checkpoint


@pytest.fixture
def evaluate(run, tmp_path, photos, monkeypatch):
    """Run the command in a directory with photos; later arguments replace earlier ones."""
    monkeypatch.chdir(tmp_path)

    def evaluate(*arguments):
        given = dict(argument.split("=", 1) for argument in [*QUICK, *arguments])
        words = {"photos": "photos/", "output": "report/"} | given
        return run("evaluate", *(f"{key}={value}" for key, value in words.items()))

    return evaluate


@pytest.fixture
def report(evaluate, tmp_path):
    def report(*arguments, status=0, files=FILES):
        result = evaluate(*arguments)
        assert result.status == status, result.err
        assert sorted(entry.name for entry in (tmp_path / "report").iterdir()) == files
        return json.loads((tmp_path / "report" / "report.json").read_text()), result

    return report


def test_losses_equal_those_of_training(report, checkpoint, tmp_path):
    contents, result = report(f"checkpoints=[{checkpoint('mine', weight=2.0)}]")
    network, info = load_checkpoint(tmp_path / "runs" / "mine")
    layers = ["relu1_2", "relu2_2", "relu3_2", "relu3_4"]
    style = StyleOptions(**info.recipe["style"])
    criterion = PerceptualLoss(
        LiteEncoder(),
        {
            "content": ContentLoss(["relu2_2"]),
            "style": StyleLoss(layers, weight=15.0),
            "tv": TotalVariationLoss(weight=5.0),
        },
        load_style_images(style),
        2.0,
    )
    assert [row["photo"] for row in contents["rows"]] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    totals = []
    for row in contents["rows"]:
        photo = to_tensor(load_square(tmp_path / "photos" / row["photo"], SIZE))
        with torch.inference_mode():
            losses = criterion(network(photo), photo)
        for name, value in losses.items():
            assert row[name] == pytest.approx(value.item(), rel=1e-3), name
        totals.append(row["total"])
        assert -1 <= row["ssim"] <= 1
        assert row["ms_ssim"] is None
    (means,) = contents["means"]
    assert means["means"]["total"] == pytest.approx(np.mean(totals))
    assert f"{means['means']['total']:.4f}" in result.out
    assert means["parameters"] == sum(p.numel() for p in network.parameters())
    assert means["images_per_second"] > 0
    assert means["style_images"] == [str(tmp_path / "painting.png")]
    assert contents["options"]["encoder"]["_target_"].endswith("LiteEncoder")
    assert contents["iterations"] == []


def test_grids_halos_and_strokes_are_measured_on_the_stylized_charts_and_photos(
    report, checkpoint, tmp_path
):
    contents, result = report(f"checkpoints=[{checkpoint('mine')}]", "size=64")
    network, _ = load_checkpoint(tmp_path / "runs" / "mine")
    meter, strokes = GridMeter(), StrokeMeter()
    with torch.inference_mode():
        for path in sorted((tmp_path / "photos").iterdir()):
            photo = to_tensor(load_square(path, 64))
            stylized = network(photo)
            meter.add(stylized)
            strokes.add(stylized, photo)
        expected = measure_defects(network, torch.device("cpu"), meter)
    means = contents["means"][0]["means"]
    assert {name: means[name] for name in expected} == pytest.approx(expected, rel=1e-3)
    assert means["grid/photos"] > 0
    head, line = result.out.splitlines()[:2]
    assert [*expected] == [name for name in head.split() if name.startswith(("grid", "halo"))]
    assert f"{means['grid']:.2f}" in line
    assert means["wavelength"] == pytest.approx(strokes.wavelength())
    assert f"{means['wavelength']:.1f}" == line.split()[head.split().index("wavelength")]


def test_iterations_of_optimization_are_reported(report, checkpoint, tmp_path):
    """Run the README's command with two checkpoints of one style and one of another."""
    runs = [checkpoint("multi"), checkpoint("other", 3), checkpoint("finer", 4, size=24)]
    contents, result = report(
        f"checkpoints=[{','.join(str(path) for path in runs)}]",
        "iterations=2",
        "iteration_photos=2",
        files=["contact_sheet.jpg", "iterations.png", "report.json"],
    )
    first, second = contents["iterations"]
    assert sorted(first["objectives"]) == ["multi", "other"]
    assert sorted(second["objectives"]) == ["finer"]
    assert first["photos"] == ["0.jpg", "1.jpg"]
    own = [row["total"] for row in contents["rows"] if row["checkpoint"] == "multi"]
    assert first["objectives"]["multi"] == pytest.approx(np.mean(own[:2]))
    for start in ("noise", "photo"):
        values = first["curves"][start]["values"]
        assert len(values) == 3
        level, crossing = first["objectives"]["multi"], first["crossings"]["multi"][start]
        expected = [i for i, value in enumerate(values) if value <= level]
        assert crossing == (expected[0] if expected else None)
    assert "one pass of multi equals" in result.out
    with Image.open(tmp_path / "report" / "iterations.png") as plot:
        assert plot.format == "PNG"
    with Image.open(tmp_path / "report" / "contact_sheet.jpg") as sheet:
        assert sheet.size == (4 * (SIZE + 6) - 6, 4 * (SIZE + 6) - 6 + 28)


def test_an_interruption_keeps_the_finished_results(evaluate, checkpoint, tmp_path, monkeypatch):
    """Interrupt the image optimization, which takes hours where the rest takes minutes."""
    compare = evaluate_module.compare_with_optimization

    def interrupted(style, photos, criterion, objectives, *rest):
        if "other" in objectives:
            raise KeyboardInterrupt
        return compare(style, photos, criterion, objectives, *rest)

    monkeypatch.setattr(evaluate_module, "compare_with_optimization", interrupted)
    runs = [checkpoint("first"), checkpoint("other", 3, size=24)]
    given = f"checkpoints=[{','.join(str(path) for path in runs)}]"
    assert evaluate(given, "iterations=1", "iteration_photos=1").status == 130
    contents = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [mean["checkpoint"] for mean in contents["means"]] == ["first", "other"]
    assert [list(study["objectives"]) for study in contents["iterations"]] == [["first"]]
    assert (tmp_path / "report" / "contact_sheet.jpg").is_file()


def test_one_style_option_replaces_the_styles_of_all_checkpoints(report, checkpoint):
    runs = f"checkpoints=[{checkpoint('a', recipe=False)},{checkpoint('b', size=24)}]"
    style = ["style=custom", "style.image=painting.png", "style.size=32"]
    contents, _ = report(runs, *style, "limit=1")
    assert {tuple(row["style_images"]) for row in contents["means"]} == {("painting.png",)}
    assert [row["photo"] for row in contents["rows"]] == ["0.jpg", "0.jpg"]


def test_a_network_of_several_styles_has_a_column_for_each(report, tmp_path):
    network = build_network("johnson_multi", width=2, blocks=1, styles=["starry", "mosaic"])
    recipe = {"style": {"name": "starry", "image": "starry.jpg", "size": 32}}
    info = CheckpointInfo("starry+mosaic", 3, recipe)
    save_checkpoint(tmp_path / "runs" / "multi" / "m.safetensors", network, info)
    contents, _ = report("checkpoints=[runs/multi]", "limit=1")
    images = {row["checkpoint"]: row["style_images"] for row in contents["means"]}
    assert list(images) == ["multi:starry", "multi:mosaic"]
    assert [path.endswith("mosaic.jpg") for (path,) in images.values()] == [False, True]


def test_a_pretrained_network_is_evaluated(report, photos):
    contents, _ = report("checkpoints=starry", f"photos={photos / '0.jpg'}")
    (path,) = contents["means"][0]["style_images"]
    assert path.endswith("starry.jpg")


def test_moved_style_images_are_found(report, checkpoint, tmp_path):
    run = checkpoint("moved", image="/gone/painting.png")
    blotches(tmp_path / "images" / "painting.png", 48, 40, seed=9)
    contents, _ = report(f"checkpoints=[{run}]", "style_folder=images", "limit=1")
    assert contents["means"][0]["style_images"] == ["images/painting.png"]


def test_unusual_photos_are_evaluated(report, checkpoint, photos, tmp_path):
    for path in photos.iterdir():
        path.unlink()
    Image.new("L", (3, 1), 99).save(photos / "tiny.png")
    clear = Image.new("RGBA", (40, 50), (200, 30, 30, 0))
    clear.paste((10, 200, 30, 255), (0, 0, 20, 50))
    clear.save(photos / "clear.png")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    blotches(photos / "plain.png", 60, 30)
    with Image.open(photos / "plain.png") as image:
        image.transpose(Image.Transpose.ROTATE_90).save(photos / "sideways.png", exif=exif)
    contents, _ = report(f"checkpoints=[{checkpoint('mine')}]")
    rows = {row["photo"]: row for row in contents["rows"]}
    assert sorted(rows) == ["clear.png", "plain.png", "sideways.png", "tiny.png"]
    assert rows["sideways.png"]["total"] == pytest.approx(rows["plain.png"]["total"], rel=1e-4)


def test_an_unreadable_photo_does_not_end_the_run(report, checkpoint, photos):
    (photos / "1.jpg").write_text("no photo")
    (photos / "video.mp4").write_text("no video")
    contents, result = report(f"checkpoints=[{checkpoint('mine')}]", status=1)
    assert [row["photo"] for row in contents["rows"]] == ["0.jpg", "2.jpg", "3.jpg"]
    assert len(contents["failures"]) == 2
    assert "2 could not be used" in result.err
    assert "1.jpg" in result.err
    assert "video.mp4" in result.err


def test_flicker_of_videos_is_reported(report, checkpoint, tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "photos" / "video.mp4"
    wide = np.asarray(Image.open(blotches(tmp_path / "wide.png", 96, 48)))
    with av.open(str(path), "w") as video:
        stream = video.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(4):
            pixels = np.ascontiguousarray(wide[:, 2 * i : 2 * i + 64])
            video.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        video.mux(stream.encode(None))
    contents, result = report(f"checkpoints=[{checkpoint('mine')}]", "video_frames=3", "limit=1")
    (means,) = contents["means"]
    errors = means["flicker"]["photos/video.mp4"]
    assert errors["pairs"] == 2
    assert 0 < errors["stylized"] < 1
    assert means["flicker_mean"] == errors["stylized"]
    assert "flicker" in result.out
    # A video given by name counts beside the videos among the photos.
    contents, _ = report(
        f"checkpoints=[{checkpoint('mine')}]", f"video={path}", "photos=photos/0.jpg"
    )
    assert list(contents["means"][0]["flicker"]) == [str(path)]


def test_repeating_the_command_skips_its_earlier_report(report, checkpoint):
    arguments = [f"checkpoints=[{checkpoint('mine')}]", "photos=.", "style_folder=photos"]
    first, _ = report(*arguments)
    again, _ = report(*arguments)
    assert [row["photo"] for row in again["rows"]] == [row["photo"] for row in first["rows"]]
    keys = ("total", "content", "style", "tv", "ssim")
    for one, other in zip(first["rows"], again["rows"], strict=True):
        assert [one[key] for key in keys] == [other[key] for key in keys]


def test_the_numbers_are_written_without_matplotlib(report, checkpoint, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    contents, result = report(f"checkpoints=[{checkpoint('mine')}]", "iterations=1", "limit=1")
    assert "stylenet[benchmark]" in result.out
    assert contents["iterations"][0]["crossings"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["checkpoints=[runs/nowhere]"], "runs/nowhere"),
        (["checkpoints=[]"], "checkpoints=[] is empty"),
        (["checkpoints=[starry,starry]"], "names one twice"),
        (["checkpoints=[runs/plain]"], "plain records no style image"),
        (["checkpoints=[runs/lost]"], "lost: its style image gone.png was not found"),
        (["checkpoints=[runs/nan]"], "nan on photos/0.jpg: the loss total is nan"),
        (["photos=nowhere"], "photos=nowhere: no such file or folder"),
        (["photos=runs"], "No images found in photos=runs. Give a folder"),
        (["photos=broken.jpg"], "no photo can be used"),
        (["video=nowhere.mp4"], "video=nowhere.mp4: no such file"),
        (["style_folder=nowhere"], "style_folder=nowhere: no such folder"),
        (["style=nosuch"], "nosuch"),
        (["style=custom", "style.image=gone.png"], "gone.png"),
        (["encoder=vgg19", "encoder.weights=/nowhere.pth"], "/nowhere.pth"),
        (["loss.style.layers=[relu9_9]"], "relu9_9"),
        (["size=8"], "size=8 is not a whole number of at least 16"),
        (["limit=0"], "limit=0"),
        (["repeats=0"], "repeats=0"),
        (["iterations=-1"], "iterations=-1"),
        (["iteration_photos=0"], "iteration_photos=0"),
        (["video_frames=1"], "video_frames=1"),
        (["sheet_photos=0"], "sheet_photos=0"),
        (["seed=-1"], "seed=-1"),
        (["seed=99999999999999999999"], "at most 9,223,372,036,854,775,807"),
        (["size=70000"], "the contact sheet would have 140,006x"),
        (["device=abacus"], "device=abacus"),
        (["precision=float8"], "precision=float8"),
        (["iteration=3"], "unknown option iteration, did you mean iterations"),
        (["output=broken.jpg"], "cannot write output=broken.jpg"),
        (["output=broken.jpg/report"], "cannot write output=broken.jpg/report"),
    ],
)
def test_a_mistake_ends_in_one_line(evaluate, checkpoint, tmp_path, overrides, message):
    checkpoint("mine")
    checkpoint("plain", recipe=False)
    checkpoint("lost", image="gone.png")
    network = build_network("johnson", width=2, blocks=1)
    for weight in network.parameters():
        weight.data.fill_(torch.nan)
    recipe = {"style": {"image": str(tmp_path / "painting.png"), "size": 32}}
    save_checkpoint(
        tmp_path / "runs/nan/nan.safetensors", network, CheckpointInfo("nan", 1, recipe)
    )
    (tmp_path / "broken.jpg").write_text("no photo")
    before = sorted(tmp_path.rglob("*"))
    assert message in evaluate("checkpoints=[runs/mine]", *overrides).error
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("message", ["DefaultCPUAllocator: can't", "CUDA out of memory"])
def test_running_out_of_memory_ends_in_one_line(
    evaluate, checkpoint, tmp_path, monkeypatch, message
):
    def fail(*_):
        raise RuntimeError(message)

    monkeypatch.setattr("stylenet.cli.evaluate.measure_losses", fail)
    assert "out of memory at size=32" in evaluate(f"checkpoints=[{checkpoint('mine')}]").error
    assert not (tmp_path / "report").exists()


@pytest.mark.slow
def test_the_evaluation_runs_as_a_script(script, checkpoint, photos, tmp_path):
    checkpoint("multi")
    result = script("evaluate", "checkpoints=[runs/multi]", "photos=photos/", "encoder=lite",
                    "output=report/", "size=16", "limit=1", cwd=tmp_path)  # fmt: skip
    assert result.status == 0, result.err
    assert sorted(entry.name for entry in (tmp_path / "report").iterdir()) == FILES
