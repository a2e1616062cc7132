"""The notice in the terminal while a command loads."""

import io
import subprocess
import sys
from types import SimpleNamespace

import pytest
from PIL import Image

from stylenet.cli import infer as infer_module
from stylenet.cli import start

from .conftest import MODULES, ROOT, blotches


class Screen(io.StringIO):
    """In-memory terminal."""

    def __init__(self, is_terminal=True):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


@pytest.mark.parametrize("name", ["train", "infer"])
def test_the_terminal_shows_at_once_that_a_command_loads(name, monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "argv", ["stylenet"])
    seen = []
    module = SimpleNamespace(main=lambda: seen.append(screen.getvalue()))
    monkeypatch.setitem(sys.modules, f"stylenet.cli.{name}", module)
    start.start(name)
    (before_main,) = seen
    assert before_main == "loading PyTorch …\r\x1b[K"  # the notice is erased


def test_a_failed_import_erases_the_notice(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with pytest.raises(ImportError), start.notice("loading"):
        raise ImportError
    assert screen.getvalue().endswith("\r\x1b[K")


def test_a_log_file_gets_no_notice(monkeypatch):
    screen = Screen(is_terminal=False)
    monkeypatch.setattr(sys, "stderr", screen)
    with start.notice("loading"):
        pass
    assert screen.getvalue() == ""


def test_every_command_has_a_script():
    assert sorted(path.stem for path in (ROOT / "scripts").glob("*.py")) == sorted(MODULES)
    for name in MODULES:
        assert f'    start("{name}")\n' in (ROOT / f"scripts/{name}.py").read_text()


def test_nothing_heavy_is_imported_before_the_notice():
    code = "import sys, stylenet.cli.main; print({'torch', 'hydra', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "set()", done.stderr


def test_a_photo_that_takes_long_is_named(run, tmp_path, monkeypatch):
    screen = Screen()
    photo = blotches(tmp_path / "photo.png", 20, 30)
    shown = []
    stylize = infer_module.stylize_file

    def watch(*arguments):
        shown.append(screen.getvalue())
        return stylize(*arguments)

    monkeypatch.setattr(infer_module, "stylize_file", watch)
    monkeypatch.setattr(sys, "stderr", screen)
    assert run("infer", f"input={photo}", "style=starry", f"output={tmp_path}/out.png").status == 0
    assert shown[0].endswith("stylizing photo.png …")
    assert Image.open(tmp_path / "out.png").size == (20, 30)
