"""A web server for tests of downloads, with the faults of real ones."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Server of one file.

    Attributes:
        body: The file.
        tag: Its ETag; empty for none.
        ranges: True if it supports range requests.
        cuts: Numbers of bytes after which the next responses break off.
        statuses: Status codes of the next responses, sent instead of the file.
        requests: The headers of each request so far.
    """

    def __init__(self, body):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body, self.tag, self.ranges = body, '"one"', True
        self.cuts, self.statuses, self.requests = [], [], []
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append(dict(self.headers))
        if server.statuses:
            self.send_response(server.statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, total = 0, len(server.body)
        requested_range = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", server.tag) == server.tag
        if requested_range and server.ranges and same:
            start = int(requested_range[1])
            if start >= total:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{total}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        if server.tag:
            self.send_header("ETag", server.tag)
        self.send_header("Content-Length", str(total - start))
        self.end_headers()
        end = start + server.cuts.pop(0) if server.cuts else total
        self.wfile.write(server.body[start:end])

    def log_message(self, *_):
        pass


@contextmanager
def serving(body, monkeypatch):
    """Serve a file while the block runs."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server(body)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
