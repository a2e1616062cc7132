"""The page in a real browser: Debian's chromium and chromium-driver."""

import gzip
import json
import shutil
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from PIL import Image

import stylenet.export.page
from stylenet.checkpoint import CheckpointInfo
from stylenet.export import (
    ExportOptions,
    PageInput,
    PageNetwork,
    Report,
    export_network,
    export_page,
    find_runtime,
)
from stylenet.inference import Stylizer
from stylenet.networks import build_network

from ..chromium import chromium
from .browser import (
    canvas,
    choose,
    decode,
    distance,
    serve,
    status,
    wait,
    wait_for_status,
)

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.xdist_group("export")

INFO = CheckpointInfo("dots & <stripes>", 7)
# Arguments of Chromium: WebGPU by the CPU.
WEBGPU = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
SECOND = CheckpointInfo("second", 7)
# Stylizes a photo with stylizer.js; returns the provider and the image as a data URL.
STYLIZE = """
const [network, provider, photo, options, done] = arguments;
(async () => {
  const { Stylizer } = await import('./stylizer.js');
  const stylizer = await Stylizer.load(network, { provider });
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


# Names in the caches of the page's service worker.
CACHED = """
const done = arguments[0];
(async () => {
  const names = {};
  for (const key of await caches.keys()) {
    const requests = await (await caches.open(key)).keys();
    names[key] = requests.map(({ url }) => url);
  }
  done(names);
})();
"""


def small_network(seed=0):
    torch.manual_seed(seed)
    return build_network("compact", width=4, deep_width=4, deep_blocks=1).eval()


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """onnxruntime-web, from the user's cache folder or from npm's registry."""
    found = find_runtime(tmp_path_factory.getbasetemp())
    if found is None:
        pytest.skip("onnxruntime-web is not in the cache, and npm's registry cannot be reached")
    return found


def export(folder, runtime, networks):
    sample = torch.rand(1, 3, 64, 80, generator=torch.Generator().manual_seed(0))
    return export_page(networks, folder, ExportOptions("web"), sample, runtime)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, runtime):
    folder = tmp_path_factory.mktemp("web") / "page"
    networks = [PageNetwork(small_network(), INFO), PageNetwork(small_network(1), SECOND)]
    export(folder, runtime, networks)
    return folder


@pytest.fixture
def quick(folder, monkeypatch):
    """Exports of an exported network, so that tests of the page trace no further one."""
    source = folder / "networks" / "second.onnx"

    def export(network, info, path, options, photos=()):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, path)
        path.with_name(f"{path.name}.json").write_text("{}")
        return Report(info.style, "onnx", "float32", False, None, path.stat().st_size, ())

    monkeypatch.setattr(stylenet.export.page, "export_network", export)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    downloads = tmp_path_factory.mktemp("downloads")
    with chromium(downloads, *WEBGPU) as driver:
        yield driver


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
    browser.get("about:blank")  # so that a hash of the last test does not stay
    browser.get(url)
    wait_for_status(browser, "Choose a photo")
    return browser


def stylize(browser, photo, provider=None, network="networks/dots_stripes.onnx", **options):
    provider, url = browser.execute_async_script(STYLIZE, network, provider, photo, options)
    assert provider != "error", url
    return provider, decode(url)


def expected(photo, seed=0, **options):
    return Stylizer(small_network(seed), INFO, device="cpu", precision="float32")(photo, **options)


def choose_style(browser, name):
    browser.find_element("css selector", f"[data-name='{name}']").click()


def wait_for_download(browser, suffix):
    def finished(_):
        files = [p for p in browser.downloads.glob(f"[!.]*{suffix}") if p.stat().st_size]
        return files[:1]

    (path,) = wait(browser, finished, lambda: f"no {suffix} file was downloaded")
    return path


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
    assert page.title.startswith("Dots & <stripes>")
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


def test_the_styles_are_chosen_from_a_gallery(page, photo, folder):
    choose(page, folder / "photo.png")
    wait_for_status(page, " ms")
    assert distance(canvas(page), expected(photo)) < 0.05
    choose_style(page, "second")
    wait(page, lambda page: page.title.startswith("Second"), lambda: page.title)
    wait_for_status(page, " ms")
    assert distance(canvas(page), expected(photo, seed=1)) < 0.05
    pressed = page.find_elements("css selector", "#gallery [aria-pressed=true]")
    assert [button.text for button in pressed] == ["Second"]
    page.refresh()  # the address names the style
    wait_for_status(page, "Choose a photo")
    assert page.title.startswith("Second")


def test_the_sample_photo_is_stylized(page):
    page.find_element("id", "sample").click()
    assert "80 x 64" in wait_for_status(page, " ms")


class _Slow(SimpleHTTPRequestHandler):
    """Sends networks and the runtime in pieces."""

    def log_message(self, *_):
        pass

    def copyfile(self, source, outputfile):
        while piece := source.read(1 << 18):
            outputfile.write(piece)
            time.sleep(0.1)


def test_the_progress_of_loading_is_shown(browser, folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Slow, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser.get("about:blank")
    browser.get(f"http://localhost:{server.server_port}/")
    seen = set()
    while not (now := status(browser)).startswith("Choose"):
        value = browser.execute_script("return document.getElementById('progress').position")
        seen.add((now, value))
        assert "Loading" in now
    server.shutdown()
    values = sorted(value for _, value in seen if value > 0)
    assert len(values) > 3
    assert values[0] < 0.5 < values[-1] <= 1
    total = (folder / "networks" / "dots_stripes.onnx").stat().st_size
    total += json.loads((folder / "page.json").read_text())["runtime"]["wasm"]
    assert any(text.endswith(f"of {total / 1e6:.1f} MB") for text, _ in seen)


def test_the_page_is_isolated_so_that_threads_work(page):
    assert page.execute_script("return crossOriginIsolated") is True


def test_after_the_first_visit_the_page_works_offline(browser, folder, photo, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "page")
    browser.get("about:blank")
    with serve(copy) as url:
        browser.get(url)
        wait_for_status(browser, "Choose a photo")
        offline = browser.find_element("id", "offline")
        wait(browser, lambda _: offline.is_displayed(), lambda: "not complete")
        cached = browser.execute_async_script(CACHED)
        names = [name for each in cached.values() for name in each]
        assert f"{url}networks/second.onnx" in names
        assert not any("webgpu" in name for name in names)  # this device has no use for it
    browser.get("about:blank")
    browser.get(url)  # the server is gone
    wait_for_status(browser, "Choose a photo")
    choose_style(browser, "second")  # never loaded before
    wait(browser, lambda page: page.title.startswith("Second"), lambda: browser.title)
    wait_for_status(browser, "Choose a photo")
    choose(browser, folder / "photo.png")
    wait_for_status(browser, " ms")
    assert distance(canvas(browser), expected(photo, seed=1)) < 0.05


def test_another_export_replaces_the_cached_page(browser, quick, folder, runtime, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "page")
    browser.get("about:blank")
    with serve(copy) as url:
        browser.get(url)
        wait_for_status(browser, "Choose a photo")
        (before,) = browser.execute_async_script(CACHED).keys()
        export(copy, runtime, [PageNetwork(small_network(2), CheckpointInfo("third", 1))])
        browser.get("about:blank")
        browser.get(url)
        wait(browser, lambda page: page.title == "Third", lambda: browser.title)
        wait_for_status(browser, "Choose a photo")
        (after,) = browser.execute_async_script(CACHED).keys()
        assert after != before
        assert not browser.find_element("id", "gallery").is_displayed()  # one style


def test_the_browser_takes_the_manifest_and_can_install_the_page(page):
    manifest = page.execute_cdp_cmd("Page.getAppManifest", {})
    assert manifest["errors"] == []
    assert json.loads(manifest["data"])["name"] == "StyleNet"
    problems = page.execute_cdp_cmd("Page.getInstallabilityErrors", {})["installabilityErrors"]
    # Chromium without windows cannot install anything.
    assert {each["errorId"] for each in problems} <= {"in-incognito", "pipeline-restarted"}


def test_the_camera_is_recorded_to_a_playable_video(page):
    av = pytest.importorskip("av")
    page.find_element("id", "camera").click()
    wait_for_status(page, " ms")
    page.find_element("id", "record").click()
    wait_for_status(page, "Recording.")
    time.sleep(2)
    page.find_element("id", "record").click()
    path = wait_for_download(page, "[4m]")  # .mp4 or .webm
    assert path.stem == "camera_dots_stripes"
    shown = canvas(page).size
    with av.open(path) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) > 3
    assert frames[0].shape == (*shown[::-1], 3)
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 1  # the fake camera's image moves
    path.unlink()


def test_a_browser_that_cannot_record_says_so(page):
    page.execute_script("delete globalThis.MediaRecorder")
    page.find_element("id", "camera").click()
    wait_for_status(page, " ms")
    button = page.find_element("id", "record")
    assert not button.is_enabled()
    assert button.get_attribute("title") == "This browser cannot record."


def test_the_result_is_saved(page, photo, folder):
    choose(page, folder / "photo.png")
    wait_for_status(page, " ms")
    page.find_element("id", "save").click()
    path = wait_for_download(page, ".png")
    assert path.name == "photo_dots_stripes.png"
    with Image.open(path) as saved:
        assert distance(saved, expected(photo)) < 0.05


def test_sliders_set_the_inputs_of_a_network(browser, quick, runtime, tmp_path, photo, folder):
    """A network made by hand: the image times the input ``gain``, plus ``shift``."""
    onnx = pytest.importorskip("onnx")
    inputs = (
        PageInput("gain", "Gain", 0.0, 1.0, 0.5),
        PageInput("shift", "Shift", -0.5, 0.5, 0.0),
    )
    page = tmp_path / "page"
    export(page, runtime, [PageNetwork(small_network(), INFO, inputs)])
    image_type = ["N", 3, "H", "W"]
    make = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Mul", ["image", "gain"], ["scaled"]),
            onnx.helper.make_node("Add", ["scaled", "shift"], ["stylized"]),
        ],
        "sliders",
        [
            make("image", onnx.TensorProto.FLOAT, image_type),
            make("gain", onnx.TensorProto.FLOAT, [1]),
            make("shift", onnx.TensorProto.FLOAT, [1]),
        ],
        [make("stylized", onnx.TensorProto.FLOAT, image_type)],
    )
    opset = [onnx.helper.make_opsetid("", 20)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=opset, ir_version=9),
        page / "networks" / "dots_stripes.onnx",
    )
    pixels = np.asarray(photo, np.float32)
    browser.get("about:blank")
    with serve(page) as url:
        browser.get(url)
        wait_for_status(browser, "Choose a photo")
        choose(browser, folder / "photo.png")
        wait_for_status(browser, " ms")
        assert np.abs(np.asarray(canvas(browser))[..., :3] - pixels * 0.5).max() <= 1
        move = """
            const slider = document.getElementById(arguments[0]);
            slider.value = arguments[1];
            slider.dispatchEvent(new Event('input'));
        """
        before = canvas(browser).tobytes()
        browser.execute_script(move, "input-shift", 0.25)
        wait(browser, lambda page: canvas(page).tobytes() != before, lambda: status(browser))
        moved = np.clip(pixels * 0.5 + 0.25 * 255, 0, 255)
        assert np.abs(np.asarray(canvas(browser))[..., :3] - moved).max() <= 1
        labels = browser.find_elements("css selector", "#sliders label[data-input]")
        assert [label.text.split() for label in labels] == [["Gain", "0.50"], ["Shift", "0.25"]]


def test_no_other_host_is_asked(page, photo, folder, url):
    page.get_log("performance")
    page.get(url)
    wait_for_status(page, "Choose a photo")
    choose(page, folder / "photo.png")
    wait_for_status(page, " ms")
    asked = []
    for entry in page.get_log("performance"):
        event = json.loads(entry["message"])["message"]
        if event["method"] == "Network.requestWillBeSent":
            asked.append(urlsplit(event["params"]["request"]["url"]))
    assert {each.netloc for each in asked if each.scheme not in ("blob", "data")} == {
        urlsplit(url).netloc
    }


def test_a_page_without_a_server_side_policy_runs_no_foreign_script(page):
    """The content security policy of the page refuses other hosts."""
    script = """
        const done = arguments[0];
        document.addEventListener('securitypolicyviolation', (e) => done(e.blockedURI));
        fetch('https://example.com/statistics').catch(() => {});
    """
    assert "example.com" in page.execute_async_script(script)


def test_a_missing_runtime_is_reported(browser, quick, folder, tmp_path):
    page = tmp_path / "page"
    export(page, None, [PageNetwork(small_network(), INFO)])
    browser.get("about:blank")
    with serve(page) as url:
        browser.get(url)
        wait_for_status(browser, "Run `npm install` in the folder of this page")


def test_the_runtime_that_npm_installs_is_used(browser, quick, runtime, folder, photo, tmp_path):
    page = tmp_path / "page"
    export(page, None, [PageNetwork(small_network(), INFO)])
    dist = page / "node_modules" / "onnxruntime-web" / "dist"
    dist.mkdir(parents=True)
    for source in runtime.iterdir():
        if source.suffix == ".gz":  # as npm has it
            (dist / source.stem).write_bytes(gzip.decompress(source.read_bytes()))
        else:
            shutil.copy(source, dist)
    browser.get("about:blank")
    with serve(page) as url:
        browser.get(url)
        wait_for_status(browser, "Choose a photo")
        choose(browser, folder / "photo.png")
        wait_for_status(browser, " ms")
        assert distance(canvas(browser), expected(photo, seed=1)) < 0.05
