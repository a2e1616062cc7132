"""The server of an exported page, and what a browser shows of it."""

import base64
import io
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def serve(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()


def status(browser):
    return browser.execute_script("return document.getElementById('status').textContent")


def wait_for_status(browser, text):
    """Wait until the page's status contains a text, and return the status."""
    wait(browser, lambda browser: text in status(browser), lambda: f"{status(browser)!r}: {text!r}")
    return status(browser)


def wait(browser, condition, describe):
    from selenium.webdriver.support.ui import WebDriverWait

    try:
        return WebDriverWait(browser, 120, 0.1).until(condition)
    except Exception as error:
        raise AssertionError(describe()) from error


def decode(data_url):
    return Image.open(io.BytesIO(base64.b64decode(data_url.partition(",")[2])))


def canvas(browser):
    """Return the image on the page's canvas."""
    script = "return document.getElementById('result').toDataURL()"
    return decode(browser.execute_script(script))


def distance(first, second):
    assert first.size == second.size
    first, second = (np.asarray(image.convert("RGB"), int) for image in (first, second))
    return np.abs(first - second).mean()


def choose(browser, path):
    browser.find_element("id", "photo").send_keys(str(path))
