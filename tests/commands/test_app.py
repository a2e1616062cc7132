"""Errors and closed pipes, which all commands handle the same way."""

import os
import select
import subprocess
import sys

import pytest

from .conftest import ROOT


@pytest.mark.parametrize("unbuffered", ["", pytest.param("1", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "words",
    [["scripts/infer.py", "list=true"], ["scripts/infer.py", "--help"], ["-m", "stylenet"]],
)
def test_a_closed_pipe_causes_no_traceback(words, unbuffered):
    """Close the pipe early, as ``stylenet styles | head -n 1`` does."""
    assert _run_without_reader([sys.executable, *words], unbuffered) == (1, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_system_without_poll_notices_a_closed_pipe(unbuffered):
    code = "import select; del select.poll\nfrom stylenet.cli.main import main\nmain(['--help'])"
    assert hasattr(select, "poll")
    status, error = _run_without_reader([sys.executable, "-c", code], unbuffered)
    assert status == 1
    assert unbuffered or error == ""


def _run_without_reader(command, unbuffered):
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        command,
        stdout=writes,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )
    os.close(writes)
    return done.returncode, done.stderr


def test_another_broken_pipe_is_reported():
    code = (
        "from stylenet.cli.app import run\n"
        "def task(config):\n    raise BrokenPipeError(32, 'of a worker')\n"
        "run(task, 'contact_sheet')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "of a worker" in done.stderr
