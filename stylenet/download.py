"""Resumable HTTP downloads."""

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

_TIMEOUTS = (5, 60)  # seconds to connect, and between two reads
_HEADERS = {
    # Some hosts, Wikimedia among them, refuse clients without a user agent.
    "User-Agent": "StyleNet (feed-forward style transfer; python-requests)",
    # Content-Length would count compressed bytes.
    "Accept-Encoding": "identity",
}
# Pauses of 1, 2, 4 and 8 seconds: a router or server has 15 seconds to come back.
_RETRIES = 4
_MAX_PAUSE = 60.0
# At most this many received bytes are lost when a connection breaks.
_CHUNK_BYTES = 1 << 17
# "Try again later" (RFC 9110 and 6585); every other error status is final.
_TEMPORARY_STATUS = {408, 425, 429, 500, 502, 503, 504}


class DownloadError(StyleNetError):
    """A network or server error; disk errors are plain :class:`StyleNetError`.

    Attributes:
        cause: The error in a few words, such as ``404 Not Found``.
    """

    def __init__(self, message: str, cause: str) -> None:
        super().__init__(message)
        self.cause = cause


@dataclass(frozen=True)
class Progress:
    """Progress of a download.

    Attributes:
        done: Bytes on the disk.
        total: Bytes of the complete file; ``None`` if the server does not send its size.
    """

    done: int
    total: int | None


def download(
    url: str, path: Path, pause: float = 1.0, retries: int = _RETRIES
) -> Iterator[Progress]:
    """Download a file; another call resumes an interrupted download.

    Received bytes go to ``NAME.part``, and ``NAME.part.json`` records the version of the file on
    the server. A resumed download asks for the rest of the same version (``If-Range``); if the file
    has changed, the server sends the new version from its first byte. Only one process at a time
    may download to a path.

    Args:
        url: HTTP or HTTPS URL.
        path: Target file, which appears when it is complete.
        pause: Seconds before the first retry; doubles with each further retry.
        retries: Number of retries in a row that may bring no new bytes.

    Yields:
        The progress, once before the first byte (so that the caller can check the free disk space)
        and after each chunk.

    Raises:
        DownloadError: The server cannot be reached or refuses the request. Received bytes stay.
        StyleNetError: The disk cannot be written. Received bytes stay.
    """
    part, version_file = _with_ending(path, ".part"), _with_ending(path, ".part.json")
    failures = 0
    while True:
        size_before = _size(part)
        try:
            yield from _request_rest(url, part, version_file)
            os.replace(part, path)
            version_file.unlink(missing_ok=True)
            return
        except requests.RequestException as error:  # a subclass of OSError, so it comes first
            response, cause = error.response, _describe(error)
            if response is not None and response.status_code not in _TEMPORARY_STATUS:
                raise DownloadError(f"{url} was refused: {cause}", cause) from error
            size = _size(part)
            failures = 1 if size > size_before else failures + 1
            if failures > retries or isinstance(error, ValueError):  # ValueError: an invalid URL
                kept = f"; the first {size:,} bytes are kept" if size else ""
                raise DownloadError(
                    f"{url} could not be downloaded ({cause}){kept}", cause
                ) from error
            seconds = min(_MAX_PAUSE, pause * 2 ** (failures - 1))
            _log.warning(
                "download interrupted after %s bytes (%s); trying again in %g s",
                f"{size:,}",
                cause,
                seconds,
            )
            time.sleep(seconds)
        except OSError as error:
            raise StyleNetError(f"cannot write {part}: {reason(error)}") from error


@dataclass(frozen=True)
class _Version:
    """Version of the partly downloaded file.

    Attributes:
        url: URL of the file.
        validator: Strong ETag or modification date of this version; empty if the server sends none.
        total: Size of the complete file in bytes, if known.
    """

    url: str
    validator: str
    total: int | None

    @classmethod
    def from_response(cls, url: str, response: requests.Response, offset: int) -> "_Version":
        """Read the version from the headers of a response that starts at byte ``offset``."""
        tag = response.headers.get("ETag", "")
        # A weak tag (W/"…") does not guarantee equal bytes: RFC 9110, 13.1.5.
        validator = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
        length = response.headers.get("Content-Length", "")
        return cls(url, validator, offset + int(length) if length.isdigit() else None)

    @classmethod
    def read(cls, file: Path) -> "_Version | None":
        """Read a recorded version; ``None`` if there is none or it is damaged."""
        try:
            return cls(**json.loads(file.read_text()))
        except (OSError, ValueError, TypeError):
            return None


def _request_rest(url: str, part: Path, version_file: Path) -> Iterator[Progress]:
    """Send one request for the missing bytes and append them to ``part``.

    Raises:
        requests.RequestException: The file is still incomplete.
    """
    known = _Version.read(version_file)
    offset = _size(part) if known is not None and known.url == url else 0
    headers = dict(_HEADERS)
    if known is not None and offset:
        if offset == known.total:  # interrupted between the last byte and the renaming
            return
        headers["Range"] = f"bytes={offset}-"
        if known.validator:
            headers["If-Range"] = known.validator
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUTS) as response:
        if response.status_code == 416:  # the file has become shorter
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("the file on the server has changed")
        response.raise_for_status()
        if response.status_code != 206:
            offset = 0  # the server sends the complete file
        version = _Version.from_response(url, response, offset)
        content_range = response.headers.get("Content-Range", "")
        if offset and (version != known or not content_range.startswith(f"bytes {offset}-")):
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("the file on the server has changed")
        with atomic_path(version_file) as temporary:
            temporary.write_text(json.dumps(asdict(version)))
        yield Progress(offset, version.total)
        with part.open("ab" if offset else "wb") as file:
            for chunk in response.iter_content(_CHUNK_BYTES):
                file.write(chunk)
                offset += len(chunk)
                yield Progress(offset, version.total)
    if version.total is not None and offset != version.total:
        raise requests.ConnectionError(f"{offset:,} of {version.total:,} bytes arrived")


def _with_ending(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _size(path: Path) -> int:
    """Return the size of a file in bytes; 0 if it does not exist."""
    return path.stat().st_size if path.is_file() else 0


def _describe(error: requests.RequestException) -> str:
    """Describe a failed request in a few words."""
    if isinstance(error, requests.HTTPError):
        return f"{error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    # urllib3's message names host, pool and number of retries.
    return "no connection" if "Max retries" in str(error) else first_line(error)
