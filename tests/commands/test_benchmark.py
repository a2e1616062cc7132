import dataclasses
import json
import math
from pathlib import Path

import psutil
import pytest
import torch
from PIL import Image

from stylenet.benchmark import Row
from stylenet.benchmark.curve_suite import compare
from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.cli.bench import ConfiguredBench
from stylenet.networks import build_network
from stylenet.video.flow import opencv

from .conftest import blotches

SMALL = ["network.width=2", "network.blocks=1", "threads=1", "repeats=2", "warmup=0"]
SMALL += ["device=cpu", "batch=1"]
MACHINE = {"device", "device_name", "threads", "torch", "python", "system"}
# Columns that have a value where something was timed, or timed and compared.
OURS = {"seconds", "seconds_quartiles", "images_per_second", "precision"}
COMPARED = {"baseline_seconds", "ratio", "ratio_quartiles", "baseline_precision"}
COUNTED = {"flops", "bytes", "share_of_peak", "share_of_bandwidth", "peak_flops"}


@pytest.fixture(autouse=True)
def _quick_peaks(monkeypatch):
    monkeypatch.setattr("stylenet.benchmark.peaks._MATRIX_SIZE_ELSEWHERE", 64)
    monkeypatch.setattr("stylenet.benchmark.peaks._COPY_BYTES_ELSEWHERE", 2**16)


@pytest.fixture
def measure(run, tmp_path):
    def call(suite, *arguments, repeats=2):
        output = tmp_path / "results" / "bench.json"
        result = run("benchmark", f"suite={suite}", *SMALL, *arguments, f"output={output}")
        assert result.status == 0, result.err
        rows = json.loads(output.read_text())
        with Image.open(output.with_suffix(".png")) as plot:
            assert plot.format == "PNG"
        assert sorted(p.name for p in output.parent.iterdir()) == ["bench.json", "bench.png"]
        keys = {field.name for field in dataclasses.fields(Row)} | MACHINE
        for row in rows:
            assert row.keys() == keys
            assert row["suite"] == suite
            assert row["case"] in result.out
            assert row["repeats"] == repeats
            assert not {key for key in OURS if row[key] is None}
        return rows, result

    return call


def check_ratio(row):
    assert not {key for key in COMPARED if row[key] is None}
    assert row["ratio"] == pytest.approx(row["baseline_seconds"] / row["seconds"])


def test_inference_is_measured_at_several_sizes(measure):
    rows, result = measure("inference", "size=[32,48x16]", "precision=float32")
    assert result.err == ""
    assert [(row["width"], row["height"]) for row in rows] == [(32, 32), (48, 16)]
    for row in rows:
        check_ratio(row)
        assert not {key for key in COUNTED if not row[key] or not row[f"baseline_{key}"]}
        # Fewer operations where features are upsampled; some of the head's are zeros.
        assert 0.5 < row["flops"] / row["baseline_flops"] < 1.1
        assert f"{row['ratio']:.2f}x" in result.out
    # 1,024 and 768 pixels.
    assert rows[0]["flops"] / rows[1]["flops"] == pytest.approx(4 / 3, rel=0.01)


def test_int8_is_measured_without_counting_its_operations(measure):
    pytest.importorskip("openvino")
    (row,), _ = measure("inference", "size=32", "precision=int8")
    assert (row["precision"], row["baseline_precision"]) == ("int8", "float32")
    assert row["flops"] is None
    assert row["baseline_flops"] > 0
    check_ratio(row)


@pytest.mark.parametrize(
    ("network", "runs"),
    [(["johnson_multi", "+styles=[a,b]"], "johnson"), (["adain", "encoder=lite"], "adain_style")],
)
def test_networks_of_several_styles_are_measured_as_the_network_that_stylizes(
    run, tmp_path, network, runs
):
    output = tmp_path / "bench.json"
    given = [*SMALL[2:], "size=32", f"network={network[0]}", *network[1:], f"output={output}"]
    result = run("benchmark", *given, "network.width=2", "baseline=false")
    assert result.status == 0, result.err
    assert json.loads(output.read_text())[0]["details"]["network"]["name"] == runs


def test_the_precision_is_the_requested_one_and_the_baseline_is_float32(measure):
    (row,), _ = measure("inference", "size=32", "precision=bfloat16", "batch=2")
    assert (row["precision"], row["baseline_precision"], row["batch"]) == ("bfloat16", "float32", 2)


def test_the_baseline_can_be_left_out(measure):
    (row,), result = measure("inference", "size=32", "baseline=false")
    assert not {key for key, value in row.items() if "baseline" in key and value is not None}
    assert row["ratio"] is None
    assert "reference" not in result.out


@pytest.mark.parametrize(
    "precision",
    [
        "auto",
        pytest.param("float32", marks=pytest.mark.slow),
        pytest.param("bfloat16", marks=pytest.mark.slow),
    ],
)
def test_training_is_measured_with_the_bundled_encoder(measure, precision):
    (row,), _ = measure("training", "encoder=lite", "size=32", f"precision={precision}")
    check_ratio(row)
    assert not {key for key in COUNTED if not row[key] or not row[f"baseline_{key}"]}
    assert row["details"]["encoder"] == "lite"
    expected = {"float32": "32-true", "bfloat16": "bf16-mixed"}
    assert row["precision"] == expected.get(precision, row["precision"])


def test_training_needs_no_download(measure):
    (row,), _ = measure("training", "encoder=vgg16", "size=32", "baseline=false")
    assert row["details"]["encoder_weights"] == "random"
    assert row["details"]["style_layers"] == ["relu1_2", "relu2_2", "relu3_3", "relu4_3"]


@pytest.mark.slow
def test_training_is_measured_with_truncated_encoder_weights(measure, shared):
    weights = shared / "weights" / "vgg19_to_relu3_4.safetensors"
    arguments = ["encoder=vgg19", f"encoder.weights={weights}", "size=32"]
    (row,), _ = measure("training", *arguments)
    assert row["details"]["style_layers"] == ["relu1_2", "relu2_2", "relu3_2", "relu3_4"]
    check_ratio(row)


@pytest.mark.slow
def test_loss_curves_of_equal_weights_and_photos_are_alike(measure):
    arguments = ["encoder=lite", "data=samples", "size=32", "suite.steps=3", "suite.pairs=2"]
    (row,), result = measure("curve", *arguments, "precision=float32", repeats=4)
    found = row["details"]
    for ours, reference in zip(found["losses"], found["baseline_losses"], strict=True):
        assert ours == pytest.approx(reference, rel=1e-3)
    first, second = found["losses"]
    assert first[0] != pytest.approx(second[0], rel=1e-3)
    assert abs(found["difference"]) < 1e-3 < found["noise"]
    assert f"{found['noise']:.1%}" in result.out


def test_curves_are_compared_by_the_mean_logarithm_of_their_second_halves():
    ours = [[9, 9, math.e, math.e], [9, 9, math.exp(4), math.exp(6)]]
    reference = [[1, 1, 1, 1], [1, 1, math.exp(2), math.exp(2)]]
    difference, error, noise = compare(ours, reference)
    # The logarithms are 1 and 3; the baseline's are 0 and 2. Then as ratios of the losses.
    assert (difference, error) == pytest.approx((math.exp(2) - 1, math.e - 1))
    assert noise == pytest.approx(math.exp(math.sqrt(2)) - 1)


@pytest.mark.parametrize("other", ["style.weight=3", "loss=relative", "loss.tv.weight=1"])
def test_curves_of_different_losses_are_not_compared(run, tmp_path, other):
    arguments = ["encoder=lite", "data=samples", "size=32", "suite.steps=3", "suite.pairs=2"]
    output = tmp_path / "curve.json"
    result = run("benchmark", "suite=curve", *arguments, f"output={output}", other)
    assert "suite=curve compares losses with the reference's" in result.error
    assert not output.exists()


def test_data_loading_is_measured(measure, photos):
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    arguments = ["data=folder", f"data.root={photos}", "data.min_size=8", "size=16"]
    (row,), _ = measure("data", *arguments)
    check_ratio(row)
    assert row["details"]["photos"] == 4
    assert row["images_per_second"] == pytest.approx(1 / row["seconds"])
    assert row["bytes"] > 0


def test_data_loading_is_measured_with_the_sample_photos(measure):
    (row,), _ = measure("data", "data=samples", "size=32", "suite.photos=2")
    assert row["details"]["photos"] == 2


def test_stylizing_a_video_file_is_measured(measure):
    (row,), result = measure("video", "size=64x48", "suite.frames=5")
    check_ratio(row)
    assert (row["width"], row["height"], row["batch"]) == (64, 48, 5)
    assert row["images_per_second"] == pytest.approx(5 / row["seconds"])
    # The network's time in a pipeline whose other stages run in parallel.
    assert 0 < row["device_share"] <= 1
    assert 0 < row["baseline_device_share"] <= 1
    assert row["details"]["codec"] == "libx264"
    assert "device busy" in result.out


@pytest.mark.slow
def test_the_steadiness_of_trained_networks_is_measured(measure, photos, tmp_path):
    networks = []
    for name, width in (("first", 2), ("second", 3)):
        network, info = build_network("johnson", width=width, blocks=1), CheckpointInfo(name, 1)
        networks.append(str(tmp_path / f"{name}.safetensors"))
        save_checkpoint(Path(networks[-1]), network, info)
    style = ["style=custom", f"style.image={blotches(tmp_path / 'style.png')}", "style.size=32"]
    clips = ["size=47x32", "suite.frames=4", "suite.gap=1", "data=folder", f"data.root={photos}"]
    checkpoints = f"suite.checkpoints=[{','.join(networks)}]"
    rows, result = measure("steady", checkpoints, *style, *clips, "repeats=1", repeats=1)
    variants = 3 if opencv() else 2
    assert [row["details"]["checkpoint"] for row in rows] == ["first"] * variants + [
        "second"
    ] * variants
    for row in rows:
        assert (row["width"], row["height"]) == (48, 32)  # even, for H.264
        measures = row["details"]["clips"]
        assert list(measures)[:2] == ["pan", "pan, recorded"]
        assert not [v for m in measures.values() for v in m.values() if not math.isfinite(v)]
        losses = measures["pan"]
        assert losses["total"] > losses["content"] > 0
    assert rows[0]["details"]["clips"]["pan"]["sharpness"] == 1
    assert rows[variants]["details"]["clips"]["pan"]["sharpness"] != 1  # relative to the first
    assert "sharpness" in result.out


@pytest.mark.slow
def test_memory_is_measured_in_separate_processes(measure):
    rows, _ = measure("memory", "encoder=lite", "suite.crop=32", "size=320x200", "repeats=2")
    assert [row["details"]["part"] for row in rows] == ["training", "inference"]
    for row in rows:
        check_ratio(row)
        assert row["peak_memory"] > 0
        assert row["memory_ratio"] == pytest.approx(
            row["baseline_peak_memory"] / row["peak_memory"]
        )
    assert (rows[1]["width"], rows[1]["height"]) == (320, 200)


@pytest.mark.slow
def test_contention_is_measured(measure, monkeypatch):
    suite = "stylenet.benchmark.contention_suite"
    monkeypatch.setattr(f"{suite}._SETTLING", 0.1)
    monkeypatch.setattr(f"{suite}._SHORTEST_RUN", 0.01)
    # In this process: the memory suite already tests separate processes.
    monkeypatch.setattr(
        ConfiguredBench, "run_in_process", lambda self, task, *given: task(self, *given)
    )
    before = set(psutil.Process().children())  # children of other tests, which may end meanwhile
    rows, result = measure("contention", "suite.crop=32", "size=48x32")
    assert [row["details"]["part"] for row in rows] == ["inference", "training"]
    assert (rows[0]["width"], rows[0]["height"], rows[0]["batch"]) == (48, 32, 1)
    for row in rows:
        check_ratio(row)
        for side in ("", "baseline_"):
            kept = row[f"{side}seconds"] / row[f"{side}seconds_beside"]
            assert row[f"{side}kept"] == pytest.approx(kept)
            assert f"{kept:.0%}" in result.out
    assert set(psutil.Process().children()) <= before


@pytest.mark.slow
def test_the_benchmark_runs_as_a_script(script, photos, tmp_path):
    output = tmp_path / "bench.json"
    # This suite does not measure the machine's peak rates, which takes seconds.
    data = ["suite=data", "data=folder", f"data.root={photos}", "data.min_size=8", "size=16"]
    result = script("benchmark", *SMALL, *data, f"output={output}", cwd=tmp_path)
    assert result.status == 0, result.err
    assert result.err == ""
    assert json.loads(output.read_text())[0]["ratio"] > 0


def test_the_rows_are_written_without_matplotlib(run, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    output = tmp_path / "bench.json"
    result = run("benchmark", *SMALL, "size=16", f"output={output}")
    assert result.status == 0, result.err
    assert "stylenet[benchmark]" in result.out
    assert [p.name for p in tmp_path.iterdir()] == ["bench.json"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["suite=speed"], "speed"),
        (["size=big"], "size=big"),
        (["size=[64,0]"], "size=0"),
        (["repeats=0"], "repeats=0"),
        (["warmup=-1"], "warmup=-1"),
        (["batch=1.5"], "batch=1.5"),
        (["baseline=maybe"], "baseline=maybe"),
        (["threads=0"], "threads=0"),
        (["device=abacus"], "device=abacus"),
        (["precision=float8"], "precision=float8"),
        (["network.width=0"], "network.width=0"),
        (["speed=9"], "unknown option speed"),
        (["output=bench.txt"], "ends in .json"),
        (["output=."], "ends in .json"),
        (["suite=data", "data=folder", "data.root=/nowhere"], "/nowhere"),
        (["suite=data", "data=samples", "size=64x32"], "squares"),
        (["suite=data", "data=samples", "suite.photos=0"], "suite.photos=0"),
        (["suite=contention", "suite.crop=8"], "suite.crop=8"),
        (["suite=curve", "data=samples", "encoder=lite", "suite.steps=1"], "suite.steps=1"),
        (["suite=curve", "data=samples", "encoder=lite", "suite.pairs=1"], "suite.pairs=1"),
        (["suite=curve", "data=samples", "encoder=lite", "size=64x32"], "squares"),
        (["suite=curve", "data=samples", "encoder=lite", "baseline=false"], "baseline=false"),
        (["suite=memory", "suite.crop=8"], "suite.crop=8"),
        (["suite=steady", "suite.gap=0"], "suite.gap=0"),
        (["suite=steady", "suite.checkpoints=[nowhere]"], "nowhere"),
        (["suite=steady", "suite.checkpoints=[starry]", "data=shards", "data.root=."], "shards"),
        (["suite=training", "encoder=lite", "loss.style.layers=[relu9_9]"], "relu9_9"),
        (
            ["suite=training", "encoder=lite", "network=johnson_multi", "+styles=[a]"],
            "network=johnson_multi holds several styles",
        ),
        (["suite=training", "encoder=lite", "precision=int8"], "precision=int8 is unknown"),
        (["suite=training", "encoder=lite", "optimizer.lr=0"], "optimizer.lr=0"),
        (["suite=training", "encoder.weights=/nowhere.pth"], "/nowhere.pth"),
    ],
)
def test_a_mistake_ends_in_one_line(run, tmp_path, monkeypatch, overrides, message):
    monkeypatch.chdir(tmp_path)
    given = [*SMALL, "size=32", *overrides]
    assert message in run("benchmark", *given).error
    assert not list(tmp_path.rglob("*.json"))


def test_an_unwritable_output_is_refused_before_measuring(run, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.json").mkdir()
    for output in (tmp_path / "file" / "bench.json", tmp_path / "folder.json"):
        result = run("benchmark", *SMALL, "size=32", f"output={output}")
        assert "cannot write output=" in result.error
        assert result.out == ""


@pytest.mark.slow
def test_a_mistake_in_a_separate_process_ends_in_one_line(run, tmp_path):
    output = f"output={tmp_path / 'bench.json'}"
    result = run("benchmark", "suite=memory", "encoder.weights=/nowhere.pth", *SMALL, output)
    assert "/nowhere.pth" in result.error


def test_the_number_of_threads_is_restored(measure, photos):
    threads = torch.get_num_threads()
    measure("data", "data=folder", f"data.root={photos}", "data.min_size=8", "size=16")
    assert torch.get_num_threads() == threads
