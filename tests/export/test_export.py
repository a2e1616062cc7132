import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.export import PRECISIONS, ExportOptions, export_network, registry
from stylenet.inference import Stylizer
from stylenet.networks import build_network

onnxruntime = pytest.importorskip("onnxruntime")
# One worker for all exports: the exporters and their tables take seconds to import.
pytestmark = pytest.mark.xdist_group("export")

GUIDE = Path(__file__).parents[2] / "docs/export.md"
INFO = CheckpointInfo("dots", 7)


NETWORKS = {
    "tanh": {"name": "johnson", "width": 4, "blocks": 1},
    "batch": {"name": "johnson", "width": 4, "blocks": 1, "norm": "batch", "output": "linear"},
    "compact": {"name": "compact", "width": 4, "deep_width": 4, "deep_blocks": 1, "head": "resize"},
}


@pytest.fixture(
    scope="module",
    params=["tanh", pytest.param("batch", marks=pytest.mark.slow), "compact"],
)
def network(request):
    torch.manual_seed(0)
    return build_network(**NETWORKS[request.param]).eval()


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "dots.onnx"
    return path, export_network(network, INFO, path, ExportOptions())


@pytest.mark.parametrize(
    "shape", [(1, 64, 64), (3, 37, 50), (1, 1, 1), (2, 5, 3), (1, 2, 40), (1, 8, 9)]
)
@torch.inference_mode()
def test_onnx_gives_the_same_images_at_any_size(network, exported, shape):
    count, height, width = shape
    images = torch.rand(count, 3, height, width)
    session = onnxruntime.InferenceSession(exported[0])
    (stylized,) = session.run(["stylized"], {"image": images.numpy()})
    expected = network(images).clamp(0, 1)
    torch.testing.assert_close(torch.from_numpy(stylized), expected, rtol=0, atol=1e-4)


def test_the_file_names_its_inputs_outputs_and_style(exported):
    path, report = exported
    session = onnxruntime.InferenceSession(path)
    (image,), (stylized,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.shape, image.type) == ("image", ["N", 3, "H", "W"], "tensor(float)")
    assert (stylized.name, stylized.shape) == ("stylized", ["N", 3, "H", "W"])
    assert session.get_modelmeta().custom_metadata_map["style"] == "dots"
    stored = json.loads(path.with_name("dots.onnx.json").read_text())
    assert stored["mean_difference"] == report.mean_difference < 0.01
    assert stored["bytes"] == path.stat().st_size
    assert sorted(p.name for p in path.parent.iterdir()) == ["dots.onnx", "dots.onnx.json"]


def test_a_file_of_a_fixed_size_has_only_operations_of_small_runtimes(network, tmp_path):
    """OpenCV 4 supports neither BOOL nor computed shapes nor more than 4 dimensions."""
    onnx = pytest.importorskip("onnx")
    path = tmp_path / "dots.onnx"
    report = export_network(network, INFO, path, ExportOptions(size=(37, 50)))
    assert report.sizes == ((1, 37, 50),)
    assert report.mean_difference < 0.01
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    assert not {"Shape", "Where", "If", "Expand", "Range", "And"} & {n.op_type for n in graph.node}
    assert onnx.TensorProto.BOOL not in {tensor.data_type for tensor in graph.initializer}
    assert graph.input[0].type.tensor_type.shape.dim[2].dim_value == 37
    values = [value.type.tensor_type.shape.dim for value in graph.value_info]
    assert max(map(len, values)) <= 4


def test_opencv_gives_the_same_images(network, tmp_path):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "dots.onnx"
    export_network(network, INFO, path, ExportOptions(size=(40, 52)))
    reader = cv2.dnn.readNetFromONNX(str(path))
    images = torch.rand(1, 3, 40, 52)
    reader.setInput(images.numpy())
    stylized = torch.from_numpy(reader.forward())
    with torch.inference_mode():
        expected = network(images).clamp(0, 1)
    torch.testing.assert_close(stylized, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 64, 64), (1, 37, 50), (2, 40, 24), (1, 5, 3)])
def test_opencv_5_runs_a_file_of_any_size(network, exported, shape):
    cv2 = pytest.importorskip("cv2")
    if int(cv2.__version__.split(".")[0]) < 5:
        pytest.skip("OpenCV 4 reads files of one size only")
    images = torch.rand(shape[0], 3, *shape[1:])
    reader = cv2.dnn.readNetFromONNX(str(exported[0]))
    reader.setInput(images.numpy())
    stylized = torch.from_numpy(reader.forward())
    with torch.inference_mode():
        expected = network(images).clamp(0, 1)
    torch.testing.assert_close(stylized, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("network", ["tanh"], indirect=True)
def test_the_documented_onnxruntime_example_runs(exported, network, tmp_path):
    examples = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (example,) = [example for example in examples if "onnxruntime" in example]
    pixels = np.random.default_rng(0).integers(0, 256, (31, 45, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    command = [sys.executable, "-c", example, exported[0], "photo.png", "out.png"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    expected = Stylizer(network, INFO, device="cpu", precision="float32")(Image.fromarray(pixels))
    result = np.asarray(Image.open(tmp_path / "out.png"), int)
    assert np.abs(result - np.asarray(expected, int)).max() <= 1


@pytest.mark.parametrize(
    ("options", "name"),
    [
        pytest.param(ExportOptions(precision="float16"), "a.onnx", marks=pytest.mark.slow),
        pytest.param(ExportOptions(uint8=True), "a.onnx", marks=pytest.mark.slow),
        pytest.param(ExportOptions("torch_export"), "a.pt2", marks=pytest.mark.slow),
        (ExportOptions("torch_export", uint8=True), "a.pt2"),
        pytest.param(ExportOptions("openvino"), "a.xml", marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_every_format_gives_the_networks_images(tmp_path, options, name):
    network = build_network("johnson", width=4, blocks=1)
    if options.format == "openvino":
        pytest.importorskip("openvino")
    report = export_network(network, INFO, tmp_path / name, options)
    assert report.mean_difference <= PRECISIONS[options.precision] + 0.3 * options.uint8
    assert (tmp_path / name).is_file()
    assert (tmp_path / f"{name}.json").is_file()


@pytest.mark.parametrize("network", ["tanh"], indirect=True)
def test_a_file_that_gives_other_images_is_not_written(network, tmp_path, monkeypatch):
    onnx = registry.find_format("onnx")

    def read_wrong(path):
        run = onnx.read(path)
        return lambda images: run(images) + 0.01

    monkeypatch.setitem(registry._FORMATS, "onnx", replace(onnx, read=read_wrong))
    with pytest.raises(StyleNetError, match=r"differs from the PyTorch network by 2\.5"):
        export_network(network, INFO, tmp_path / "a.onnx", ExportOptions(size=(37, 50)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("network", ["tanh"], indirect=True)
def test_a_missing_package_is_named(network, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(StyleNetError, match=r"onnxscript: pip install 'stylenet\[export\]'"):
        export_network(network, INFO, tmp_path / "a.onnx", ExportOptions())
    assert not list(tmp_path.iterdir())
