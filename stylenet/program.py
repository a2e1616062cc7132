"""The commands of StyleNet, and how messages call them."""

import sys
from dataclasses import dataclass
from pathlib import Path

# Beside the package in a clone; a wheel has none.
_SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@dataclass(frozen=True)
class Command:
    """Entry of the table of commands.

    Attributes:
        module: Name of its module in ``stylenet.cli``, of its YAML file in ``configs/`` and of its
            script in ``scripts/``; empty for a command that has no options.
        summary: One line for ``stylenet --help``.
    """

    module: str
    summary: str


COMMANDS = {
    "app": Command("", "Open a page for photos, videos, the camera and trainings"),
    "train": Command("train", "Train a network on a style"),
    "infer": Command("infer", "Stylize images, folders, videos and camera streams"),
    "optimize": Command("optimize", "Stylize a photo by optimizing its pixels"),
    "dream": Command("dream", "Run DeepDream on an image"),
    "evaluate": Command("evaluate", "Measure trained networks on photos and videos"),
    "export": Command("export", "Export to ONNX, OpenVINO, PyTorch, phones or the web"),
    "push": Command("push", "Share a network on the Hugging Face Hub"),
    "import": Command("import_checkpoint", "Convert a network of PyTorch's fast_neural_style"),
    "benchmark": Command("benchmark", "Measure speed and memory"),
    "data check": Command("check_data", "Find photos that training would skip"),
    "data shards": Command("make_shards", "Pack a folder of photos into shards"),
    "data coco": Command("prepare_coco", "Download and unpack COCO's training photos"),
    "styles": Command("", "List the pretrained styles"),
    "styles paint": Command("paint_styles", "Paint the bundled style images"),
    "styles sheet": Command("contact_sheet", "Show styles side by side in one image"),
    "styles add": Command("add_pretrained", "Add a trained network to the pretrained styles"),
    "encoder distill": Command("distill_encoder", "Distill a small encoder from VGG"),
}


def command(name: str) -> str:
    """Return what a user types to start a command, in the way this program was started.

    Args:
        name: Key of :data:`COMMANDS`, such as ``data check``.

    Returns:
        ``python scripts/check_data.py`` for a user of the scripts, else ``stylenet data check``.
    """
    module = COMMANDS[name].module
    return f"python scripts/{module}.py" if is_script() and module else f"stylenet {name}"


def command_name(module: str) -> str:
    """Return the name of the command that a module of ``stylenet.cli`` holds."""
    return next(name for name, entry in COMMANDS.items() if entry.module == module)


def is_script() -> bool:
    """Return whether this program was started as one of the files in ``scripts/``."""
    return Path(*sys.argv[:1]).resolve().parent == _SCRIPTS
