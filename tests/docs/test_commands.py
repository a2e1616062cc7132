"""Every command in the documentation runs, in order, page by page.

``changes.py`` lists what is shortened or left out, and why.
"""

import importlib.util
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from functools import partial

import pytest

from stylenet.cli.main import main
from stylenet.cli.start import start
from stylenet.export import runtime

from .changes import APPENDED, CHECKED, COMPOSED, PREPARED, REPLACED
from .snippets import PAGES, ROOT, find_snippets, page_name
from .stand_ins import fill

SNIPPETS = [snippet for page in PAGES for snippet in find_snippets(page)]
COMMANDS = [snippet for snippet in SNIPPETS if snippet.language == "shell"]
WITH_COMMANDS = sorted({snippet.page for snippet in COMMANDS})


@pytest.fixture
def folder(tmp_path, monkeypatch, make_state):
    """Change to a folder with everything that the commands name, and without the internet."""
    # The page for browsers asks for onnxruntime-web, and is written without it.
    monkeypatch.setattr(runtime, "_URL", "http://127.0.0.1:9/nothing.tgz")

    connect = socket.socket.connect

    def connect_here(self, address):
        # Libraries talk to processes of theirs.
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a documented command opened a connection to {address}")
        return connect(self, address)

    fill(tmp_path, make_state)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.delenv("STYLENET_COCO", raising=False)
    monkeypatch.setattr(socket.socket, "connect", connect_here)
    yield tmp_path
    sys.modules.pop("mypackage", None)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_every_command_of_a_page_works(page, folder, in_process):
    failures = []
    if page in PREPARED:
        shutil.rmtree(folder / "runs" / "mine")
        failures += run(PREPARED[page], page, in_process)
    for snippet in COMMANDS:
        if snippet.page == page:
            checked = next((c for c in CHECKED if re.search(c.pattern, snippet.text)), None)
            if checked:
                works = CHECKS[checked.check](snippet.text)
                failures += [] if works else [f"{page}:{snippet.line}: {snippet.text}"]
            else:
                failures += run(snippet.text, f"{page}:{snippet.line}", in_process)
    assert not failures, "\n".join(failures)


def shortened(command):
    """Return a command with the changes that apply to it."""
    for change in REPLACED:
        command = re.sub(change.pattern, change.replacement, command)
    added = [change.options for change in APPENDED if re.search(change.pattern, command)]
    return " ".join([command, *added])


def run(command, where, in_process):
    """Run a command of StyleNet, or a line that calls some, with its changes.

    Returns:
        A line for each call that fails.
    """
    loop = re.fullmatch(r"for (\w+) in ([\w ]+); do\n(.*)\ndone.*", command, re.DOTALL)
    if loop:
        bodies = [loop[3].strip().replace(f"${loop[1]}", value) for value in loop[2].split()]
        return [failure for body in bodies for failure in run(body, where, in_process)]
    command = shortened(command)
    inner = re.fullmatch(r'eval "\$\((.*)\)"', command)
    failures = []
    for part in (inner[1] if inner else command).split(" && "):
        words = shlex.split(os.path.expandvars(part) if "$TMPDIR" in part else part)
        if words[0] == "cp":
            subprocess.run(words, check=True)
            continue
        composed = any(re.search(change.pattern, part) for change in COMPOSED)
        for program, body, arguments in calls(words):
            arguments = [*arguments, *(["--cfg", "job"] * composed)]
            result = in_process(program, body, *arguments)
            # Examples of one page may write to the same run directory, each for itself.
            if taken := re.search(r"run_dir=(\S+) holds a run", result.err):
                shutil.rmtree(taken[1])
                result = in_process(program, body, *arguments)
            if result.status != 0:
                lines = result.err.strip().splitlines()[-1:] or [result]
                failures.append(f"{where}: {shlex.join(arguments)}\n    {lines[0]}")
    return failures


def calls(words):
    """Return the calls of StyleNet in a command: program, function and arguments of each."""
    if words[0] == "sbatch":
        script = next(word for word in words if word.endswith(".sbatch"))
        assert (ROOT / script).is_file()
        arguments = words[words.index(script) + 1 :]
        if script.endswith("sweep.sbatch"):  # a run for each value of the first override
            key, _, values = arguments[0].partition("=")
            swept = [[f"{key}={value}", *arguments[1:]] for value in values.split(",")]
            return [("train", partial(start, "train"), each) for each in swept]
        return [("train", partial(start, "train"), arguments)]
    for index, word in enumerate(words):
        if word == "stylenet":
            return [("stylenet", main, words[index + 1 :])]
        if match := re.fullmatch(r"scripts/(\w+)\.py", word):
            return [(ROOT / word, partial(start, match[1]), words[index + 1 :])]
    raise AssertionError(f"no command of StyleNet: {words}")


def has_make_target(command):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return command.split()[1] in targets


def has_extra(command):
    project = (ROOT / "pyproject.toml").read_text()
    section = re.search(r"optional-dependencies\]\n(.*?)\n\[", project, re.DOTALL)[1]
    extras = re.findall(r"^(\w+) = \[", section, re.MULTILINE)
    named = re.findall(r"\.\[([\w,]+)\]", command)
    return all(extra in extras for names in named for extra in names.split(","))


def imports_tensorboard(_):
    return importlib.util.find_spec("tensorboard.main") is not None


CHECKS = {
    "has_make_target": has_make_target,
    "has_extra": has_extra,
    "imports_tensorboard": imports_tensorboard,
    "is_known": lambda command: True,
}


def test_the_extraction_misses_no_command():
    """Each line that begins like a command of StyleNet is in a snippet."""
    for page in PAGES:
        lines = re.findall(r"^    (?:stylenet|python scripts/\S+) .*$", page.read_text(), re.M)
        first_lines = [snippet.text for snippet in COMMANDS if snippet.page == page_name(page)]
        found = sum(text.count("stylenet ") + text.count("scripts/") for text in first_lines)
        assert found >= len(lines), page


def test_every_change_changes_a_command():
    texts = [snippet.text for snippet in COMMANDS]
    replaced = [shortened(text) for text in texts]
    for change in [*REPLACED, *APPENDED, *CHECKED]:
        assert any(re.search(change.pattern, text) for text in [*texts, *replaced]), change
    for change in COMPOSED:
        assert any(re.search(change.pattern, text) for text in texts), change
