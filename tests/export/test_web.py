"""The page in a real browser: Debian's chromium and chromium-driver, with npm for its runtime."""

import base64
import io
import shutil
import subprocess
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.export import ExportOptions, export_network
from stylenet.inference import Stylizer
from stylenet.networks import build_network

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.xdist_group("browser")

INFO = CheckpointInfo("dots & <stripes>", 7)
FILES = [
    "index.html",
    "network.onnx",
    "network.onnx.json",
    "package.json",
    "page.js",
    "stylizer.js",
]
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # as root
    "--disable-dev-shm-usage",  # which containers have little of
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    # A graphics card and a camera made of software.
    "--enable-unsafe-webgpu",
    "--enable-unsafe-swiftshader",
    "--use-webgpu-adapter=swiftshader",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
# Stylizes a photo by stylizer.js: what computed it, and the image as a data URL.
Stylize = """
const [network, provider, photo, options, done] = arguments;
(async () => {
  const { Stylizer } = await import('./stylizer.js');
  const stylizer = await Stylizer.load(network, provider);
  const bitmap = await createImageBitmap(await (await fetch(photo)).blob());
  const blob = await (await stylizer.stylize(bitmap, options)).convertToBlob();
  const reader = new FileReader();
  reader.onload = () => done([stylizer.provider, reader.result]);
  reader.readAsDataURL(blob);
})().catch((error) => done(['error', error.message]));
"""
IS_THERE_A_CARD = """
const done = arguments[0];
Promise.resolve(navigator.gpu?.requestAdapter()).then((adapter) => done(Boolean(adapter)));
"""


def small_network():
    torch.manual_seed(0)
    return build_network("compact", width=4, deep_width=4, deep_blocks=1).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web") / "page"
    export_network(small_network(), INFO, folder, ExportOptions("web"))
    return folder


@pytest.fixture(scope="module")
def browser(folder):
    webdriver = pytest.importorskip("selenium.webdriver")
    exceptions = pytest.importorskip("selenium.common.exceptions")
    missing = [name for name in ("chromium", "chromedriver", "npm") if not shutil.which(name)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
    if subprocess.run(install, cwd=folder, capture_output=True, timeout=300).returncode:
        pytest.skip("npm cannot reach its registry")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ARGUMENTS:
        options.add_argument(argument)
    try:
        driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    except exceptions.WebDriverException as error:
        pytest.skip(f"chromium does not start here: {error.msg}")
    driver.set_script_timeout(120)
    yield driver
    driver.quit()
    shutil.rmtree(folder / "node_modules")  # 150 MB


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def serve(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def url(folder):
    with serve(folder) as url:
        yield url


@pytest.fixture
def photo(folder):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    photo = Image.fromarray(pixels).resize((75, 61), Image.Resampling.BICUBIC)
    photo.save(folder / "photo.png")
    return photo


@pytest.fixture
def page(browser, url):
    browser.get(url)
    said(browser, "Choose a photo")
    return browser


def said(browser, wanted):
    """Waits until the page says so."""
    from selenium.webdriver.support.ui import WebDriverWait

    def status(browser):
        return browser.execute_script("return document.getElementById('status').textContent")

    try:
        WebDriverWait(browser, 120, 0.1).until(lambda browser: wanted in status(browser))
    except Exception as error:
        raise AssertionError(f"the page says {status(browser)!r}, not {wanted!r}") from error
    return status(browser)


def stylize(browser, photo, provider=None, network="network.onnx", **options):
    by, address = browser.execute_async_script(Stylize, network, provider, photo, options)
    assert by != "error", address
    return by, picture(address)


def picture(address):
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def shown(browser):
    """What is on the canvas."""
    script = "return document.getElementById('result').toDataURL()"
    return picture(browser.execute_script(script))


def distance(first, second):
    assert first.size == second.size
    first, second = (np.asarray(image.convert("RGB"), int) for image in (first, second))
    return np.abs(first - second).mean()


def expected(photo, **options):
    return Stylizer(small_network(), INFO, device="cpu", dtype="float32")(photo, **options)


def choose(browser, path):
    browser.find_element("id", "photo").send_keys(str(path))


def test_a_page_is_written_beside_the_network(folder):
    assert set(FILES) <= {path.name for path in folder.iterdir()}


def test_a_page_that_somebody_changed_stays_when_its_network_is_written_anew(tmp_path):
    for network in (small_network(), build_network("johnson", width=2, blocks=1)):
        export_network(network, INFO, tmp_path / "page", ExportOptions("web"))
        size = (tmp_path / "page/network.onnx").stat().st_size
        (tmp_path / "page/index.html").write_text("mine")
    assert (tmp_path / "page/index.html").read_text() == "mine"
    assert (tmp_path / "page/network.onnx").stat().st_size == size
    assert sorted(path.name for path in (tmp_path / "page").iterdir()) == FILES


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "page").write_text("a letter")
    with pytest.raises(StyleNetError, match="is a file; format=web writes a folder"):
        export_network(small_network(), INFO, tmp_path / "page", ExportOptions("web"))
    assert (tmp_path / "page").read_text() == "a letter"


@pytest.mark.parametrize("provider", ["wasm", "webgpu"])
def test_the_browser_gives_the_picture_that_pytorch_gives(page, photo, provider):
    if provider == "webgpu" and not page.execute_async_script(IS_THERE_A_CARD):
        pytest.skip("this chromium has no WebGPU")
    by, found = stylize(page, "photo.png", provider)
    assert by == provider
    assert distance(found, expected(photo)) < 0.05


def test_a_card_that_cannot_run_the_network_leaves_it_to_the_processor(page, photo, folder):
    if not page.execute_async_script(IS_THERE_A_CARD):
        pytest.skip("this chromium has no WebGPU")
    export_network(small_network(), INFO, folder / "half.onnx", ExportOptions(precision="float16"))
    assert stylize(page, "photo.png")[0] == "wasm"  # this card is made of software
    hide = "Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', {value: false})"
    page.execute_script(hide)
    assert stylize(page, "photo.png")[0] == "webgpu"
    by, found = stylize(page, "photo.png", network="half.onnx")  # and has no float16
    assert by == "wasm"
    assert distance(found, expected(photo)) < 0.5


def test_strength_and_transparency_are_those_of_the_photo(page, photo, folder):
    glass = photo.copy()
    halves = Image.linear_gradient("L").resize(photo.size).point(lambda value: 255 * (value > 99))
    glass.putalpha(halves)
    glass.save(folder / "glass.png")
    _, found = stylize(page, "glass.png", strength=0)
    assert np.array_equal(np.asarray(found)[..., 3], np.asarray(glass)[..., 3])
    seen = np.asarray(glass)[..., 3] > 0
    assert np.array_equal(np.asarray(found)[seen], np.asarray(glass)[seen])


def test_a_phone_photo_comes_out_upright(page, photo, folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    photo.save(folder / "phone.jpg", quality=100, exif=exif)
    choose(page, folder / "phone.jpg")
    assert "61 x 75" in said(page, " ms")
    assert page.title == INFO.style
    with Image.open(folder / "phone.jpg") as turned:
        assert distance(shown(page), expected(turned)) < 1  # two decoders of JPEG


def test_sizes_are_shorter_sides_and_no_photo_grows(page, photo, folder):
    choose(page, folder / "photo.png")
    assert "75 x 61" in said(page, " ms")
    size = page.find_element("id", "size")
    size.clear()
    size.send_keys("32\n")
    said(page, "39 x 32")


def test_what_is_no_picture_is_told_and_the_page_goes_on(page, photo, folder):
    choose(page, folder / "page.js")
    said(page, "page.js is no image that this browser can read")
    choose(page, folder / "photo.png")
    said(page, "75 x 61")


def test_a_camera_is_stylized_until_a_photo_is_chosen(page, photo, folder):
    page.find_element("id", "camera").click()
    first = said(page, " ms") and shown(page)
    for _ in range(100):
        if shown(page).tobytes() != first.tobytes():
            break
    else:
        raise AssertionError("the camera's image stands still")
    choose(page, folder / "photo.png")
    said(page, "75 x 61")


def test_a_missing_runtime_is_told(browser, folder, tmp_path):
    for name in FILES:
        shutil.copy(folder / name, tmp_path)
    with serve(tmp_path) as url:
        browser.get(url)
        said(browser, "run `npm install` in the folder of this page")
