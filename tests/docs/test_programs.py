"""Every Python program in the documentation runs."""

import contextlib
import sys
from importlib import import_module

import pytest

from .snippets import PAGES, find_snippets
from .stand_ins import fill

PROGRAMS = [s for page in PAGES for s in find_snippets(page) if s.language == "python"]

# What a page leaves out, and what is shortened; all else runs as written.
BEFORE = {
    "docs/methods/image-optimization.md": """
from stylenet.image import flatten, load_image, to_tensor
from stylenet.perceptual import ContentLoss, LiteEncoder, PerceptualLoss

photo = to_tensor(flatten(load_image("photo.jpg")))
criterion = PerceptualLoss(LiteEncoder(), {"content": ContentLoss(["relu1_2"])}, None)
""",
    "docs/extending.md": "def write(*_): ...\ndef read(path): ...\n",
}
SHORTENED = {
    'experiment="laptop"': (
        'experiment="quickstart", max_steps=1, data={"crop_size": 64, "workers": 0}, '
        'trainer={"accelerator": "cpu"}, callbacks={"previews": {"size": 64}}'
    ),
    "steps=100": "steps=2",
    'from_pretrained("user/mine")': 'from_pretrained("starry")',
    'start=1, end="0:00:03"': 'start=0.1, end="0:00:00.4"',
}
# Programs that are compiled only, by a text that they hold, with the reason.
COMPILED = {
    "import ncnn": "needs an extra for phones; tests/export/test_phones.py runs ncnn",
    "server.wait()": "does not end; tests/app/ starts the server",
}
ARGUMENTS = {"docs/export.md": ["network.onnx", "photo.jpg", "out.png"]}


@pytest.fixture
def folder(tmp_path, monkeypatch, make_state):
    """Change to a folder with everything that the programs name."""
    fill(tmp_path, make_state)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def own_registries(monkeypatch):
    """Forget what a program registers."""
    for registry in ("stylenet.networks.registry._NETWORKS", "stylenet.export.registry._FORMATS"):
        module, name = registry.rsplit(".", 1)
        monkeypatch.setattr(registry, dict(getattr(import_module(module), name)))


@pytest.mark.slow
@pytest.mark.parametrize("snippet", PROGRAMS, ids=lambda s: f"{s.page}:{s.line}")
def test_every_program_runs(snippet, folder, monkeypatch, own_registries):
    text = snippet.text
    for long, short in SHORTENED.items():
        text = text.replace(long, short)
    if snippet.page == "docs/export.md":
        export_network_onnx(folder)
    monkeypatch.setattr(sys, "argv", ["program.py", *ARGUMENTS.get(snippet.page, [])])
    scope = {"__name__": "__main__"}
    exec(BEFORE.get(snippet.page, ""), scope)
    program = compile(text, f"{snippet.page}:{snippet.line}", "exec")
    if any(part in text for part in COMPILED):
        return
    with contextlib.suppress(SystemExit):
        exec(program, scope)


def export_network_onnx(folder):
    from stylenet.checkpoint import load_checkpoint
    from stylenet.export import ExportOptions, export_network

    network, info = load_checkpoint("great_wave_compact")
    export_network(network, info, folder / "network.onnx", ExportOptions())
