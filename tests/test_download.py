import logging
import socket

import numpy as np
import pytest

from stylenet.download import DownloadError, download
from stylenet.errors import StyleNetError

from .data.conftest import no_large_files
from .web import serving

# Larger than several read chunks, and not a multiple of their size.
BODY = np.random.default_rng(0).bytes(600_001)


@pytest.fixture
def server(monkeypatch):
    with serving(BODY, monkeypatch) as server:
        yield server


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "file.zip"


def get(server, path):
    return list(download(f"{server.url}/file.zip", path, pause=0))


def begin(server, path, cut=400_000):
    """Download the beginning of the file and leave it, as a killed process does."""
    server.cuts = [cut]
    for progress in download(f"{server.url}/file.zip", path, pause=0):
        if progress.done:
            break
    server.requests.clear()
    server.cuts = []
    return path.with_name("file.zip.part").stat().st_size


def assert_only(path):
    """Check that the complete file is the only one in its folder."""
    assert path.read_bytes() == BODY
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_downloaded_completely_and_progress_is_reported(server, path):
    progress = get(server, path)
    assert_only(path)
    assert (progress[0].done, progress[0].total) == (0, len(BODY))
    assert [p.done for p in progress] == sorted(p.done for p in progress)
    assert progress[-1].done == len(BODY)


def test_a_broken_connection_resumes_where_it_broke(server, path, caplog):
    server.cuts = [300_000, 140_000]
    with caplog.at_level(logging.WARNING):
        get(server, path)
    assert_only(path)
    first, second, third = server.requests
    assert "Range" not in first
    assert second["If-Range"] == third["If-Range"] == '"one"'
    starts = [int(request["Range"].strip("bytes=-")) for request in (second, third)]
    assert 0 < starts[0] < starts[1] < len(BODY)
    assert sum("download interrupted" in record.message for record in caplog.records) == 2


def test_a_killed_download_resumes_where_it_stopped(server, path):
    there = begin(server, path)
    assert 0 < there < len(BODY)
    assert not path.exists()
    assert get(server, path)[0].done == there
    assert server.requests[0]["Range"] == f"bytes={there}-"
    assert_only(path)


def test_a_server_without_range_requests_sends_the_file_again(server, path):
    begin(server, path)
    server.ranges = False
    get(server, path)
    assert_only(path)


def test_parts_of_a_changed_file_are_not_mixed(server, path):
    server.body = bytes(len(BODY))
    begin(server, path)
    server.body, server.tag = BODY, '"two"'
    get(server, path)
    assert_only(path)


def test_a_changed_size_is_noticed_without_an_etag(server, path):
    server.tag, server.body = "", bytes(700_000)
    begin(server, path)
    server.body = BODY
    get(server, path)
    assert_only(path)


def test_a_file_that_shrank_below_the_downloaded_part_is_downloaded_again(server, path):
    server.tag = ""
    there = begin(server, path)
    server.body = BODY[: there // 2]
    get(server, path)
    assert path.read_bytes() == BODY[: there // 2]


def test_parts_from_different_urls_are_not_mixed(server, path):
    server.body = bytes(len(BODY))
    begin(server, path)
    server.body = BODY
    list(download(f"{server.url}/other.zip", path, pause=0))
    assert "Range" not in server.requests[0]
    assert_only(path)


@pytest.mark.parametrize("note", [b"", b"[]", b'{"a": 1}', b"\xff"])
def test_a_damaged_download_record_only_restarts_the_download(server, path, note):
    begin(server, path)
    path.with_name("file.zip.part.json").write_bytes(note)
    get(server, path)
    assert_only(path)


def test_a_complete_download_that_was_not_renamed_sends_no_request(server, path):
    begin(server, path)
    path.with_name("file.zip.part").write_bytes(BODY)
    get(server, path)
    assert not server.requests
    assert_only(path)


def test_a_busy_server_is_asked_again(server, path):
    server.statuses = [503, 429]
    get(server, path)
    assert_only(path)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_ends_at_once_in_one_line(server, path, status):
    server.statuses = [status] * 9
    with pytest.raises(DownloadError, match=f"^{server.url}/file.zip was refused: {status}"):
        get(server, path)
    assert len(server.requests) == 1
    assert not path.exists()


def test_a_stalled_download_ends_in_an_error_and_keeps_the_received_part(server, path):
    there = begin(server, path)
    server.statuses = [503] * 99
    with pytest.raises(DownloadError) as error:
        get(server, path)
    assert f"could not be downloaded (503 Service Unavailable); the first {there:,} bytes" in str(
        error.value
    )
    assert len(server.requests) == 5
    server.statuses = []
    get(server, path)
    assert_only(path)


def test_a_refused_connection_ends_in_one_line(path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a.zip"
        with pytest.raises(DownloadError, match=f"^{url} could not be downloaded") as error:
            list(download(url, path, pause=0))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("url", ["http://", "a.zip", "ftp://a/b.zip"])
def test_an_invalid_url_ends_at_once_in_one_line(url, path):
    with pytest.raises(DownloadError, match=f"^{url} could not be downloaded"):
        list(download(url, path, pause=60))


def test_a_full_disk_ends_in_one_line_and_the_download_resumes_later(server, path):
    with (
        no_large_files(300_000),
        pytest.raises(StyleNetError, match=f"^cannot write {path}.part: File too large$"),
    ):
        get(server, path)
    assert get(server, path)[0].done > 0
    assert_only(path)


def test_an_impossible_folder_ends_in_one_line(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StyleNetError, match=r"^cannot write"):
        get(server, tmp_path / "file" / "a.zip")
