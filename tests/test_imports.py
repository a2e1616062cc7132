"""Imports between subpackages, from the higher to the lower ones only."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "stylenet"
FILES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))

# The subpackages that each subpackage may import, beside itself.
ALLOWED = {
    # Imported lazily.
    "__init__": {"api", "inference", "networks", "pretrained", "errors"},
    "__main__": {"cli"},
    "errors": set(),
    "program": set(),
    "files": {"errors"},
    "download": {"files", "errors"},
    "image": {"errors", "files"},
    "ranks": set(),
    "contention": set(),
    "arithmetic": {"files", "errors"},
    "state_dict": {"errors"},
    "painting": set(),
    "plugins": set(),
    "vgg": set(),
    "moments": set(),
    "networks": {"plugins", "vgg", "moments", "errors"},
    "perceptual": {"vgg", "moments", "state_dict", "errors", "files", "program"},
    "optimization": {"perceptual", "files", "errors"},
    # stylenet.video is imported lazily, for videos as training data.
    "data": {"image", "video", "download", "files", "errors", "program"},
    "pretrained": {"errors"},
    # huggingface_hub is imported lazily.
    "hub": {"errors", "__init__"},
    # stylenet.perceptual is imported lazily, because it imports torchvision.
    "frozen_encoder": {"networks", "perceptual", "files", "errors"},
    "checkpoint": {
        *("networks", "style selection", "frozen_encoder", "pretrained", "hub"),
        *("files", "errors", "program", "__init__"),
    },
    "training": {
        *("networks", "perceptual", "moments", "data", "checkpoint"),
        *("image", "files", "ranks", "contention", "arithmetic", "errors"),
    },
    "importing": {"networks", "checkpoint", "state_dict", "errors", "program"},
    "export": {
        *("networks", "checkpoint", "pretrained", "plugins", "download", "files", "errors"),
        "__init__",
    },
    "inference": {
        *("image", "networks", "checkpoint", "pretrained", "hub"),
        *("files", "ranks", "contention", "arithmetic", "errors"),
    },
}
ALLOWED["benchmark"] = {
    *("inference", "video", "training", "data", "networks", "perceptual"),
    *("checkpoint", "image", "files", "contention", "arithmetic", "errors", "program"),
}
ALLOWED["video"] = {
    *("inference", "image", "networks", "contention"),
    *("files", "errors", "__init__"),
}
ALLOWED["dreaming"] = {"perceptual", "errors"}
ALLOWED["evaluation"] = {
    *("perceptual", "optimization", "inference", "video", "networks", "checkpoint"),
    *("image", "data", "files", "errors"),
}
# The parts of a method that inference needs.
ALLOWED["style selection"] = {"networks", "image", "pretrained", "files", "errors"}
ALLOWED["methods"] = {
    *("style selection", "training", "perceptual", "networks", "moments", "data", "checkpoint"),
    *("image", "files", "errors"),
}
ALLOWED["encoder_distillation"] = {
    *("training", "perceptual", "networks", "data", "files", "errors"),
}
ALLOWED["app"] = {
    *("inference", "video", "checkpoint", "style selection", "pretrained", "image"),
    *("files", "errors", "__init__"),
}
ALLOWED["cli"] = {*ALLOWED}
ALLOWED["api"] = {"cli", "image", "errors"}

# The subpackages that may import heavy libraries.
MAY_IMPORT = {
    "hydra": {"cli"},
    "omegaconf": {"cli"},
    "gradio": {"app"},
    "pytorch_lightning": {
        *("data", "training", "methods", "encoder_distillation", "benchmark", "cli"),
    },
}


METHOD_FOLDERS = {
    ".".join(path.parent.relative_to(ROOT).parts)
    for path in (PACKAGE / "methods").rglob("__init__.py")
}


def subpackage_of_file(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return subpackage_of(".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:-1] else parts))


def subpackage_of(module):
    """Return the subpackage of ``stylenet.subpackage.…``, or ``__init__`` for ``stylenet``."""
    parts = [*module.split("."), "__init__"]
    if parts[1] == "methods" and (parts[-2] in ("base", "selection") or module in METHOD_FOLDERS):
        return "style selection"
    return parts[1]


def imports_of(path):
    return find_imports(path.read_text(), path.relative_to(ROOT).with_suffix("").parts)


def find_imports(source, parts):
    """Return the full names of all modules that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(parts[: -node.level]) if node.level else ""
            module = f"{above}.{node.module or ''}".strip(".")
            # `from stylenet import image` is an import of stylenet.image.
            for alias in node.names:
                known = module == "stylenet" and alias.name in ALLOWED
                names.add(f"stylenet.{alias.name}" if known else module)
    return names


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_subpackage_imports_only_lower_ones(path):
    subpackage = subpackage_of_file(path)
    assert subpackage in ALLOWED, f"list in ALLOWED the subpackages that {subpackage} may import"
    imported = {
        subpackage_of(module) for module in imports_of(path) if module.split(".")[0] == "stylenet"
    }
    assert imported <= ALLOWED[subpackage] | {subpackage}


@pytest.mark.parametrize("path", FILES, ids=name)
def test_heavy_libraries_are_imported_only_where_allowed(path):
    subpackage = subpackage_of_file(path)
    imported = {module.split(".")[0] for module in imports_of(path)}
    assert not {
        module for module in imported if subpackage not in MAY_IMPORT.get(module, {subpackage})
    }


@pytest.mark.parametrize("path", FILES, ids=name)
def test_one_helper_expands_the_tilde(path):
    allowed = {"files.py", "scan.py"}
    assert path.name in allowed or "expanduser" not in path.read_text(), "use files.user_path"


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_a_script_is_a_thin_entry_point(path):
    assert len(path.read_text().splitlines()) < 20
    assert any(module.startswith("stylenet.cli.") for module in imports_of(path))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("import stylenet", {"stylenet"}),
        ("import os, stylenet.image as i", {"os", "stylenet.image"}),
        ("from stylenet import image, __version__", {"stylenet.image", "stylenet"}),
        ("from stylenet.image import x", {"stylenet.image"}),
        ("from . import x", {"stylenet.data"}),
        ("from ..image import x", {"stylenet.image"}),
        ("from .. import image", {"stylenet.image"}),
        ("def f():\n    from hydra.utils import x", {"hydra.utils"}),
    ],
)
def test_imports_are_found_in_every_form(line, expected):
    assert find_imports(line, ("stylenet", "data", "scan")) == expected
