"""onnxruntime-web, which runs the networks of an exported page in the browser."""

import base64
import gzip
import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from stylenet.errors import StyleNetError
from stylenet.files import atomic_path, cache_folder, reason, replace_folder

VERSION = "1.30.0"
# npm's checksum of the archive, 33 MB, of which the page needs the six files below.
_URL = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
_SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
# The programs of the two providers: the CPU by WebAssembly, and the GPU by WebGPU.
PROVIDERS = {
    "wasm": (
        "ort.wasm.min.mjs",
        "ort-wasm-simd-threaded.mjs",
        "ort-wasm-simd-threaded.wasm",
    ),
    "webgpu": (
        "ort.webgpu.min.mjs",
        "ort-wasm-simd-threaded.asyncify.mjs",
        "ort-wasm-simd-threaded.asyncify.wasm",
    ),
}
_PACKAGE = "onnxruntime-web"


def find_runtime(
    page: Path, package: Path | None = None, tell: Callable[[str], None] = lambda line: None
) -> Path | None:
    """Find onnxruntime-web: a given package, an npm package near the page, or a download.

    Args:
        page: Folder of the page; ``node_modules`` is searched in it and in the folders above it.
        package: Folder of the npm package ``onnxruntime-web``; ``None`` to search.
        tell: Called with a line before the download begins, and with one if it fails.

    Returns:
        A folder with the files of :data:`PROVIDERS`; ``None`` if there is no package and it cannot
        be downloaded.

    Raises:
        StyleNetError: ``package`` lacks some of the files, or the download is damaged.
    """
    if package is not None:
        missing = _missing(package / "dist")
        if missing:
            raise StyleNetError(
                f"runtime={package} lacks dist/{missing[0]}. Give the folder of the npm package: "
                f"npm install {_PACKAGE}@{VERSION}, runtime=node_modules/{_PACKAGE}"
            )
        return package / "dist"
    for folder in (page.absolute(), *page.absolute().parents):
        files = folder / "node_modules" / _PACKAGE / "dist"
        if not _missing(files):
            return files
    return _download_once(tell)


def write_runtime(source: Path, target: Path) -> None:
    """Write the files of onnxruntime-web that a page needs, the large ones compressed.

    Args:
        source: Folder of :func:`find_runtime`.
        target: Its new folder. Of the package's ``package.json`` the version and the license are
            kept.

    Raises:
        StyleNetError: A file cannot be read or written.
    """
    try:
        for name in [name for names in PROVIDERS.values() for name in names]:
            compressed = source / f"{name}.gz"
            if compressed.is_file():  # from the cache
                _copy(compressed, target / compressed.name)
            elif name.endswith(".wasm"):
                # Without a time, so that the same file gives the same bytes.
                content = gzip.compress((source / name).read_bytes(), 6, mtime=0)
                with atomic_path(target / f"{name}.gz") as temporary:
                    temporary.write_bytes(content)
            else:
                _copy(source / name, target / name)
        _copy(_description(source), target / "package.json")
    except OSError as error:
        raise StyleNetError(f"cannot copy {source} to {target}: {reason(error)}") from error


def runtime_bytes(folder: Path) -> dict[str, int]:
    """Return the bytes that each provider loads from a folder of :func:`write_runtime`."""
    return {
        provider: sum(_size(folder / name) or _size(folder / f"{name}.gz") for name in names)
        for provider, names in PROVIDERS.items()
    }


def _download_once(tell: Callable[[str], None]) -> Path | None:
    """Return the runtime in StyleNet's cache folder, downloading it if it is missing."""
    # Imports requests, which takes a tenth of a second.
    from stylenet.download import DownloadError, download

    target = cache_folder() / _PACKAGE / VERSION
    if not _missing(target):
        return target
    tell(f"downloading {_PACKAGE} {VERSION}, once (33 MB)")
    archive = cache_folder() / _PACKAGE / Path(_URL).name
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        for _ in download(_URL, archive, pause=0.5, retries=1):
            pass
    except DownloadError as error:
        tell(f"{_URL} could not be downloaded ({error.cause})")
        return None
    except OSError as error:
        raise StyleNetError(
            f"cannot write {archive}: {reason(error)}. Set STYLENET_CACHE to a folder that can be "
            f"written"
        ) from error
    if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != _SHA512:
        archive.unlink()
        raise StyleNetError(
            f"{_URL} has another checksum than expected and was deleted. Run the command again, or "
            f"give the folder of an installed package: runtime=node_modules/{_PACKAGE}"
        )
    with tempfile.TemporaryDirectory() as folder:
        dist = Path(folder) / "package" / "dist"
        dist.mkdir(parents=True)
        names = {f"dist/{name}" for names in PROVIDERS.values() for name in names}
        with tarfile.open(archive) as tar:
            for name in sorted(names | {"package.json"}):
                with tar.extractfile(f"package/{name}") as file:  # type: ignore[union-attr]
                    (dist.parent / name).write_bytes(file.read())
        write_runtime(dist, Path(folder) / "complete")
        replace_folder(Path(folder) / "complete", target)
    archive.unlink()
    return target


def _missing(folder: Path) -> list[str]:
    """List the files of the runtime that a folder holds neither plain nor compressed."""
    return [
        name
        for names in PROVIDERS.values()
        for name in names
        if not (folder / name).is_file() and not (folder / f"{name}.gz").is_file()
    ]


def _description(source: Path) -> Path:
    """Return the ``package.json`` of a runtime, in an npm package or in the cache."""
    inside = source / "package.json"
    return inside if inside.is_file() else source.parent / "package.json"


def runtime_version(source: Path) -> str:
    """Return the version of a runtime of :func:`find_runtime`; empty if it says none."""
    try:
        return str(json.loads(_description(source).read_text())["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
