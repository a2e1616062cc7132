"""What all commands share."""

import os
import subprocess
import sys

import pytest

from .conftest import ROOT


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["list=true"], ["--help"]])
def test_a_reader_that_has_seen_enough_gets_no_traceback(arguments, unbuffered):
    """As in ``python scripts/infer.py list=true | head -n 1``."""
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "infer.py", *arguments],
        stdout=writes,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        text=True,
        timeout=120,
        check=False,
    )
    os.close(writes)
    assert (done.returncode, done.stderr) == (1, "")


def test_another_broken_pipe_is_not_hidden():
    code = (
        "from stylenet.cli.app import run\n"
        "def task(config):\n    raise BrokenPipeError(32, 'of a worker')\n"
        "run(task, 'contact_sheet')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "of a worker" in done.stderr
