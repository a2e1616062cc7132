"""Web page that stylizes photos, videos of a camera included, with exported networks."""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageOps
from torch import Tensor

import stylenet
from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.export.check import Report
from stylenet.export.network import export_network
from stylenet.export.options import ExportOptions
from stylenet.export.runtime import VERSION, runtime_bytes, write_runtime
from stylenet.files import atomic_path, reason
from stylenet.networks import DialsNetwork, StyleNetwork
from stylenet.pretrained import make_title

# index.html, page.js and the scripts that it imports are the page; stylizer.js can be used in other
# pages, too.
_ASSETS = Path(__file__).parent.parent / "assets" / "web"
# Height and width of a style's picture in pixels: twice its size on the page, for sharp screens.
_PICTURE = 256
# Labels of the sliders of dials.
_LABELS = {"stroke": "Stroke size", "style_weight": "Style weight"}
# Network and picture have the style's name, and the report the network's with .json appended.
_NETWORKS = "networks"


@dataclass(frozen=True)
class PageInput:
    """Scalar input of a network beside the image, for which the page has a slider.

    Attributes:
        name: Name of the input in the ONNX file, float32, shape (1,).
        label: Label of the slider.
        minimum: Smallest value.
        maximum: Largest value.
        default: Value at the beginning.
    """

    name: str
    label: str
    minimum: float
    maximum: float
    default: float


@dataclass(frozen=True)
class PageNetwork:
    """Network for a page.

    Attributes:
        network: Network of one style; one with dials for ``options.dials``.
        info: Metadata of its checkpoint.
        inputs: Its scalar inputs, see :func:`dial_inputs`.
    """

    network: StyleNetwork
    info: CheckpointInfo
    inputs: tuple[PageInput, ...] = ()


def dial_inputs(network: StyleNetwork) -> tuple[PageInput, ...]:
    """Return an input for each dial of a network; none for a network without dials."""
    if not isinstance(network, DialsNetwork):
        return ()
    return tuple(
        PageInput(name, _LABELS[name], 1 / largest, largest, 1.0)
        for name, largest in network.limits.items()
    )


@dataclass(frozen=True)
class PageReport:
    """What an export wrote.

    Attributes:
        networks: Comparison of each network with PyTorch.
        kept: Files of an earlier export that the user changed and that are therefore left as
            they are.
        bytes: Size of the page.
    """

    networks: tuple[Report, ...]
    kept: tuple[str, ...] = ()
    bytes: int = 0


@dataclass
class _Written:
    """Files written so far: their SHA-256 by name, and names of changed files of the user."""

    files: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)


def export_page(
    networks: Sequence[PageNetwork],
    folder: Path,
    options: ExportOptions,
    sample: Tensor,
    runtime: Path | None = None,
    photos: Sequence[Tensor] = (),
) -> PageReport:
    """Export networks and write a page that runs them; another export to the folder replaces it.

    Every network is compared with PyTorch before the first file appears. Files of an earlier export
    that the user has changed since stay as they are.

    Args:
        networks: The networks, in the order of the page.
        folder: Folder of the page.
        options: Options with ``format="web"``, for all networks.
        sample: Photo for the pictures of the styles and for a first try; RGB in [0, 1], shape
            (1, 3, H, W).
        runtime: onnxruntime-web, see :func:`stylenet.export.find_runtime`; ``None`` leaves it to
            npm, for which the page then has a ``package.json``.
        photos: See :func:`stylenet.export.export_network`.

    Returns:
        The comparisons and the size.

    Raises:
        StyleNetError: See :func:`stylenet.export.export_network`; also if ``folder`` is a file.
    """
    if folder.is_file():
        raise StyleNetError(f"output={folder} is a file; format=web writes a folder")
    names = _file_names([each.info.style for each in networks])
    onnx = replace(options, format="onnx")
    with tempfile.TemporaryDirectory() as temporary:
        new = Path(temporary)
        reports = []
        for each, name in zip(networks, names, strict=True):
            path = new / _NETWORKS / f"{name}.onnx"
            # On a page with several networks, those with dials may stand beside others.
            dials = options.dials and (bool(each.inputs) or len(networks) == 1)
            one = replace(onnx, dials=dials)
            reports.append(export_network(each.network, each.info, path, one, photos))
            picture = _crop(_to_image(each.network.eval().to("cpu"), sample))
            picture.save(path.with_suffix(".jpg"), quality=85)
        _to_image(None, sample).save(new / "sample.jpg", quality=90)
        shutil.copytree(_ASSETS, new, dirs_exist_ok=True)
        if runtime is None:
            _write_json(
                new / "package.json",
                {"private": True, "dependencies": {"onnxruntime-web": VERSION}},
            )
        else:
            write_runtime(runtime, new / "runtime")
        page = {
            "title": make_title(names[0]) if len(names) == 1 else "StyleNet",
            "networks": [
                {
                    "name": name,
                    "title": make_title(each.info.style),
                    "file": f"{_NETWORKS}/{name}.onnx",
                    "bytes": report.bytes,
                    "picture": f"{_NETWORKS}/{name}.jpg",
                    "inputs": [asdict(item) for item in each.inputs],
                }
                for each, name, report in zip(networks, names, reports, strict=True)
            ],
            "runtime": {} if runtime is None else runtime_bytes(new / "runtime"),
            "stylenet": stylenet.__version__,
        }
        _write_json(new / "manifest.webmanifest", _manifest(str(page["title"])))
        return _replace_page(new, folder, page, reports)


def _replace_page(
    new: Path, folder: Path, page: dict[str, Any], reports: Sequence[Report]
) -> PageReport:
    """Move a page to its folder, where an unchanged earlier one disappears."""
    before = _earlier_files(folder)
    written = _Written()
    sources = sorted(path for path in new.rglob("*") if path.is_file())
    for source in sources:
        name = source.relative_to(new).as_posix()
        written.files[name] = _hash(source)
        # A file without a record was there before the first export: it is the user's.
        if _is_changed(folder / name, before.get(name), written.files[name]):
            written.kept.append(name)
            continue
        with atomic_path(folder / name) as temporary:
            shutil.copyfile(source, temporary)
    for name in before.keys() - written.files.keys():
        if not _is_changed(folder / name, before[name], ""):
            (folder / name).unlink(missing_ok=True)
    # Neither the reports, which hold measured times, nor what only npm reads.
    offline = [
        name
        for name in written.files
        if not name.endswith((".onnx.json", "package.json", "worker.js"))
    ]
    # The service worker keeps one version of the page, and a new version replaces it.
    contents = {name: _hash(folder / name) for name in offline}
    version = hashlib.sha256(json.dumps([page, contents]).encode()).hexdigest()[:16]
    page = {**page, "version": version, "written": written.files}
    with atomic_path(folder / "page.json") as temporary:
        _write_json(temporary, page)
    # Browsers compare the bytes of a service worker and of its imports, and these change with the
    # version.
    listed = json.dumps({"version": version, "files": ["page.json", *offline]}, indent=1)
    with atomic_path(folder / "files.js") as temporary:
        temporary.write_text(f"self.PAGE = {listed};\n")
    size = sum((folder / name).stat().st_size for name in [*written.files, "page.json", "files.js"])
    return PageReport(tuple(reports), tuple(written.kept), size)


def _earlier_files(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that an earlier export wrote, by name."""
    try:
        files = json.loads((folder / "page.json").read_text())["written"]
        inside = folder.resolve()
        return {
            str(name): str(digest)
            for name, digest in files.items()
            if inside in (folder / name).resolve().parents
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _is_changed(path: Path, recorded: str | None, new: str) -> bool:
    """Return whether a file is there that is neither the recorded one nor the new one."""
    return path.is_file() and _hash(path) not in (recorded, new)


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise StyleNetError(f"cannot read {path}: {reason(error)}") from error


def _file_names(styles: Sequence[str]) -> list[str]:
    """Return a file name for each style, without characters that addresses would need quoted."""
    names: list[str] = []
    for style in styles:
        name = stem = re.sub(r"[^\w.-]+", "_", style, flags=re.ASCII).strip("_.") or "style"
        count = 1
        while name in names:
            count += 1
            name = f"{stem}-{count}"
        names.append(name)
    return names


@torch.inference_mode()
def _to_image(network: StyleNetwork | None, sample: Tensor) -> Image.Image:
    """Return a photo as an image, stylized if there is a network."""
    image = sample if network is None else network(sample)
    pixels = (image[0].clamp(0, 1) * 255).round().to(torch.uint8)  # (3, H, W)
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def _crop(image: Image.Image) -> Image.Image:
    return ImageOps.fit(image, (_PICTURE, _PICTURE), Image.Resampling.LANCZOS)


def _manifest(title: str) -> dict[str, Any]:
    """Return the web app manifest, which lets browsers install the page."""
    icons = [
        {"src": "icons/icon.svg", "sizes": "any", "type": "image/svg+xml"},
        *(
            {"src": f"icons/{name}.png", "sizes": f"{side}x{side}", "type": "image/png"}
            for name, side in (("icon-192", 192), ("icon-512", 512))
        ),
        {
            "src": "icons/maskable-512.png",
            "sizes": "512x512",
            "type": "image/png",
            "purpose": "maskable",
        },
    ]
    return {
        "id": "./",
        "name": title if title == "StyleNet" else f"{title} (StyleNet)",
        "short_name": title,
        "description": "Stylizes photos and the camera's image on this device.",
        "start_url": "./",
        "scope": "./",
        "display": "standalone",
        "background_color": "#faf8f5",
        "theme_color": "#faf8f5",
        "icons": icons,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
