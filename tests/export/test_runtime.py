"""Where onnxruntime-web comes from: small stand-ins for its files, and a local server."""

import base64
import gzip
import hashlib
import io
import json
import tarfile

import pytest

from stylenet.errors import StyleNetError
from stylenet.export import find_runtime, runtime, runtime_version
from stylenet.export.runtime import PROVIDERS, runtime_bytes, write_runtime

from ..web import serving

NAMES = [name for names in PROVIDERS.values() for name in names]


def make_package(folder):
    (folder / "dist").mkdir(parents=True)
    for name in NAMES:
        (folder / "dist" / name).write_bytes(name.encode() * 100)
    (folder / "dist" / "ort.all.js").write_text("not needed")
    (folder / "package.json").write_text(json.dumps({"version": "9.8.7", "license": "MIT"}))
    return folder


@pytest.fixture
def package(tmp_path):
    return make_package(tmp_path / "installed")


@pytest.fixture
def archive(package, monkeypatch):
    """The package as npm's registry has it, with its checksum."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        tar.add(package, "package")
    digest = hashlib.sha512(file.getvalue()).digest()
    monkeypatch.setattr(runtime, "_SHA512", base64.b64encode(digest).decode())
    return file.getvalue()


def test_only_the_needed_files_are_copied_and_the_large_ones_compressed(package, tmp_path):
    write_runtime(package / "dist", tmp_path / "runtime")
    names = {f"{name}.gz" if name.endswith(".wasm") else name for name in NAMES}
    assert {path.name for path in (tmp_path / "runtime").iterdir()} == names | {"package.json"}
    name = PROVIDERS["wasm"][-1]
    compressed = tmp_path / "runtime" / f"{name}.gz"
    assert gzip.decompress(compressed.read_bytes()) == name.encode() * 100
    assert runtime_bytes(tmp_path / "runtime")["wasm"] < 100 * sum(map(len, PROVIDERS["wasm"]))
    assert runtime_version(tmp_path / "runtime") == "9.8.7"


def test_a_package_above_the_page_is_found(tmp_path):
    package = make_package(tmp_path / "node_modules" / "onnxruntime-web")
    assert find_runtime(tmp_path / "site" / "page") == package / "dist"


def test_a_given_package_needs_its_files(package, tmp_path):
    assert find_runtime(tmp_path / "page", package) == package / "dist"
    (package / "dist" / NAMES[0]).unlink()
    with pytest.raises(StyleNetError, match=rf"lacks dist/{NAMES[0]}. Give the folder"):
        find_runtime(tmp_path / "page", package)


def test_the_package_is_downloaded_once(archive, tmp_path, monkeypatch):
    lines = []
    with serving(archive, monkeypatch) as server:
        monkeypatch.setattr(runtime, "_URL", f"{server.url}/onnxruntime-web.tgz")
        first = find_runtime(tmp_path / "page", tell=lines.append)
        assert find_runtime(tmp_path / "page", tell=lines.append) == first
        assert len(server.requests) == 1
    assert len(lines) == 1
    assert lines[0].startswith("downloading onnxruntime-web")
    assert runtime_version(first) == "9.8.7"
    assert not list(first.parent.glob("*.tgz"))  # 33 MB
    write_runtime(first, tmp_path / "copy")
    content = (tmp_path / "copy" / f"{NAMES[2]}.gz").read_bytes()
    assert gzip.decompress(content) == NAMES[2].encode() * 100


def test_another_archive_than_expected_is_refused(archive, tmp_path, monkeypatch):
    with serving(archive + b"more", monkeypatch) as server:
        monkeypatch.setattr(runtime, "_URL", f"{server.url}/onnxruntime-web.tgz")
        with pytest.raises(StyleNetError, match="another checksum than expected"):
            find_runtime(tmp_path / "page")
        assert not list((tmp_path).rglob("*.tgz"))


def test_without_a_network_there_is_none_and_the_reason_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "_URL", "http://127.0.0.1:9/onnxruntime-web.tgz")
    lines = []
    assert find_runtime(tmp_path / "page", tell=lines.append) is None
    assert "could not be downloaded (no connection)" in lines[-1]
