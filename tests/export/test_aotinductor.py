import shutil

import pytest
import torch

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.export import ExportOptions, export_network
from stylenet.networks import build_network

INFO = CheckpointInfo("dots", 7)
pytestmark = pytest.mark.xdist_group("export")
SHAPES = [(1, 64, 64), (1, 17, 23), (2, 17, 23), (3, 37, 50), (1, 1, 1), (1, 2, 40), (1, 40, 1)]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler (g++)")
@torch.inference_mode()
def test_the_package_gives_the_same_images_at_any_size(tmp_path):
    # A single test, because compiling takes most of a minute.
    torch.manual_seed(0)
    network = build_network("johnson", width=2, blocks=0).eval()
    path = tmp_path / "dots.pt2"
    report = export_network(network, INFO, path, ExportOptions("aotinductor"))
    assert report.mean_difference < 0.001
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dots.pt2", "dots.pt2.json"]
    package = torch._inductor.aoti_load_package(str(path))
    assert package.get_metadata()["style"] == "dots"
    for count, height, width in SHAPES:
        images = torch.rand(count, 3, height, width)
        torch.testing.assert_close(package(images), network(images), rtol=0, atol=1e-4)


def test_a_failing_compiler_is_reported_in_one_line(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("No working C++ compiler found\nand much more")

    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", fail)
    network = build_network("johnson", width=2, blocks=0)
    with pytest.raises(
        StyleNetError, match="No working C\\+\\+ compiler found\\); it needs"
    ) as error:
        export_network(network, INFO, tmp_path / "a.pt2", ExportOptions("aotinductor"))
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
