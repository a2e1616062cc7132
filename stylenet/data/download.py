"""Downloading a file of many gigabytes over connections that break."""

import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import requests

from stylenet.errors import StyleNetError, first_line
from stylenet.files import atomic_path, reason

_log = logging.getLogger(__name__)

_SECONDS_TO_CONNECT_AND_READ = (5, 60)
_HEADERS = {
    # Some hosts refuse clients that do not say who they are.
    "User-Agent": "StyleNet (feed-forward style transfer; python-requests)",
    # Compressed on the way, the bytes could not be counted.
    "Accept-Encoding": "identity",
}
# A quarter of a minute in all, which a router or a server needs to come back, before the first is
# given up: pauses of 1, 2, 4 and 8 seconds.
_TRIES = 5
_LONGEST_PAUSE = 60.0
# Of what has arrived, at most this is lost when a connection breaks.
_CHUNK = 1 << 17
# Try again later (RFC 9110 and 6585); every other refusal stands.
_PASSING = {408, 425, 429, 500, 502, 503, 504}


class DownloadError(StyleNetError):
    """The network's or the server's fault, not the disk's: the file may be had by other means."""


@dataclass(frozen=True)
class Progress:
    """How far a download has come.

    Attributes:
        done: Bytes on the disk.
        total: Bytes of the whole file; ``None`` where the server does not say.
    """

    done: int
    total: int | None


def download(url: str, path: Path, pause: float = 1.0) -> Iterator[Progress]:
    """Downloads a file; after an interruption of any kind a new call goes on where it was.

    What has arrived lies in ``NAME.part`` beside the place, and a note of which version of the file
    it is of in ``NAME.part.json``: a server is asked to go on with this very version (``If-Range``)
    and otherwise sends the file from its beginning. Written without pooch, which downloads the
    style images, for pooch begins anew each time.

    Args:
        url: The file.
        path: Where it is to be in the end; it appears only when it is whole.
        pause: Seconds before the first new attempt; each further one waits twice as long.

    Yields:
        The progress: before the first byte, so that the caller may find the file too large for the
        disk, and with each piece that arrives.

    Raises:
        DownloadError: The server cannot be reached or has no such file. What has arrived is kept.
        StyleNetError: The disk cannot be written. What has arrived is kept.
    """
    part, note = _beside(path, ".part"), _beside(path, ".part.json")
    failures = 0
    while True:
        before = _size(part)
        try:
            yield from _attempt(url, part, note)
            os.replace(part, path)
            note.unlink(missing_ok=True)
            return
        except requests.RequestException as error:  # an OSError too, so it comes first
            answer = error.response
            if answer is not None and answer.status_code not in _PASSING:
                raise DownloadError(
                    f"{url} was refused: {answer.status_code} {answer.reason}"
                ) from error
            failures = 1 if _size(part) > before else failures + 1
            if failures >= _TRIES or isinstance(error, ValueError):  # no URL at all
                kept = f"; the first {_size(part):,} bytes are kept" if _size(part) else ""
                raise DownloadError(
                    f"{url} could not be downloaded ({_in_words(error)}){kept}"
                ) from error
            seconds = min(_LONGEST_PAUSE, pause * 2 ** (failures - 1))
            _log.warning(
                "download interrupted after %s bytes (%s); trying again in %g s",
                f"{_size(part):,}",
                _in_words(error),
                seconds,
            )
            time.sleep(seconds)
        except OSError as error:
            raise StyleNetError(f"cannot write {part}: {reason(error)}") from error


@dataclass(frozen=True)
class _Version:
    """Which version of which file has arrived in part.

    Attributes:
        url: The file.
        validator: What the server tells this version by: a strong ETag or a date; empty if none.
        total: Its size in bytes, if known.
    """

    url: str
    validator: str
    total: int | None

    @classmethod
    def of(cls, url: str, answer: requests.Response, offset: int) -> "_Version":
        """The version that a server sends, from a byte on."""
        tag = answer.headers.get("ETag", "")
        # RFC 9110, 13.1.5: a weak tag cannot vouch for bytes.
        validator = tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
        length = answer.headers.get("Content-Length", "")
        return cls(url, validator, offset + int(length) if length.isdigit() else None)

    @classmethod
    def read(cls, note: Path) -> "_Version | None":
        """The version that was noted, if any."""
        try:
            return cls(**json.loads(note.read_text()))
        except (OSError, ValueError, TypeError):
            return None


def _attempt(url: str, part: Path, note: Path) -> Iterator[Progress]:
    """One request for what is missing.

    Raises:
        requests.RequestException: It did not bring all.
    """
    known = _Version.read(note)
    offset = _size(part) if known is not None and known.url == url else 0
    headers = dict(_HEADERS)
    if known is not None and offset:
        if offset == known.total:  # broken off between the last byte and the renaming
            return
        headers["Range"] = f"bytes={offset}-"
        if known.validator:
            headers["If-Range"] = known.validator
    timeout = _SECONDS_TO_CONNECT_AND_READ
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as answer:
        if answer.status_code == 416:  # the file has become shorter
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("the file on the server has changed")
        answer.raise_for_status()
        if answer.status_code != 206:
            offset = 0  # sent from its beginning
        version = _Version.of(url, answer, offset)
        begins = answer.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
        if offset and (version != known or not begins):
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("the file on the server has changed")
        with atomic_path(note) as temporary:
            temporary.write_text(json.dumps(asdict(version)))
        yield Progress(offset, version.total)
        with part.open("ab" if offset else "wb") as file:
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                offset += len(chunk)
                yield Progress(offset, version.total)
    if version.total is not None and offset != version.total:
        raise requests.ConnectionError(f"{offset:,} of {version.total:,} bytes arrived")


def _beside(path: Path, ending: str) -> Path:
    """The same name with an ending."""
    return path.with_name(path.name + ending)


def _size(path: Path) -> int:
    """Bytes of a file, none if there is no file."""
    return path.stat().st_size if path.is_file() else 0


def _in_words(error: requests.RequestException) -> str:
    """Why a request failed, in a few words."""
    if isinstance(error, requests.HTTPError):
        return f"{error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    # requests wraps urllib3's long story of host, pool and retries.
    return "no connection" if "Max retries" in str(error) else first_line(error)
