import pytest
import torch

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
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


@pytest.mark.slow
def test_a_web_export_explains_how_to_open_it(run, checkpoint, tmp_path):
    pytest.importorskip("onnxruntime")
    out = tmp_path / "my page"
    result = run("export", f"checkpoint={checkpoint}", "format=web", f"output={out}")
    assert result.status == 0, result.err
    assert f"cd '{out}' && npm install && python -m http.server" in result.out
    assert {"index.html", "network.onnx"} <= {path.name for path in out.iterdir()}


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
        ("format=coreml", "onnx, torch_export, openvino"),
        ("output=net.pt", "expected a name that ends in .onnx"),
        ("precision=int4", "float32, float16, int8_weights, int8"),
        ("format=aotinductor precision=int8", "precision=int8 needs format=onnx"),
        ("format=web uint8=true", "uint8=true does not work with format=web"),
        ("uint8=maybe", "neither true nor false"),
        ("size=480", "expected height and width"),
        ("size=[0,5]", "size=0 is not a whole number of at least 1"),
        ("size=[480,640] format=web", "size=[480, 640] needs format=onnx"),
        ("checkpoint=nowhere", "checkpoint=nowhere"),
    ],
)
def test_a_mistake_ends_in_one_line(run, checkpoint, tmp_path, mistake, message):
    overrides = [f"checkpoint={checkpoint}", f"output={tmp_path}/net.onnx", *mistake.split()]
    assert message in run("export", *overrides).error
    assert [p.name for p in tmp_path.iterdir()] == [checkpoint.name]
