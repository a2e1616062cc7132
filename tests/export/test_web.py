"""The page in a real browser: Debian's chromium and chromium-driver, and npm for the runtime."""

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
pytestmark = pytest.mark.xdist_group("export")

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
# Stylizes a photo with stylizer.js; returns the provider and the image as a data URL.
STYLIZE = """
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
HAS_GPU = """
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
    wait_for_status(browser, "Choose a photo")
    return browser


def wait_for_status(browser, text):
    """Wait until the page's status contains a text, and return the status."""
    from selenium.webdriver.support.ui import WebDriverWait

    def status(browser):
        return browser.execute_script("return document.getElementById('status').textContent")

    try:
        WebDriverWait(browser, 120, 0.1).until(lambda browser: text in status(browser))
    except Exception as error:
        raise AssertionError(f"the status is {status(browser)!r}, not {text!r}") from error
    return status(browser)


def stylize(browser, photo, provider=None, network="network.onnx", **options):
    provider, url = browser.execute_async_script(STYLIZE, network, provider, photo, options)
    assert provider != "error", url
    return provider, decode(url)


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


def expected(photo, **options):
    return Stylizer(small_network(), INFO, device="cpu", dtype="float32")(photo, **options)


def choose(browser, path):
    browser.find_element("id", "photo").send_keys(str(path))


def test_the_page_is_written_next_to_the_network(folder):
    assert set(FILES) <= {path.name for path in folder.iterdir()}


def test_exporting_again_keeps_a_page_that_the_user_changed(folder, tmp_path):
    page = tmp_path / "page"
    page.mkdir()
    for name in FILES:
        shutil.copy(folder / name, page)
    (page / "index.html").write_text("mine")
    before = (page / "network.onnx").read_bytes()
    export_network(build_network("johnson", width=2, blocks=1), INFO, page, ExportOptions("web"))
    assert (page / "index.html").read_text() == "mine"
    assert (page / "network.onnx").read_bytes() != before
    assert sorted(path.name for path in page.iterdir()) == FILES


def test_an_existing_file_is_not_overwritten_by_the_folder(tmp_path):
    (tmp_path / "page").write_text("a letter")
    with pytest.raises(StyleNetError, match="is a file; format=web writes a folder"):
        export_network(small_network(), INFO, tmp_path / "page", ExportOptions("web"))
    assert (tmp_path / "page").read_text() == "a letter"


@pytest.mark.parametrize("provider", ["wasm", "webgpu"])
def test_the_browser_gives_the_image_that_pytorch_gives(page, photo, provider):
    if provider == "webgpu" and not page.execute_async_script(HAS_GPU):
        pytest.skip("this chromium has no WebGPU")
    used, stylized = stylize(page, "photo.png", provider)
    assert used == provider
    assert distance(stylized, expected(photo)) < 0.05


def test_a_gpu_that_cannot_run_the_network_leaves_it_to_webassembly(page, photo, folder):
    if not page.execute_async_script(HAS_GPU):
        pytest.skip("this chromium has no WebGPU")
    export_network(small_network(), INFO, folder / "half.onnx", ExportOptions(precision="float16"))
    assert stylize(page, "photo.png")[0] == "wasm"  # this GPU is a software one
    hide = "Object.defineProperty(GPUAdapterInfo.prototype, 'isFallbackAdapter', {value: false})"
    page.execute_script(hide)
    assert stylize(page, "photo.png")[0] == "webgpu"
    provider, stylized = stylize(page, "photo.png", network="half.onnx")  # it lacks float16
    assert provider == "wasm"
    assert distance(stylized, expected(photo)) < 0.5


def test_strength_0_keeps_the_photo_and_its_transparency(page, photo, folder):
    transparent = photo.copy()
    alpha = Image.linear_gradient("L").resize(photo.size).point(lambda value: 255 * (value > 99))
    transparent.putalpha(alpha)
    transparent.save(folder / "transparent.png")
    _, stylized = stylize(page, "transparent.png", strength=0)
    assert np.array_equal(np.asarray(stylized)[..., 3], np.asarray(transparent)[..., 3])
    opaque = np.asarray(transparent)[..., 3] > 0
    assert np.array_equal(np.asarray(stylized)[opaque], np.asarray(transparent)[opaque])


def test_a_phone_photo_comes_out_upright(page, photo, folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    photo.save(folder / "phone.jpg", quality=100, exif=exif)
    choose(page, folder / "phone.jpg")
    assert "61 x 75" in wait_for_status(page, " ms")
    assert page.title == INFO.style
    with Image.open(folder / "phone.jpg") as turned:
        assert distance(canvas(page), expected(turned)) < 1  # the JPEG decoders differ


def test_the_size_is_the_short_side_and_photos_are_not_enlarged(page, photo, folder):
    choose(page, folder / "photo.png")
    assert "75 x 61" in wait_for_status(page, " ms")
    size = page.find_element("id", "size")
    size.clear()
    size.send_keys("32\n")
    wait_for_status(page, "39 x 32")


def test_a_file_that_is_no_image_is_reported_and_the_page_still_works(page, photo, folder):
    choose(page, folder / "page.js")
    wait_for_status(page, "This browser cannot read page.js")
    choose(page, folder / "photo.png")
    wait_for_status(page, "75 x 61")


def test_a_camera_is_stylized_until_a_photo_is_chosen(page, photo, folder):
    page.find_element("id", "camera").click()
    wait_for_status(page, " ms")
    first = canvas(page)
    for _ in range(100):
        if canvas(page).tobytes() != first.tobytes():
            break
    else:
        raise AssertionError("the camera's image does not change")
    choose(page, folder / "photo.png")
    wait_for_status(page, "75 x 61")


def test_a_missing_runtime_is_reported(browser, folder, tmp_path):
    for name in FILES:
        shutil.copy(folder / name, tmp_path)
    with serve(tmp_path) as url:
        browser.get(url)
        wait_for_status(browser, "run `npm install` in the folder of this page")
