"""Formats of one image size, for phones: each file is run by its own runtime, without StyleNet."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.export import ExportOptions, export_network
from stylenet.export import network as network_export
from stylenet.export.folding import fold_constants
from stylenet.export.graph import PortableNetwork, trace
from stylenet.inference import Stylizer
from stylenet.networks import build_network
from stylenet.networks.space_to_depth import depth_to_space, space_to_depth

pytestmark = pytest.mark.xdist_group("export")
GUIDE = Path(__file__).parents[2] / "docs/export.md"
INFO = CheckpointInfo("dots", 7)
# No multiples of the strides 4 and 8, so images are padded and cropped.
SIZE = (37, 50)
NETWORKS = {
    "johnson": {"name": "johnson", "width": 4, "blocks": 1},
    "linear": {"name": "johnson", "width": 4, "blocks": 1, "output": "linear"},
    "compact": {"name": "compact", "width": 4, "deep_width": 4, "deep_blocks": 1, "head": "resize"},
    "subpixel": {"name": "compact", "width": 4, "deep_width": 4, "deep_blocks": 1},
    "adain": {"name": "adain_style", "width": 4},
}


def build(name):
    torch.manual_seed(0)
    network = build_network(**NETWORKS[name]).eval()
    for module in network.modules():
        if isinstance(module, nn.InstanceNorm2d):  # otherwise the scales are 1 and the shifts 0
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return network


@torch.inference_mode()
def expected_image(network, size=SIZE):
    images = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    return images, network(images).clamp(0, 1)


@pytest.mark.parametrize("side", [2, 4])
def test_the_rearrangements_of_pixels_are_convolutions_in_a_graph_of_one_size(side):
    class Both(nn.Module):
        def forward(self, images):
            cells = space_to_depth(images, side)
            return cells, depth_to_space(cells.relu(), side)

    images = torch.randn(1, 3, 16, 24)
    program = torch.export.export(Both(), (images,))
    operations = {str(n.target) for n in program.graph.nodes if n.op == "call_function"}
    assert {"aten.conv2d.default", "aten.conv_transpose2d.input"} <= operations
    cells, restored = program.module()(images)
    torch.testing.assert_close(cells, space_to_depth(images, side), rtol=0, atol=0)
    torch.testing.assert_close(restored, images.relu(), rtol=0, atol=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_graph_of_one_size_has_four_dimensions_and_no_arithmetic_of_sizes(name):
    network = build(name)
    program = fold_constants(trace(PortableNetwork(network, False, False).eval(), SIZE))
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    operations = {str(node.target).split(".")[1] for node in calls}
    assert not operations & {"index", "index_select", "arange", "where", "sym_size", "eye"}
    assert not operations & {"permute", "unflatten", "view", "reshape", "matmul"}
    assert max(n.meta["val"].ndim for n in calls if isinstance(n.meta["val"], torch.Tensor)) == 4
    images, expected = expected_image(network)
    with torch.inference_mode():
        torch.testing.assert_close(program.module()(images), expected, rtol=0, atol=1e-5)


def test_a_graph_of_one_size_is_not_that_of_another(tmp_path):
    program = trace(PortableNetwork(build("compact"), False, False).eval(), SIZE)
    with pytest.raises((RuntimeError, AssertionError)):
        program.module()(torch.rand(1, 3, 64, 64))


def run_ncnn(path, images):
    ncnn = pytest.importorskip("ncnn", reason="needs pip install 'stylenet[ncnn]'")
    network = ncnn.Net()
    network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = False
    assert network.load_param(f"{path}.param") == network.load_model(f"{path}.bin") == 0
    extractor = network.create_extractor()
    extractor.input("in0", ncnn.Mat(images[0].numpy()).clone())
    return torch.from_numpy(np.array(extractor.extract("out0")[1]))[None]


@pytest.mark.parametrize("name", NETWORKS)
def test_ncnn_gives_the_networks_images(name, tmp_path):
    pytest.importorskip("pnnx", reason="needs pip install 'stylenet[ncnn]'")
    network, path = build(name), tmp_path / "dots.ncnn"
    report = export_network(network, INFO, path, ExportOptions("ncnn", size=SIZE))
    images, expected = expected_image(network)
    torch.testing.assert_close(run_ncnn(path, images), expected, rtol=0, atol=1e-4)
    files = ["dots.ncnn.bin", "dots.ncnn.json", "dots.ncnn.param"]
    assert sorted(file.name for file in tmp_path.iterdir()) == files
    assert report.bytes == sum((tmp_path / file).stat().st_size for file in files[::2])
    assert report.sizes == ((1, *SIZE),)
    # One layer of ncnn each, not a dozen.
    layers = [line.split()[0] for line in (tmp_path / files[2]).read_text().splitlines()[2:]]
    norms = sum(isinstance(module, nn.InstanceNorm2d) for module in network.modules())
    assert layers.count("InstanceNorm") == norms


def test_the_documented_ncnn_example_runs(tmp_path):
    pytest.importorskip("pnnx", reason="needs pip install 'stylenet[ncnn]'")
    network = build("johnson")
    export_network(network, INFO, tmp_path / "dots.ncnn", ExportOptions("ncnn", size=SIZE))
    examples = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    (example,) = [example for example in examples if "ncnn" in example]
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    command = [sys.executable, "-c", example, "dots.ncnn", "photo.png", "out.png"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    expected = Stylizer(network, INFO, device="cpu", precision="float32")(Image.fromarray(pixels))
    result = np.asarray(Image.open(tmp_path / "out.png"), int)
    assert np.abs(result - np.asarray(expected, int)).max() <= 1


def test_ncnn_stores_weights_in_float16(tmp_path):
    pytest.importorskip("pnnx", reason="needs pip install 'stylenet[ncnn]'")
    network = build_network("johnson", width=8, blocks=1).eval()
    for precision in ("float32", "float16"):
        options = ExportOptions("ncnn", precision, size=SIZE)
        export_network(network, INFO, tmp_path / f"{precision}.ncnn", options)
    size, half = ((tmp_path / f"{p}.ncnn.bin").stat().st_size for p in ("float32", "float16"))
    assert 0.5 <= half / size < 0.6
    images, expected = expected_image(network)
    assert 0 < (run_ncnn(tmp_path / "float16.ncnn", images) - expected).abs().mean() * 255 < 0.5


@pytest.mark.slow  # ExecuTorch takes 15 s for a network
@pytest.mark.parametrize("name", ["johnson", "compact", "adain"])
def test_executorch_gives_the_networks_images_by_xnnpack_alone(name, tmp_path):
    pytest.importorskip("executorch", reason="needs pip install 'stylenet[executorch]'")
    network, path = build(name), tmp_path / "dots.pte"
    report = export_network(network, INFO, path, ExportOptions("executorch", size=SIZE))
    if name != "adain":  # whose batch of encoder layers has max pooling with indices
        assert report.remark == (
            "XNNPACK computes 1 part of the network, no operation is left to other kernels"
        )
    from executorch.runtime import Runtime

    images, expected = expected_image(network)
    program = Runtime.get().load_program(path)
    (stylized,) = program.load_method("forward").execute([images])
    torch.testing.assert_close(stylized, expected, rtol=0, atol=1e-4)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["dots.pte", "dots.pte.json"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_litert_gives_the_networks_images(name, tmp_path):
    pytest.importorskip("litert_torch", reason="needs pip install 'stylenet[tflite]'")
    from ai_edge_litert.interpreter import Interpreter

    network, path = build(name), tmp_path / "dots.tflite"
    export_network(network, INFO, path, ExportOptions("tflite", size=SIZE))
    images, expected = expected_image(network)
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert tuple(given["shape"]) == tuple(result["shape"]) == (1, *SIZE, 3)
    interpreter.set_tensor(given["index"], images.permute(0, 2, 3, 1).numpy())
    interpreter.invoke()
    stylized = torch.from_numpy(interpreter.get_tensor(result["index"])).permute(0, 3, 1, 2)
    torch.testing.assert_close(stylized, expected, rtol=0, atol=1e-4)


def run_coreml(path, images):
    """Compute a Core ML program by PyTorch, because Core ML runs on Apple's systems only."""
    coremltools = pytest.importorskip("coremltools", reason="needs pip install 'stylenet[coreml]'")
    from coremltools.converters.mil.frontend.milproto.load import load

    model = coremltools.models.MLModel(str(path), skip_model_load=True)
    program = load(model.get_spec(), model.get_spec().specificationVersion, model.weights_dir)
    function = program.functions["main"]
    values = dict.fromkeys(function.inputs, images * 255)

    def value(variable):
        if variable.val is None:
            return values[variable.name]
        constant = variable.val
        if isinstance(constant, np.ndarray):
            return torch.from_numpy(np.array(constant, dtype=np.float32))
        return constant

    for operation in function.operations:
        if operation.op_type != "const":
            given = {
                name: value(variable)
                for name, variable in operation.inputs.items()
                if variable is not None and not isinstance(variable, (list, tuple))
            }
            (output,) = operation.outputs
            values[output.name] = COREML_OPERATIONS[operation.op_type](given)
    (output,) = function.outputs
    assert output.name == "stylized"
    return values["stylized"] / 255


def integers(tensor):
    return [int(number) for number in tensor]


def convolve(given):
    assert given["pad_type"] == "valid"
    stride = integers(given["strides"])
    return F.conv2d(given["x"], given["weight"], given.get("bias"), stride)


def convolve_transposed(given):
    assert given["pad_type"] == "valid"
    stride = integers(given["strides"])
    return F.conv_transpose2d(given["x"], given["weight"], given.get("bias"), stride)


def pad(given):
    top, bottom, left, right = integers(given["pad"])[-4:]
    mode = {"reflect": "reflect", "replicate": "replicate"}[given["mode"]]
    return F.pad(given["x"], (left, right, top, bottom), mode=mode)


def upsample(given):
    scale = given["scale_factor_height"], given["scale_factor_width"]
    return F.interpolate(given["x"], scale_factor=tuple(map(float, scale)), mode="nearest")


def crop(given):
    height, width = integers(given["end"])[-2:]
    ends = [int(end) for end in given["end"]]
    masks = given.get("end_mask", torch.zeros(4))
    height, width = (None if mask else end for end, mask in zip(ends[-2:], masks[-2:], strict=True))
    return given["x"][:, :, :height, :width]


COREML_OPERATIONS = {
    "add": lambda given: given["x"] + given["y"],
    "cast": lambda given: given["x"],
    "clip": lambda given: given["x"].clamp(float(given["alpha"]), float(given["beta"])),
    "conv": convolve,
    "conv_transpose": convolve_transposed,
    "instance_norm": lambda given: F.instance_norm(
        given["x"], weight=given["gamma"], bias=given["beta"], eps=float(given["epsilon"])
    ),
    "max_pool": lambda given: F.max_pool2d(given["x"], integers(given["kernel_sizes"])),
    "mul": lambda given: given["x"] * given["y"],
    "pad": pad,
    "relu": lambda given: given["x"].relu(),
    "sigmoid": lambda given: given["x"].sigmoid(),
    "slice_by_index": crop,
    "sub": lambda given: given["x"] - given["y"],
    "upsample_nearest_neighbor": upsample,
}


@pytest.mark.parametrize("precision", ["float32", pytest.param("float16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_core_ml_package_maps_an_image_to_the_networks_image(name, precision, tmp_path):
    coremltools = pytest.importorskip("coremltools", reason="needs pip install 'stylenet[coreml]'")
    network, path = build(name), tmp_path / "dots.mlpackage"
    options = ExportOptions("coreml", precision, size=SIZE)
    report = export_network(network, INFO, path, options)
    assert "numerics not verified here" in report.remark
    assert (report.mean_difference, report.seconds, report.sizes) == (None, None, ())
    stored = json.loads((tmp_path / "dots.mlpackage.json").read_text())
    assert (stored["mean_difference"], stored["remark"]) == (None, report.remark)
    assert stored["bytes"] == sum(f.stat().st_size for f in path.rglob("*") if f.is_file())

    description = coremltools.models.MLModel(str(path), skip_model_load=True).get_spec().description
    for value in (description.input[0], description.output[0]):
        image = value.type.imageType
        assert (image.height, image.width) == SIZE
        assert image.colorSpace == image.ColorSpace.Value("RGB")
    assert description.metadata.userDefined["style"] == "dots"

    images, expected = expected_image(network)
    allowed = 1e-4 if precision == "float32" else 0.01  # of the weights only
    with torch.inference_mode():
        torch.testing.assert_close(run_coreml(path, images), expected, rtol=0, atol=allowed)


def test_a_core_ml_package_replaces_an_earlier_one(tmp_path):
    pytest.importorskip("coremltools", reason="needs pip install 'stylenet[coreml]'")
    path = tmp_path / "dots.mlpackage"
    (path / "Data").mkdir(parents=True)
    (path / "Data" / "old").touch()
    export_network(build("compact"), INFO, path, ExportOptions("coreml", size=(16, 16)))
    assert not (path / "Data" / "old").exists()
    names = ["dots.mlpackage", "dots.mlpackage.json"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names


@pytest.mark.parametrize(
    ("format", "suffix", "package"),
    [
        ("ncnn", ".ncnn", "pnnx"),
        ("executorch", ".pte", "executorch"),
        ("coreml", ".mlpackage", "coremltools"),
        ("tflite", ".tflite", "litert_torch"),
    ],
)
def test_a_missing_runtime_names_its_extra(format, suffix, package, tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(
        network_export, "trace", lambda *_: pytest.fail("the network was traced before")
    )
    message = rf"needs the package {package}: pip install 'stylenet\[{format}\]'"
    with pytest.raises(StyleNetError, match=message):
        export_network(
            build("compact"), INFO, tmp_path / f"a{suffix}", ExportOptions(format, size=(16, 16))
        )
    assert not list(tmp_path.iterdir())


def test_a_runtime_that_does_not_fit_pytorch_is_named(tmp_path, monkeypatch):
    (tmp_path / "coremltools.py").write_text("raise ImportError('undefined symbol: torch')")
    monkeypatch.delitem(sys.modules, "coremltools", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "out" / "a.mlpackage"
    with pytest.raises(StyleNetError, match=r"does not work with PyTorch .*undefined symbol"):
        export_network(build("compact"), INFO, path, ExportOptions("coreml", size=(16, 16)))
    assert not path.parent.exists()


@pytest.mark.parametrize("format", ["ncnn", "executorch", "coreml", "tflite"])
def test_the_size_is_512_unless_given(format):
    assert ExportOptions(format).size == (512, 512)
    assert ExportOptions(format, size=(3, 5)).size == (3, 5)
    assert ExportOptions("onnx").size is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "ncnn", "uint8": True}, "uint8=true does not work with format=ncnn"),
        ({"format": "coreml", "precision": "int8"}, "precision=int8 needs format=onnx"),
        ({"format": "executorch", "precision": "float16"}, "float16 does not work with format="),
        ({"format": "web", "size": (8, 8)}, "does not work with format=web"),
        (
            {"precision": "int8_weights", "size": (8, 8)},
            "does not work with precision=int8_weights",
        ),
        ({"format": "ncnn", "size": (0, 8)}, "size=0 is not a whole number of at least 1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, message):
    with pytest.raises(StyleNetError, match=message):
        ExportOptions(**options)
