import pytest
import torch

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.export import runtime
from stylenet.networks import build_network

pytestmark = pytest.mark.xdist_group("export")


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "waves.safetensors"
    torch.manual_seed(0)
    save_checkpoint(path, build_network("johnson", width=2, blocks=1), CheckpointInfo("waves", 1))
    return path


def test_an_export_is_reported(run, checkpoint, tmp_path):
    out = tmp_path / "waves.pt2"
    result = run("export", f"checkpoint={checkpoint}", "format=torch_export", f"output={out}")
    assert result.status == 0, result.err
    assert "difference from PyTorch: 0.0" in result.out
    assert "1x203x151" in result.out
    assert out.is_file()


@pytest.mark.parametrize(
    ("size", "shape"), [("30x20", (20, 30)), ("24", (24, 24)), ("[20,30]", (20, 30))]
)
def test_a_size_is_width_times_height(run, checkpoint, tmp_path, size, shape):
    out = tmp_path / "waves.pt2"
    overrides = [f"checkpoint={checkpoint}", "format=torch_export", f"size={size}"]
    result = run("export", *overrides, f"output={out}")
    assert result.status == 0, result.err
    assert torch.export.load(out).example_inputs[0][0].shape == (1, 3, *shape)
    assert f"at 1x3x{shape[0]}" not in result.out
    assert f"at 1x{shape[0]}x{shape[1]}\n" in result.out


def test_a_file_for_phones_has_512_pixels_unless_told(run, checkpoint, tmp_path):
    pytest.importorskip("coremltools", reason="needs pip install 'stylenet[coreml]'")
    out = tmp_path / "waves.mlpackage"
    result = run("export", f"checkpoint={checkpoint}", "format=coreml", f"output={out}")
    assert result.status == 0, result.err
    lines = result.out.splitlines()
    assert lines[0].startswith("size=512x512: ")
    assert lines[1].startswith(f"{out}: ")
    assert "numerics not verified here" in lines[2]
    assert len(lines) == 3
    assert not result.err


@pytest.mark.slow
def test_several_networks_make_a_page(run, checkpoint, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(runtime, "_URL", "http://127.0.0.1:9/nothing.tgz")
    second = tmp_path / "dots.safetensors"
    save_checkpoint(second, build_network("johnson", width=2, blocks=1), CheckpointInfo("dots", 1))
    out = tmp_path / "my page"
    result = run("export", f"checkpoint=[{checkpoint},{second}]", "format=web", f"output={out}")
    assert result.status == 0, result.err
    assert result.out.count("difference from PyTorch: 0.0") == 2
    assert "nothing.tgz could not be downloaded" in result.out
    assert f"open it: cd '{out}' && npm install && python -m http.server" in result.out
    names = {path.name for path in (out / "networks").glob("*.onnx")}
    assert names == {"waves.onnx", "dots.onnx"}


def test_an_invalid_runtime_is_told_before_any_work(run, checkpoint, tmp_path):
    overrides = [f"checkpoint={checkpoint}", "format=web", f"output={tmp_path}/page"]
    assert "Give the folder of the npm package" in run("export", *overrides, "runtime=.").error
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("checkpoint=[starry,mosaic] format=onnx", "Several checkpoints need format=web"),
        ("checkpoint=[] format=web", "names no checkpoint"),
        ("checkpoint=[starry,starry] format=web", "names one twice"),
        ("checkpoint=[starry,mosaic] format=web style=starry", "chooses a style of one checkpoint"),
        ("checkpoint=[starry,nowhere] format=web", "nowhere"),
    ],
)
def test_a_mistake_in_a_list_ends_in_one_line(run, tmp_path, mistake, message):
    assert message in run("export", f"output={tmp_path}/net.onnx", *mistake.split()).error
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_int8_is_calibrated_with_the_sample_photos(run, tmp_path):
    pytest.importorskip("onnxruntime")
    checkpoint, out = tmp_path / "waves.safetensors", tmp_path / "waves.onnx"
    torch.manual_seed(0)
    save_checkpoint(
        checkpoint, build_network("johnson", width=8, blocks=1), CheckpointInfo("waves", 1)
    )
    result = run("export", f"checkpoint={checkpoint}", "precision=int8", f"output={out}")
    assert result.status == 0, result.err
    assert out.is_file()


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("format=mlmodel", "onnx, torch_export, openvino"),
        ("format=ncnn", "expected a name that ends in .ncnn for format=ncnn"),
        ("format=coreml", "expected a name that ends in .mlpackage"),
        ("format=ncnn uint8=true", "uint8=true does not work with format=ncnn"),
        ("format=ncnn precision=int8", "precision=int8 needs format=onnx"),
        (
            "format=executorch precision=float16",
            "does not work with format=executorch",
        ),
        ("output=net.pt", "expected a name that ends in .onnx"),
        ("precision=int4", "float32, float16, int8_weights, int8"),
        ("format=aotinductor precision=int8", "precision=int8 needs format=onnx"),
        ("format=web uint8=true", "uint8=true does not work with format=web"),
        ("uint8=maybe", "neither true nor false"),
        ("size=640x", "size=640x: expected width and height in pixels, such as size=640x480"),
        ("size=640X480", "expected width and height in pixels"),
        ("size=0x480", "size=0 is not a whole number of at least 1"),
        ("size=[480]", "expected width and height in pixels"),
        ("size=[0,5]", "size=0 is not a whole number of at least 1"),
        ("size=640x480 format=web", "size=640x480 does not work with format=web"),
        ("checkpoint=nowhere", "checkpoint=nowhere"),
    ],
)
def test_a_mistake_ends_in_one_line(run, checkpoint, tmp_path, mistake, message):
    overrides = [f"checkpoint={checkpoint}", f"output={tmp_path}/net.onnx", *mistake.split()]
    assert message in run("export", *overrides).error
    assert [p.name for p in tmp_path.iterdir()] == [checkpoint.name]
