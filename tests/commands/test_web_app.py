"""``stylenet app`` as a user starts it."""

import re
import signal
import subprocess
import sys

import pytest
import requests

from ..app.page import free_port


@pytest.fixture
def without_gradio(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)


def test_a_missing_extra_is_told_in_one_line(call_stylenet, without_gradio):
    error = call_stylenet("app", "--no-browser").error
    assert error.endswith("pip install 'stylenet[app]'")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--port", "many"], "invalid int value: 'many'. See stylenet app --help."),
        (["port=7861"], "unrecognized arguments: port=7861. See stylenet app --help."),
        (["--max-upload", "0"], "upload=0.0 is not a number above 0"),
        (["--photos", "missing"], "--photos missing is not a folder"),
    ],
)
def test_a_mistake_is_told_in_one_line(call_stylenet, words, message, monkeypatch):
    monkeypatch.setattr("stylenet.cli.web_app.check_installed", lambda: None)
    assert message in call_stylenet("app", *words).error


def test_help_names_every_option(call_stylenet):
    shown = call_stylenet("app", "--help")
    assert shown.status == 0
    for option in ("--port", "--host", "--no-browser", "--runs", "--photos", "--max-upload"):
        assert option in shown.out


@pytest.mark.slow
def test_the_command_prints_the_address_and_ends_on_ctrl_c(tmp_path):
    pytest.importorskip("gradio", reason="the extra app is not installed")
    port = free_port()
    words = ["app", "--port", str(port), "--no-browser"]
    process = subprocess.Popen(
        [sys.executable, "-m", "stylenet", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    line = process.stdout.readline()
    address = re.search(r"http://\S+", line)[0]
    assert address == f"http://127.0.0.1:{port}/"
    assert requests.get(address, timeout=30).status_code == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
