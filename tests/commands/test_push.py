"""Checkpoints go to the Hugging Face Hub and back, here to a server that speaks its protocol."""

import base64
import hashlib
import io
import json
import logging
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import yaml
from PIL import Image

from stylenet import StyleNetError, Stylizer
from stylenet.checkpoint import load_checkpoint

constants = pytest.importorskip("huggingface_hub.constants")

TOKEN = "hf_" + "a" * 34
WORDS = ["license=cc0-1.0", "source='own painting, CC0'", "trained_on='1,000 photos'"]


class Hub:
    """Repositories in memory, with the endpoints that creating, committing and downloading need."""

    def __init__(self):
        self.repositories = {}
        self.downloads = 0
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.do_GET()

            def do_GET(self):
                match = re.fullmatch(r"/([\w-]+/[\w.-]+)/resolve/(\w+)/(.+)", self.path)
                if match is None or match[1] not in hub.repositories:
                    return self.fail(401, "RepoNotFound")
                commits = hub.repositories[match[1]]
                known = {
                    "main": len(commits),
                    **{hub.sha(n + 1): n + 1 for n in range(len(commits))},
                }
                if match[2] not in known:
                    return self.fail(404, "RevisionNotFound")
                number = known[match[2]]
                content = {k: v for commit in commits[:number] for k, v in commit.items()}
                if match[3] not in content:
                    return self.fail(404, "EntryNotFound")
                body = content[match[3]]
                hub.downloads += self.command == "GET"
                digest = hashlib.sha1(body).hexdigest()
                return self.answer(body, {"ETag": f'"{digest}"', "X-Repo-Commit": hub.sha(number)})

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    return self.fail(401, "Unauthorized")
                if self.path == "/api/validate-yaml":
                    return self.json({"warnings": [], "errors": []})
                if self.path == "/api/repos/create":
                    given = json.loads(body)
                    name = f"{given['organization']}/{given['name']}"
                    if name in hub.repositories:
                        return self.json({"url": f"{hub.address}/{name}"}, status=409)
                    hub.repositories[name] = []
                    return self.json({"url": f"{hub.address}/{name}"})
                match = re.fullmatch(r"/api/models/(.+)/(preupload|commit)/main", self.path)
                name, action = match.groups()
                if action == "preupload":
                    files = [file["path"] for file in json.loads(body)["files"]]
                    modes = [
                        {"path": path, "uploadMode": "regular", "shouldIgnore": False}
                        for path in files
                    ]
                    return self.json({"files": modes})
                lines = [json.loads(line) for line in body.splitlines()]
                commit = {
                    line["value"]["path"]: base64.b64decode(line["value"]["content"])
                    for line in lines
                    if line["key"] == "file"
                }
                hub.repositories[name].append(commit)
                sha = hub.sha(len(hub.repositories[name]))
                url = f"{hub.address}/{name}/commit/{sha}"
                return self.json({"success": True, "commitOid": sha, "commitUrl": url})

            def json(self, value, status=200):
                self.answer(
                    json.dumps(value).encode(), {"Content-Type": "application/json"}, status
                )

            def fail(self, status, code):
                self.answer(b"", {"X-Error-Code": code, "X-Error-Message": code}, status)

            def answer(self, body, headers, status=200):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def sha(number):
        return f"{number:040x}"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Make huggingface_hub talk to a server on this machine."""
    running = Hub()
    threading.Thread(target=running.server.serve_forever, daemon=True).start()
    url = running.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", running.address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    # Its log goes to the stderr of the test that imported it first, which is closed now.
    monkeypatch.setattr(logging.getLogger("huggingface_hub"), "disabled", True)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("huggingface_hub."):
            monkeypatch.setattr(logging.getLogger(name), "disabled", True)
    yield running
    running.stop()


@pytest.fixture
def network(run, tiny, tmp_path):
    """Train a network of three steps and return its run directory."""
    assert run("train", *tiny, "style=custom", "style.name=dots").status == 0
    return tmp_path / "run"


def test_a_pushed_network_comes_back_and_stylizes_the_same(
    server, network, run, tmp_path, photos, monkeypatch
):
    pushed = run("push", f"checkpoint={network}", "repository=ann/dots", *WORDS)
    assert pushed.status == 0, pushed.err
    assert pushed.out.splitlines()[-1] == f"{server.address}/ann/dots"
    (files,) = server.repositories["ann/dots"]
    assert set(files) == {"README.md", "config.json", "model.safetensors", "sample.jpg"}

    photo = Image.open(photos / "0.jpg")
    expected = Stylizer.load(network, "cpu", "float32")(photo)
    again = Stylizer.from_pretrained("ann/dots", device="cpu", precision="float32")
    np.testing.assert_array_equal(again(photo), expected)

    out = tmp_path / "out.png"
    given = [f"input={photos / '0.jpg'}", "checkpoint=hf://ann/dots", f"output={out}"]
    result = run("infer", *given, "device=cpu", "precision=float32")
    assert result.status == 0, result.err
    np.testing.assert_array_equal(Image.open(out), expected)
    assert server.downloads == 1, "the second time it comes from the cache"

    server.stop()
    offline = Stylizer.from_pretrained("ann/dots", device="cpu", precision="float32")
    np.testing.assert_array_equal(offline(photo), expected)


def test_the_card_says_how_it_was_trained_and_the_sample_shows_it(server, network, run, photos):
    held_out = [f"held_out={photos}", "size=24"]
    assert (
        run("push", f"checkpoint={network}", "repository=ann/dots", *WORDS, *held_out).status == 0
    )
    files = server.repositories["ann/dots"][0]
    card = files["README.md"].decode()
    front, _, text = card.removeprefix("---\n").partition("---\n")
    assert yaml.safe_load(front)["license"] == "cc0-1.0"
    assert 'Stylizer.from_pretrained("ann/dots")' in text
    assert "own painting, CC0" in text
    assert "3 steps of 2 crops of 16 pixels from\n  1,000 photos" in text
    assert "Mean losses on 4 held-out photos" in text
    assert "| style/relu1_1 |" in text
    config = json.loads(files["config.json"])
    assert (config["library"], config["style"], config["step"]) == ("stylenet", "dots", 3)
    assert str(photos.parent) not in card + files["config.json"].decode()
    sample = Image.open(io.BytesIO(files["sample.jpg"]))
    assert sample.width > sample.height
    left, right = (np.asarray(half, float) for half in np.array_split(np.asarray(sample), 2, 1))
    assert np.abs(left - right[:, : left.shape[1]]).mean() > 2


def test_a_second_push_is_a_second_commit_and_a_revision_can_be_chosen(
    server, network, run, photos
):
    push = ["push", f"checkpoint={network}", "repository=ann/dots", *WORDS]
    assert run(*push).status == 0
    assert run(*push[:1], "checkpoint=starry", *push[2:]).status == 0
    assert len(server.repositories["ann/dots"]) == 2
    assert Stylizer.from_pretrained("ann/dots").info.style == "starry"
    assert Stylizer.from_pretrained("ann/dots", revision=server.sha(1)).info.style == "dots"
    assert Stylizer.load(f"hf://ann/dots@{server.sha(1)}").info.style == "dots"


def test_a_folder_gets_the_files_without_an_upload(server, network, run, tmp_path):
    result = run("push", f"checkpoint={network}", f"output={tmp_path / 'files'}", *WORDS)
    assert result.status == 0, result.err
    assert not server.repositories
    assert load_checkpoint(tmp_path / "files/model.safetensors")[1].style == "dots"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hf://ann/nothing", "does not exist, or you have no access"),
        ("hf://ann/empty", "holds no model.safetensors"),
        ("hf://ann/empty@other", "has no revision other"),
        ("hf://a/b/c", "is not a repository of the Hub. Write hf://user/style."),
    ],
)
def test_what_cannot_be_loaded_ends_in_one_line(server, run, photos, name, message):
    server.repositories["ann/empty"] = [{"README.md": b"nothing"}]
    assert message in run("infer", f"input={photos}", f"checkpoint={name}").error


def test_offline_the_message_says_what_to_do(server, run, photos, monkeypatch):
    server.stop()
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between huggingface_hub's attempts
    error = run("infer", f"input={photos}", "checkpoint=hf://ann/dots").error
    assert "The Hub cannot be reached" in error
    assert "checkpoint=PATH" in error
    error = run("push", "checkpoint=starry", "repository=ann/dots", *WORDS).error
    assert "The Hub cannot be reached" in error
    assert "output=PATH" in error


def test_without_a_token_the_message_says_how_to_log_in(server, run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    error = run("push", "checkpoint=starry", "repository=ann/dots", *WORDS).error
    assert "hf auth login" in error
    assert not server.repositories


def test_without_the_package_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(StyleNetError, match=r"pip install 'stylenet\[hub\]'"):
        Stylizer.from_pretrained("ann/dots")


def test_a_bundled_style_needs_no_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert Stylizer.from_pretrained("starry").info.style == "starry"


def test_a_place_to_push_to_is_needed(run):
    assert "repository=user/style" in run("push", "checkpoint=starry", *WORDS).error
