"""Debian's chromium and chromium-driver, for the tests of pages."""

import shutil
from contextlib import contextmanager

import pytest

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # as root
    "--disable-dev-shm-usage",  # containers have little shared memory
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    # A software GPU and a fake camera.
    "--enable-unsafe-swiftshader",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    # No other host can be found, so a page would lack what it loads from one.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)


@contextmanager
def chromium(downloads, *arguments):
    """Start Chromium, or skip the test where it is missing.

    Args:
        downloads: Folder for downloads, which the driver has as an attribute.
        *arguments: Further arguments of Chromium.
    """
    webdriver = pytest.importorskip("selenium.webdriver")
    exceptions = pytest.importorskip("selenium.common.exceptions")
    missing = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    for argument in (*_ARGUMENTS, *arguments):
        options.add_argument(argument)
    try:
        driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    except exceptions.WebDriverException as error:
        pytest.skip(f"chromium does not start here: {error.msg}")
    driver.set_script_timeout(120)
    driver.downloads = downloads
    try:
        yield driver
    finally:
        driver.quit()
