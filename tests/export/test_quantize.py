import numpy as np
import pytest
import torch
import torch.nn.functional as F

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.export import ExportOptions, export_network
from stylenet.networks import build_network

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.xdist_group("export")

INFO = CheckpointInfo("dots", 7)
SHAPES = [(1, 64, 64), (3, 37, 50), (1, 1, 1), (2, 17, 23)]


@pytest.fixture(scope="module")
def photos():
    torch.manual_seed(1)
    coarse = [torch.rand(1, 3, 12, 12) for _ in range(5)]
    return [F.interpolate(c, (256, 256), mode="bicubic").clamp(0, 1) for c in coarse]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network("johnson", width=8, blocks=1).eval()


@pytest.fixture(scope="module")
def folder(network, photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    for precision in ("int8", "int8_weights"):
        options = ExportOptions(precision=precision)
        export_network(network, INFO, folder / f"{precision}.onnx", options, photos)
    # Of one size, as this is written soonest.
    export_network(network, INFO, folder / "float32.onnx", ExportOptions(size=(64, 64)), photos)
    return folder


def run(path, images):
    session = onnxruntime.InferenceSession(path)
    (stylized,) = session.run(["stylized"], {"image": images.numpy()})
    return torch.from_numpy(stylized)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("precision", "allowed"), [("int8", 3), ("int8_weights", 1)])
@torch.inference_mode()
def test_the_images_are_close_at_any_size(network, folder, photos, shape, precision, allowed):
    count, height, width = shape
    images = torch.cat(photos[:count])[:, :, :height, :width].contiguous()
    stylized = run(folder / f"{precision}.onnx", images)
    assert stylized.shape == images.shape
    assert (stylized - network(images)).abs().mean() * 255 < allowed


def stored_weights(path):
    """Count the stored elements of the convolutions' weights by data type."""
    counts = {}
    for tensor in onnx.load(path).graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim == 4:
            counts[values.dtype.name] = counts.get(values.dtype.name, 0) + values.size
    return counts


def test_weights_are_stored_in_int8(network, folder):
    convolutions = {n: m for n, m in network.named_modules() if isinstance(m, torch.nn.Conv2d)}
    sizes = {name: module.weight.numel() for name, module in convolutions.items()}
    ends = sizes["down.0.0"] + sizes["head"]
    residual = sum(size for name, size in sizes.items() if "residual" in name)
    total = sum(sizes.values())
    assert stored_weights(folder / "float32.onnx") == {"float32": total}
    assert stored_weights(folder / "int8_weights.onnx") == {"float32": ends, "int8": total - ends}
    assert stored_weights(folder / "int8.onnx") == {"float32": total - residual, "int8": residual}


def test_residual_blocks_compute_in_int8(folder, tmp_path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = (
        3  # hides the warning that the optimized file is for this machine only
    )
    onnxruntime.InferenceSession(folder / "int8.onnx", options)
    nodes = onnx.load(tmp_path / "optimized.onnx").graph.node
    assert [node.op_type for node in nodes].count("QLinearConv") == 2


@pytest.mark.slow
def test_channels_of_small_range_stay_precise(photos, tmp_path):
    """The ranges of a convolution's channels differ a thousandfold, but int8 has one scale."""
    torch.manual_seed(0)
    network = build_network("johnson", width=8, blocks=1).eval()
    with torch.no_grad():
        for layer in network.residual[0].body:
            layer[0].weight *= torch.logspace(-3, 0, 32).view(-1, 1, 1, 1) * 30
    options = ExportOptions(precision="int8")
    report = export_network(network, INFO, tmp_path / "a.onnx", options, photos)
    assert report.mean_difference < 1


@pytest.mark.slow
def test_an_int8_network_takes_and_returns_uint8_images(network, photos, tmp_path):
    options = ExportOptions(precision="int8", uint8=True)
    export_network(network, INFO, tmp_path / "a.onnx", options, photos)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 17, 23, 3), dtype=np.uint8)
    stylized = run(tmp_path / "a.onnx", torch.from_numpy(pixels))
    assert (stylized.dtype, stylized.shape) == (torch.uint8, pixels.shape)


@pytest.mark.slow
def test_openvino_runs_an_int8_network(network, photos, tmp_path):
    pytest.importorskip("openvino")
    options = ExportOptions("openvino", "int8")
    report = export_network(network, INFO, tmp_path / "a.xml", options, photos)
    assert 0 < report.mean_difference < 2
    names = ["a.bin", "a.xml", "a.xml.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.parametrize("precision", ["int8", "int8_weights"])
@pytest.mark.parametrize("format", ["torch_export", "aotinductor"])
def test_formats_without_quantization_refuse_int8(format, precision):
    with pytest.raises(StyleNetError, match=f"precision={precision} needs format=onnx"):
        ExportOptions(format, precision)


def test_int8_without_enough_photos_suggests_int8_weights(network, photos, tmp_path):
    options = ExportOptions(precision="int8")
    with pytest.raises(StyleNetError, match=r"at least 3 photos .* precision=int8_weights"):
        export_network(network, INFO, tmp_path / "a.onnx", options, photos[:2])
    assert not list(tmp_path.iterdir())


def test_a_network_without_residual_blocks_is_refused(photos, tmp_path):
    network = build_network("johnson", width=4, blocks=0)
    options = ExportOptions(precision="int8")
    with pytest.raises(StyleNetError, match="a network with residual blocks"):
        export_network(network, INFO, tmp_path / "a.onnx", options, photos)
    assert not list(tmp_path.iterdir())
