"""The page's server: what it shows, what it refuses, and what it leaves behind."""

import io
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="the extra app is not installed")

from stylenet.app import Server
from stylenet.errors import StyleNetError

from .page import Client, as_file, running

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.xdist_group("app")


@pytest.fixture(scope="module")
def client(server):
    return Client(server.address)


def png():
    buffer = io.BytesIO()
    Image.new("RGB", (40, 32), "teal").save(buffer, "PNG")
    return buffer.getvalue()


def test_only_this_machine_reaches_the_page(server):
    port = int(server.address.rstrip("/").rpartition(":")[2])
    listening = [
        connection.laddr.ip
        for connection in psutil.Process().net_connections("inet")
        if connection.laddr.port == port and connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]


def test_the_page_names_no_other_host(client):
    for path in ("/", "/config"):
        page = client.get(path)
        assert page.status_code == 200
        assert set(re.findall(r"https?://([\w.:-]+)", page.text)) == {client.host}


def test_browsers_are_told_to_contact_no_other_host(client):
    for path in ("/", "/config", "/theme.css", "/nothing"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "http" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


SECRETS = ["/etc/passwd", str(ROOT / "README.md"), str(ROOT / "pyproject.toml"), sys.executable]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("route", ["/gradio_api/file=", "/file=", "/gradio_api/file/", "/static/"])
def test_no_file_of_the_server_is_readable(client, secret, route, monkeypatch):
    monkeypatch.chdir(ROOT)  # Gradio shows handlers' files of the current folder
    content = Path(secret).read_bytes()[:200]
    for path in (secret, quote(secret, safe=""), f"../../../../../..{secret}", f"/{secret}"):
        answer = client.get(f"{route}{path}")
        assert answer.status_code in (400, 401, 403, 404, 405), path
        assert content not in answer.content


def test_runs_and_other_visitors_files_are_not_readable(client, folder, server):
    (folder / "runs").mkdir(exist_ok=True)
    secret = folder / "runs" / "secret.txt"
    secret.write_text("mine")
    visit = server.studio.visits.get("other").folder / "upload.png"
    visit.write_bytes(png())
    for path in (secret, visit):
        assert client.get(f"/gradio_api/file={path}").status_code in (403, 404)
    secret.unlink()


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://example.org/a.png",
        "/gradio_api/file=HTTPS://example.org/a.png",
        "/gradio_api/file%3Dhttp%3A%2F%2Fexample.org%2Fa.png",
        "/gradio_api/proxy=http://example.org/a.png",
    ],
)
def test_the_server_fetches_no_addresses(client, path):
    assert client.get(path).status_code == 403


def test_an_uploaded_photo_is_taken(client):
    (path,) = client.upload("photo.png", png()).json()
    assert client.call("choose_photo", as_file(path))[1]["path"].endswith("before.webp")


@pytest.mark.parametrize("path", [*SECRETS[:2], "http://example.org/a.png", "../../etc/passwd"])
def test_a_path_that_was_not_uploaded_is_refused(client, path):
    with pytest.raises(RuntimeError):
        client.call("choose_photo", as_file(path))
    with pytest.raises(RuntimeError):
        client.call("start_training", as_file(path), "Secret", "Quick", "me")


def test_a_huge_upload_is_refused_and_not_kept(client, folder):
    before = sum(path.stat().st_size for path in (folder / "tmp").rglob("*") if path.is_file())
    answer = client.upload("photo.png", bytes(600_000))
    assert answer.status_code == 413
    after = sum(path.stat().st_size for path in (folder / "tmp").rglob("*") if path.is_file())
    assert after - before < 100_000


def test_no_handler_is_offered_to_programs(client):
    info = client.get("/gradio_api/info").json()
    assert not info["named_endpoints"]
    assert not info["unnamed_endpoints"]


def test_a_taken_port_is_told_at_once(server):
    port = int(server.address.rstrip("/").rpartition(":")[2])
    with pytest.raises(StyleNetError, match=rf":{port} .* --port {port + 1}"):
        Server(port=port)


def test_the_second_server_leaves_nothing_either(checkpoints, tmp_path):
    with running(checkpoints, tmp_path, runs=None) as server:
        client = Client(server.address)
        (path,) = client.upload("photo.png", png()).json()
        client.call("choose_photo", as_file(path))
        assert list((tmp_path / "tmp").rglob("before.webp"))
    # running() has looked at the folder of temporary files.


@pytest.mark.slow
def test_the_server_contacts_no_other_host(tmp_path):
    code = """
        import socket, sys
        from pathlib import Path
        contacted = []
        connect, look_up = socket.socket.connect, socket.getaddrinfo

        def note(host):
            if host not in ("127.0.0.1", "localhost", "::1", None):
                contacted.append(host)

        def noting_connect(self, address):
            if self.family in (socket.AF_INET, socket.AF_INET6):
                note(address[0])
            return connect(self, address)

        def noting_look_up(host, *rest, **more):
            note(host)
            return look_up(host, *rest, **more)

        socket.socket.connect, socket.getaddrinfo = noting_connect, noting_look_up
        from stylenet.app import Server
        import urllib.request
        with Server(port=int(sys.argv[1]), runs=Path("runs")) as server:
            urllib.request.urlopen(server.address).read()
        print("contacted", contacted)
    """
    from .page import free_port

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(free_port())],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert "contacted []" in done.stdout, done.stdout + done.stderr
