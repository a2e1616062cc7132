"""Chromium for the tests of exported pages, and the server of a page."""

import base64
import io
import shutil
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # as root
    "--disable-dev-shm-usage",  # containers have little shared memory
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    # A software GPU and a fake camera.
    "--enable-unsafe-webgpu",
    "--enable-unsafe-swiftshader",
    "--use-webgpu-adapter=swiftshader",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


@contextmanager
def chromium(downloads):
    """Start Chromium, or skip the test where it is missing."""
    webdriver = pytest.importorskip("selenium.webdriver")
    exceptions = pytest.importorskip("selenium.common.exceptions")
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    for argument in ARGUMENTS:
        options.add_argument(argument)
    try:
        driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    except exceptions.WebDriverException as error:
        pytest.skip(f"chromium does not start here: {error.msg}")
    driver.set_script_timeout(120)
    try:
        yield driver
    finally:
        driver.quit()


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
