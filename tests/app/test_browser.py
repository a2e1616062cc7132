"""The page in a real browser."""

import json
import shutil
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("gradio", reason="the extra app is not installed")

from stylenet.app import stylize_handlers
from stylenet.app.stylizing import make_options
from stylenet.app.training import State
from stylenet.inference import Stylizer, stylize_file

from ..chromium import chromium
from ..video.videos import TIMES, make_video
from .page import STEPS

pytestmark = [pytest.mark.xdist_group("app"), pytest.mark.browser]

PATIENCE = 90


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    downloads = tmp_path_factory.mktemp("browser") / "downloads"
    with chromium(downloads, "--window-size=1280,1400") as driver:
        yield driver


@pytest.fixture
def page(browser, server):
    browser.get_log("performance")
    open_page(browser, server)
    return browser


def open_page(browser, server):
    browser.get(server.address)
    wait(lambda: len(browser.find_elements("css selector", "#gallery img")) >= 2, "the gallery")


@pytest.fixture
def photo(tmp_path):
    return make_photo(tmp_path / "my photo.jpg", 0)


def make_photo(path, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((100, 88), Image.Resampling.BICUBIC).save(path, quality=95)
    return path


def wait(condition, text, seconds=PATIENCE):
    """Wait until a condition holds, and return its value; the page may change meanwhile."""
    from selenium.common.exceptions import StaleElementReferenceException as Stale

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if value := condition():
                return value
        except Stale:
            pass
        time.sleep(0.1)
    raise AssertionError(f"{text} did not come within {seconds} seconds")


def shown(browser, selector):
    return [e for e in browser.find_elements("css selector", selector) if e.is_displayed()]


def choose(browser, control, path):
    browser.find_element("css selector", f"#{control} input[type=file]").send_keys(str(path))


def click(browser, element):
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def click_text(browser, selector, text):
    def find():
        return next((e for e in shown(browser, selector) if text in e.text), None)

    click(browser, wait(find, f"{selector} with {text!r}"))


def choose_style(browser, title):
    # The name in the caption grows visible with the pointer, so the picture is asked for it.
    click(browser, browser.find_element("css selector", f"#gallery button:has(img[alt='{title}'])"))


def downloaded(browser):
    """Press the visible download button; return the file and its name."""
    shutil.rmtree(browser.downloads, ignore_errors=True)
    browser.downloads.mkdir()
    click(browser, wait(lambda: shown(browser, ".download"), "the download button")[0])

    def finished():
        # Chromium writes to hidden files and to *.crdownload first.
        files = [p for p in browser.downloads.glob("[!.]*") if p.suffix != ".crdownload"]
        return files[:1] if len(list(browser.downloads.iterdir())) == 1 else None

    (path,) = wait(finished, "the download")
    return path.read_bytes(), path.name


def message(browser):
    """Return the text of the newest message, and close it."""
    toast = wait(lambda: shown(browser, ".toast-body"), "a message")[-1]
    text = toast.text
    toast.find_element("css selector", ".toast-close").click()
    return text


def expected(checkpoint, photo, tmp_path, *choices):
    target = tmp_path / f"expected{photo.suffix}"
    options = make_options(*(choices or (1, "Medium", "The style's")))
    stylize_file(Stylizer.load(checkpoint), photo, target, options)
    return target.read_bytes()


def test_a_photo_comes_out_as_infer_writes_it(page, photo, checkpoints, tmp_path):
    choose(page, "photo", photo)
    choose_style(page, "Dots")
    wait(lambda: shown(page, "#before-after img"), "the result")
    content, name = downloaded(page)
    assert content == expected(checkpoints["dots"], photo, tmp_path)
    assert name == "my photo_dots.jpg"
    click_text(page, "#strokes label", "Finest")
    finest = expected(checkpoints["dots"], photo, tmp_path, 1, "Finest", "The style's")
    wait(lambda: downloaded(page)[0] == finest, "the other strokes")
    click_text(page, "#colors label", "The photo's")
    colors = expected(checkpoints["dots"], photo, tmp_path, 1, "Finest", "The photo's")
    wait(lambda: downloaded(page)[0] == colors, "the photo's colors")


def test_strokes_are_chosen(page, checkpoints, tmp_path):
    photo = tmp_path / "photo.png"
    with Image.open(make_photo(tmp_path / "small.png", 3)) as image:
        image.resize((700, 560)).save(photo)
    choose(page, "photo", photo)
    choose_style(page, "Dots")
    click_text(page, "#strokes label", "Layered")
    layered = expected(checkpoints["dots"], photo, tmp_path, 1, "Layered", "The style's")
    wait(lambda: downloaded(page)[0] == layered, "strokes of several sizes")
    click_text(page, "#strokes label", "Finest")
    number = page.find_element("css selector", "#stroke input[type=number]")
    page.execute_script("arguments[0].value = ''", number)
    number.send_keys("2\n\t")
    larger = expected(checkpoints["dots"], photo, tmp_path, 1, "Finest", "The style's", 2)
    wait(lambda: downloaded(page)[0] == larger, "larger strokes")


def test_a_photo_is_stopped(page, photo, tmp_path, monkeypatch):
    choose(page, "photo", photo)
    choose_style(page, "Dots")
    wait(lambda: shown(page, "#before-after img"), "the result")
    before = downloaded(page)[0]
    start = stylize_handlers.stylize_photo

    def slow(stylizer, upload, style, options, mask, work):
        work.stop.wait(PATIENCE)  # a photo of many pixels
        return start(stylizer, upload, style, options, mask, work)

    monkeypatch.setattr(stylize_handlers, "stylize_photo", slow)
    click_text(page, "#strokes label", "Boldest")
    click(page, wait(lambda: shown(page, "#stop-photo"), "the button that stops")[0])
    assert "Stopped. There is no new result." in message(page)
    wait(lambda: not shown(page, "#stop-photo"), "its end")
    assert downloaded(page)[0] == before
    monkeypatch.setattr(stylize_handlers, "stylize_photo", start)
    click_text(page, "#colors label", "The photo's")
    wait(lambda: downloaded(page)[0] != before, "the next result")


def test_the_browser_contacts_no_other_host(page, photo, server):
    choose(page, "photo", photo)
    choose_style(page, "Dots")
    wait(lambda: shown(page, "#before-after img"), "the result")
    click_text(page, "button[role=tab]", "Train a style")
    own, asked = urlsplit(server.address).netloc, set()
    for entry in page.get_log("performance"):
        event = json.loads(entry["message"])["message"]
        if event["method"] == "Network.requestWillBeSent":
            asked.add(event["params"]["request"]["url"])
    assert len(asked) > 10
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {own}
    refused = [entry for entry in page.get_log("browser") if "Content Security" in entry["message"]]
    assert not refused


def test_a_broken_file_is_told_and_the_page_still_works(page, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no photo")
    choose(page, "photo", broken)
    text = message(page)
    assert "broken.jpg" in text
    assert "/tmp" not in text
    choose(page, "photo", photo)
    choose_style(page, "Dots")
    wait(lambda: shown(page, "#before-after img"), "the result")


def test_a_huge_file_is_told(page, tmp_path):
    huge = tmp_path / "huge.png"
    noise = np.random.default_rng(0).integers(0, 256, (500, 500, 3), dtype=np.uint8)
    Image.fromarray(noise).save(huge)
    choose(page, "photo", huge)
    assert "huge.png" in (text := message(page))
    assert "maximum allowed size" in text


def test_two_tabs_at_once_get_their_own_results(page, server, checkpoints, tmp_path):
    photos = [make_photo(tmp_path / f"photo{seed}.png", seed) for seed in (1, 2)]
    first = page.current_window_handle
    page.switch_to.new_window("tab")
    second = page.current_window_handle
    open_page(page, server)
    styles = {first: ("Dots", "dots"), second: ("Great stripes (fast)", "great_stripes_compact")}
    for tab, path in zip((first, second), photos, strict=True):
        page.switch_to.window(tab)
        choose(page, "photo", path)
        choose_style(page, styles[tab][0])
    for tab, path in zip((first, second), photos, strict=True):
        page.switch_to.window(tab)
        wait(lambda: shown(page, "#before-after img"), "the result")
        assert downloaded(page)[0] == expected(checkpoints[styles[tab][1]], path, tmp_path)
    visits = server.studio.visits._visits
    before = {visit.folder for visit in visits.values()}
    page.close()  # the second tab, whose files go
    page.switch_to.window(first)
    wait(lambda: sum(folder.exists() for folder in before) == len(before) - 1, "the deletion")


def test_a_painted_part_is_stylized_alone(page, photo, tmp_path):
    from selenium.webdriver import ActionChains

    plain = tmp_path / "plain.png"
    with Image.open(photo) as image:
        image.resize((400, 352)).save(plain)  # of which the brush covers a part
    choose(page, "photo", plain)
    choose_style(page, "Dots")
    wait(lambda: shown(page, "#before-after img"), "the result")
    whole = downloaded(page)[0]
    click_text(page, "#part button", "Only a part")
    canvas = wait(lambda: shown(page, "#editor canvas"), "the editor")[0]
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    time.sleep(2)  # the editor shows its canvas before it takes the brush
    drawing = ActionChains(page).move_to_element_with_offset(canvas, -20, 0).click_and_hold()
    drawing.move_by_offset(8, 8).move_by_offset(4, 4).release().perform()
    time.sleep(1)
    click(page, page.find_element("id", "region"))
    wait(lambda: downloaded(page)[0] != whole, "the result of the part")
    (tmp_path / "part.png").write_bytes(downloaded(page)[0])
    (tmp_path / "whole.png").write_bytes(whole)
    part, stylized, before = (
        np.asarray(Image.open(tmp_path / f"{name}.png"), int) for name in ("part", "whole", "plain")
    )
    kept = (part == before).all(axis=2).mean()
    assert 0.02 < kept < 0.98
    assert (part == stylized).all(axis=2).mean() > 0.01


def test_a_video_is_stylized(page, tmp_path):
    video = make_video(tmp_path / "clip.mp4", times=TIMES[:4])
    click_text(page, "#media button[role=tab]", "Video")
    choose(page, "clip", video)
    wait(lambda: shown(page, "#clip video"), "the video")
    choose_style(page, "Dots")
    click(page, page.find_element("id", "start"))
    wait(lambda: shown(page, "#film video"), "the result")
    wait(lambda: shown(page, "#start") and not shown(page, "#stop"), "its end")
    content, name = downloaded(page)
    assert content[4:8] == b"ftyp"
    assert name == "clip_dots.mp4"


def test_a_video_is_stopped(page, tmp_path, monkeypatch):
    video = make_video(tmp_path / "clip.mp4", times=TIMES[:4])
    start = stylize_handlers.stylize_clip

    def slow(stylizer, upload, style, options, work, show):
        work.stop.wait(PATIENCE)  # a long video
        return start(stylizer, upload, style, options, work, show)

    monkeypatch.setattr(stylize_handlers, "stylize_clip", slow)
    click_text(page, "#media button[role=tab]", "Video")
    click(page, page.find_element("id", "start"))
    assert "Choose a video and a style first." in message(page)
    wait(lambda: shown(page, "#start") and not shown(page, "#stop"), "the button that starts")
    choose(page, "clip", video)
    wait(lambda: shown(page, "#clip video"), "the video")
    choose_style(page, "Dots")
    click(page, page.find_element("id", "start"))
    click(page, wait(lambda: shown(page, "#stop"), "the button that stops")[0])
    assert "Stopped. There is no new result." in message(page)
    wait(lambda: shown(page, "#start") and not shown(page, "#stop"), "its end")
    assert not shown(page, "#film video")


def test_the_camera_is_stylized(page):
    choose_style(page, "Dots")
    click_text(page, "#media button[role=tab]", "Camera")
    click(page, wait(lambda: shown(page, "#camera button"), "the camera's button")[0])
    record = "#camera .capture-button"
    click(page, wait(lambda: shown(page, record), "the button that starts it")[0])
    image = wait(lambda: shown(page, "#live img"), "the first frame")[0]
    first = image.get_attribute("src")
    wait(lambda: shown(page, "#live img")[0].get_attribute("src") != first, "another frame")


def test_a_style_is_trained_from_a_painting(page, server, photo, tmp_path):
    painting = make_photo(tmp_path / "red_field.png", 5)
    with Image.open(painting) as image:
        image.resize((200, 200)).save(painting)
    click_text(page, "button[role=tab]", "Train a style")
    choose(page, "painting", painting)
    wait(lambda: shown(page, "#painting img"), "the painting")
    click(page, page.find_element("id", "train"))
    card = page.find_element("id", "card")
    wait(lambda: "Red field" in card.text, "the training")
    wait(lambda: "Done" in card.text or "Failed" in card.text, "its end", 240)
    assert f"Done: step {STEPS} of {STEPS}" in card.text
    assert wait(lambda: shown(page, "#preview img"), "the preview")
    (training,) = server.studio.trainings.of("anyone")
    assert training.state is State.DONE
    click(page, page.find_element("id", "use"))
    wait(lambda: "Red field" in page.find_element("id", "chosen").text, "the choice")
    choose(page, "photo", photo)
    wait(lambda: shown(page, "#before-after img"), "the result")
    assert downloaded(page)[0] == expected(training.folder, photo, tmp_path)
    click_text(page, "button[role=tab]", "Train a style")
    click(page, wait(lambda: shown(page, "#delete"), "the button that deletes")[0])
    wait(lambda: not training.folder.exists(), "the deletion")


def test_a_broken_painting_is_told(page, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no painting")
    click_text(page, "button[role=tab]", "Train a style")
    choose(page, "painting", broken)
    time.sleep(1)
    click(page, page.find_element("id", "train"))
    assert "broken.png" in message(page)


def test_a_phone_needs_no_scrolling_sideways(page, photo):
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        choose(page, "photo", photo)
        choose_style(page, "Dots")
        wait(lambda: shown(page, "#before-after img"), "the result")
        for place in ("Train a style", "Stylize"):
            click_text(page, "button[role=tab]", place)
            assert page.execute_script("return document.documentElement.scrollWidth") <= 390
        # The result stands above the choices, so that a phone shows it without a search.
        order = [
            page.find_element("id", name).location["y"]
            for name in ("gallery", "result", "strength")
        ]
        assert order == sorted(order)
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
