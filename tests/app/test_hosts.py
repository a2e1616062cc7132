"""All sockets of the page's server and of its trainings."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

pytest.importorskip("gradio", reason="the extra app is not installed")

from .page import Client, as_file, free_port

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.xdist_group("app"), pytest.mark.slow]

# Python imports it at the start of every process, those of trainings included.
SITECUSTOMIZE = """
import os, socket, sys

def note(*words):
    descriptor = os.open(os.environ["SOCKETS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (" ".join(map(str, words)) + chr(10)).encode())
    os.close(descriptor)

def listen(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        note("address", address[0] if isinstance(address, tuple) else "unix")
    elif event == "socket.getaddrinfo":
        note("address", arguments[0])

note("process", os.getpid())
sys.addaudithook(listen)
"""
LOCAL = {"127.0.0.1", "localhost", "::1", "unix", "None", "0.0.0.0"}


def test_server_and_trainings_contact_no_other_host(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITECUSTOMIZE)
    log, port = tmp_path / "sockets.txt", free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}",
        "SOCKETS": str(log),
        "STYLENET_CACHE": str(tmp_path / "cache"),
    }
    command = [sys.executable, "-m", "stylenet", "app", "--port", str(port), "--no-browser"]
    process = subprocess.Popen(
        [*command, "--runs", str(tmp_path / "runs")],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        client = connect(process, f"http://127.0.0.1:{port}")
        pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((260, 260)).save(tmp_path / "photo.png")
        content = (tmp_path / "photo.png").read_bytes()
        for handler, more in (("choose_photo", ()), ("start_training", ("Mine", "Quick", "me"))):
            (path,) = client.upload("photo.png", content).json()
            client.call(handler, as_file(path), *more)
        log_of_steps = "*/**/metrics.csv", "*/**/events.out*"
        end = time.monotonic() + 120
        while not any(any((tmp_path / "runs").glob(pattern)) for pattern in log_of_steps):
            assert time.monotonic() < end, "the training does not begin"
            time.sleep(0.5)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    lines = [line.split(maxsplit=1) for line in log.read_text().splitlines()]
    assert sum(word == "process" for word, _ in lines) >= 2  # the server and the training
    asked = {rest for word, rest in lines if word == "address"}
    assert asked <= LOCAL, asked - LOCAL


def connect(process, address):
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            return Client(address)
        except requests.ConnectionError:
            time.sleep(0.2)
    raise AssertionError(process.communicate()[0])
