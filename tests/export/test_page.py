"""The files of an exported page; tests/export/test_web.py opens it in a browser."""

import json
import re
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.export import ExportOptions, PageNetwork, Report, export_network, export_page, page
from stylenet.networks import build_network

OPTIONS = ExportOptions("web")
ASSETS = Path(page.__file__).parent.parent / "assets" / "web"


def small_network(seed=0):
    torch.manual_seed(seed)
    return build_network("compact", width=4, deep_width=4, deep_blocks=1).eval()


def sample():
    return torch.rand(1, 3, 40, 60, generator=torch.Generator().manual_seed(0))


def export_bytes(network, info, path, options, photos=()):
    """Write random bytes, so that tests of the files around them trace no network."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weight = next(network.parameters()).detach().numpy().tobytes()
    path.write_bytes(weight)
    path.with_name(f"{path.name}.json").write_text(json.dumps({"seconds": time.time()}))
    return Report(info.style, "onnx", "float32", False, None, len(weight), ())


@pytest.fixture(autouse=True)
def quick(request, monkeypatch):
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(page, "export_network", export_bytes)


def two_networks():
    """Networks of styles whose names need care."""
    return [
        PageNetwork(small_network(), CheckpointInfo("dots & <stripes>", 7)),
        PageNetwork(small_network(1), CheckpointInfo("dots/stripes", 7)),
    ]


@pytest.fixture
def exported(tmp_path, quick):
    folder = tmp_path / "exported"
    return folder, export_page(two_networks(), folder, OPTIONS, sample())


def read(folder, name="page.json"):
    return json.loads((folder / name).read_text())


def export_again(folder, seed=0):
    info = CheckpointInfo("dots & <stripes>", 7)
    return export_page([PageNetwork(small_network(seed), info)], folder, OPTIONS, sample())


def copy(folder, target):
    for path in folder.rglob("*"):
        if path.is_file():
            (target / path.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(folder)).write_bytes(path.read_bytes())
    return target


@pytest.mark.slow
def test_every_network_is_compared_with_pytorch(tmp_path):
    pytest.importorskip("onnxruntime")
    report = export_page(two_networks(), tmp_path / "page", OPTIONS, sample())
    assert [each.style for each in report.networks] == ["dots & <stripes>", "dots/stripes"]
    assert all(each.mean_difference < 0.01 for each in report.networks)
    for each in read(tmp_path / "page")["networks"]:
        assert (tmp_path / "page" / each["file"]).stat().st_size == each["bytes"]
        assert read(tmp_path / "page", f"{each['file']}.json")["mean_difference"] < 0.01


def test_every_network_is_described(exported):
    folder, _ = exported
    described = read(folder)["networks"]
    assert [each["name"] for each in described] == ["dots_stripes", "dots_stripes-2"]
    assert [each["title"] for each in described] == ["Dots & <stripes>", "Dots/stripes"]
    for each in described:
        assert (folder / each["file"]).stat().st_size == each["bytes"]
        assert Image.open(folder / each["picture"]).size == (256, 256)
    assert Image.open(folder / "sample.jpg").size == (60, 40)


def test_a_network_that_differs_leaves_no_page(tmp_path, monkeypatch):
    def export(network, info, *arguments):
        if info.style == "second":
            raise StyleNetError("the exported network differs from the PyTorch network")
        return export_bytes(network, info, *arguments)

    monkeypatch.setattr(page, "export_network", export)
    networks = [
        PageNetwork(small_network(), CheckpointInfo(name, 1)) for name in ("first", "second")
    ]
    with pytest.raises(StyleNetError, match="differs from the PyTorch network"):
        export_page(networks, tmp_path / "page", OPTIONS, sample())
    assert not (tmp_path / "page").exists()


def test_without_a_runtime_npm_is_told_what_to_install(exported):
    folder, _ = exported
    assert read(folder, "package.json")["dependencies"] == {"onnxruntime-web": "1.30.0"}
    assert read(folder)["runtime"] == {}


def test_every_file_is_kept_for_use_offline(exported):
    folder, report = exported
    text = (folder / "files.js").read_text()
    listed = set(json.loads(re.fullmatch(r"self\.PAGE = (.*);\n", text, re.DOTALL)[1])["files"])
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    only_here = {"files.js", "service-worker.js", "package.json"}
    assert listed == {name for name in files - only_here if not name.endswith(".onnx.json")}
    assert report.bytes == sum((folder / name).stat().st_size for name in files)


def test_the_manifest_names_icons_of_their_sizes(exported):
    folder, _ = exported
    manifest = read(folder, "manifest.webmanifest")
    assert manifest["start_url"] == manifest["scope"] == "./"
    assert manifest["display"] == "standalone"
    sizes = set()
    for icon in manifest["icons"]:
        path = folder / icon["src"]
        assert path.is_file()
        if icon["type"] == "image/png":
            width, height = Image.open(path).size
            assert icon["sizes"] == f"{width}x{height}"
            sizes.add((width, icon.get("purpose", "any")))
    assert sizes == {(192, "any"), (512, "any"), (512, "maskable")}  # what Chromium asks for


def test_the_same_networks_give_the_same_version(tmp_path):
    folder = tmp_path / "page"
    export_again(folder)
    first = read(folder)["version"]
    export_again(folder)
    assert read(folder)["version"] == first
    export_again(folder, seed=1)
    assert read(folder)["version"] != first


def test_another_export_replaces_the_page_but_no_file_that_the_user_changed(
    exported, quick, tmp_path
):
    folder = copy(exported[0], tmp_path / "page")
    (folder / "page.css").write_text("body { color: red }")
    (folder / "my.jpg").write_text("mine")
    (folder / "page.js").write_text("of an earlier version")
    # As if an earlier version had written page.js.
    written = read(folder)
    written["written"]["page.js"] = page._hash(folder / "page.js")
    (folder / "page.json").write_text(json.dumps(written))
    report = export_again(folder)
    assert report.kept == ("page.css",)
    assert (folder / "page.css").read_text() == "body { color: red }"
    assert (folder / "my.jpg").read_text() == "mine"
    assert (folder / "page.js").read_bytes() == (ASSETS / "page.js").read_bytes()
    assert not (folder / "networks" / "dots_stripes-2.onnx").exists()
    assert export_again(folder).kept == ("page.css",)  # still theirs


def test_a_damaged_description_deletes_nothing_outside(exported, tmp_path):
    folder = copy(exported[0], tmp_path / "page")
    letter = tmp_path / "letter.txt"
    letter.write_text("mine")
    described = read(folder)
    described["written"] = {"../letter.txt": page._hash(letter)}
    (folder / "page.json").write_text(json.dumps(described))
    export_again(folder)
    assert letter.read_text() == "mine"


def test_an_existing_file_is_not_overwritten_by_the_folder(tmp_path):
    (tmp_path / "page").write_text("a letter")
    with pytest.raises(StyleNetError, match="is a file; format=web writes a folder"):
        export_again(tmp_path / "page")
    assert (tmp_path / "page").read_text() == "a letter"


def test_a_single_file_is_no_page(tmp_path):
    with pytest.raises(StyleNetError, match="Call export_page"):
        export_network(small_network(), CheckpointInfo("dots", 1), tmp_path / "x.onnx", OPTIONS)


def test_the_page_names_no_other_host(exported):
    for path in exported[0].iterdir():
        if path.suffix in {".html", ".js", ".css", ".webmanifest"}:
            assert "//" not in re.sub(r"(^|\s)//.*", "", path.read_text()), path
    policy = re.search(r'content="(default-src[^"]*)"', (exported[0] / "index.html").read_text())[1]
    sources = {word for part in policy.split(";") for word in part.split()[1:]}
    assert sources == {"'none'", "'self'", "'wasm-unsafe-eval'", "blob:", "data:"}
