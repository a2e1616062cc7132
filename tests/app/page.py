"""A running page with small networks, for tests; and what browsers send to it."""

import json
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import requests
import torch

from stylenet.app import Limits, Server
from stylenet.app import styles as styles_module
from stylenet.app import training as training_module
from stylenet.inference import stylizer as stylizer_module

LIMITS = Limits(upload=0.5, video=5)
# Steps of a training in a browser.
STEPS = 10


@contextmanager
def running(checkpoints, folder, **options):
    """Run the page at a free port, with networks in the place of the pretrained ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(styles_module, "pretrained_styles", lambda: checkpoints)
        # The faster type is measured, and may be another one for the server and for a test.
        patch.setattr(stylizer_module, "choose_dtype", lambda *_: torch.float32)
        patch.setitem(training_module.LENGTHS, "Quick", STEPS)
        patch.setenv("STYLENET_CACHE", str(folder / "cache"))
        patch.setenv("TMPDIR", str(folder / "tmp"))
        patch.setattr("tempfile.tempdir", None)
        (folder / "tmp").mkdir(exist_ok=True)
        options = {"limits": LIMITS, "runs": folder / "runs", "port": free_port(), **options}
        with Server(**options) as server:
            yield server
    # A browser leaves files of its own.
    assert not list((folder / "tmp").glob("stylenet-app-*"))


def free_port():
    import socket

    with socket.socket() as test:
        test.bind(("127.0.0.1", 0))
        return test.getsockname()[1]


class Client:
    """What a browser sends, without a browser."""

    def __init__(self, address):
        self.address = address.rstrip("/")
        self.config = requests.get(f"{self.address}/config", timeout=30).json()

    def get(self, path):
        return requests.get(f"{self.address}{path}", timeout=30, allow_redirects=False)

    def upload(self, name, content):
        files = {"files": (name, content)}
        return requests.post(f"{self.address}/gradio_api/upload", files=files, timeout=30)

    def call(self, handler, *data, session="session"):
        """Call a handler of the page by its name; return its outputs, or raise its error."""
        index = next(
            number
            for number, entry in enumerate(self.config["dependencies"])
            if entry["api_name"] == handler
        )
        body = {"data": data, "fn_index": index, "session_hash": session}
        url = f"{self.address}/gradio_api/queue"
        requests.post(f"{url}/join", json=body, timeout=30).raise_for_status()
        stream = requests.get(
            f"{url}/data", params={"session_hash": session}, stream=True, timeout=60
        )
        for line in stream.iter_lines():
            event = json.loads(line.removeprefix(b"data: ") or b"{}")
            if event.get("msg") == "process_completed":
                if not event["success"]:
                    raise RuntimeError(event["output"])
                return event["output"]["data"]
        raise AssertionError("the stream ended")

    @property
    def host(self):
        return urlsplit(self.address).netloc


def as_file(path, name="photo.png", **more):
    """Return a file as browsers name an uploaded one."""
    return {"path": str(path), "orig_name": name, "meta": {"_type": "gradio.FileData"}, **more}
