import io
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from PIL import Image

from stylenet.data import StyleOptions, load_style_images
from stylenet.errors import StyleNetError


def style(image, size=None, **others):
    values = {"name": "starry", "image": image, "size": size, "weight": 1.0}
    return StyleOptions(**{**values, **others})


def png(color="red", size=(30, 20)):
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def image_path(tmp_path):
    (tmp_path / "style.png").write_bytes(png())
    return str(tmp_path / "style.png")


@pytest.fixture
def server(monkeypatch):
    """Web server for the entries of ``pages``: (status, body, content length)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append((self.path, self.headers["User-Agent"]))
            status, body, length = self.server.pages.get(self.path, (404, b"not found", 9))
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.pages, server.asked = {}, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def assert_refused(source, *words, size=None):
    with pytest.raises(StyleNetError) as error:
        load_style_images(style(source, size))
    message = str(error.value)
    assert message.startswith(f"style.image={source}")
    assert "\n" not in message
    for word in ("set style.image to", *words):
        assert word in message


# Options


@pytest.mark.parametrize(
    ("option", "value"),
    [("name", value) for value in ("", None, 5, "a/b", "a\\b", "a:b", "*")]
    + [("size", value) for value in (0, -1, 15, 64.0, "abc", True)]
    + [("weight", value) for value in (0, -1, "abc", None, float("nan"), float("inf"))],
)
def test_an_invalid_value_is_named(option, value):
    with pytest.raises(StyleNetError) as error:
        style("a.png", **{option: value})
    assert str(error.value).startswith(f"style.{option}={value} ")


@pytest.mark.parametrize("image", ["", None, [], [""], ()])
def test_a_style_without_an_image_is_refused(image):
    with pytest.raises(StyleNetError, match=r"^style\.image is empty"):
        style(image)


@pytest.mark.parametrize(
    ("image", "images"),
    [("a.png", ["a.png"]), (["a.png", "b.png"], ["a.png", "b.png"]), (7, ["7"]), ([7], ["7"])],
)
def test_one_image_or_several_become_a_list(image, images):
    assert style(image).images == images


# From the disk


@pytest.mark.parametrize(
    ("size", "shape"), [(None, (20, 30)), (40, (40, 60)), (16, (16, 24)), (20, (20, 30))]
)
def test_the_short_side_gets_the_size(image_path, size, shape):
    (image,) = load_style_images(style(image_path, size))
    assert image.shape == (1, 3, *shape)
    assert image.dtype == torch.float32
    assert torch.equal(image, torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1).expand_as(image))


def test_several_images_come_in_order(tmp_path, image_path):
    (tmp_path / "tall.png").write_bytes(png("blue", (20, 80)))
    red, blue = load_style_images(style([image_path, str(tmp_path / "tall.png")], 16))
    assert red.shape == (1, 3, 16, 24)
    assert blue.shape == (1, 3, 64, 16)
    assert red[0, 0].min() == 1
    assert blue[0, 2].min() == 1


def test_transparent_pixels_become_white(tmp_path):
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert load_style_images(style(str(tmp_path / "a.png")))[0].min() == 1


def test_a_tilde_is_expanded_to_the_home_folder(tmp_path, image_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(load_style_images(style("~/style.png"))) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing.png", "no such file"), ("text.png", "is not an image"), (".", "is a folder")],
)
def test_an_unusable_image_is_named(tmp_path, name, message):
    (tmp_path / "text.png").write_text("no image")
    assert_refused(str(tmp_path / name), message)
    assert (tmp_path / "text.png").exists()


def test_an_image_too_small_for_the_encoder_is_named(tmp_path):
    Image.new("RGB", (15, 40)).save(tmp_path / "a.png")
    assert_refused(str(tmp_path / "a.png"), "has 15x40 pixels, expected 16 at least on each side")


def test_a_thin_image_is_named_with_its_own_size(tmp_path):
    """It is enlarged less than others (short_side_scale), here to 10 pixels."""
    Image.new("RGB", (20_000, 1)).save(tmp_path / "a.png")
    message = "has 20000x1 pixels, resized to 204800x10, expected 16 at least on each side"
    assert_refused(str(tmp_path / "a.png"), message, size=512)


def test_an_image_of_a_single_color_is_loaded_with_a_warning(tmp_path, caplog):
    image = Image.new("RGB", (20, 20), "red")
    image.save(tmp_path / "red.png")
    image.putpixel((3, 4), (0, 0, 255))
    image.save(tmp_path / "two.png")
    load_style_images(style([str(tmp_path / "red.png"), str(tmp_path / "two.png")]))
    (record,) = caplog.records
    assert "red.png has a single color" in record.getMessage()


def test_an_unusable_image_among_several_is_named(tmp_path, image_path):
    with pytest.raises(StyleNetError, match=f"^style.image={tmp_path / 'no.png'}: "):
        load_style_images(style([image_path, str(tmp_path / "no.png")]))


# From the web


def test_an_image_is_downloaded_once(server, cache):
    server.pages["/a.png?width=9"] = (200, body := png(), len(body))
    for _ in range(2):
        (image,) = load_style_images(style(f"{server.url}/a.png?width=9", 40))
        assert image.shape == (1, 3, 40, 60)
    assert len(server.asked) == 1
    assert "StyleNet" in server.asked[0][1]  # some servers refuse clients without a name
    (file,) = files_in(cache)
    assert file.read_bytes() == body
    assert file.suffix == ".png"


def test_each_url_has_its_own_cache_entry(server):
    for name, color in (("/a.png", "red"), ("/a.png?b", "blue")):
        server.pages[name] = (200, body := png(color), len(body))
    red, blue = load_style_images(style([f"{server.url}/a.png", f"{server.url}/a.png?b"]))
    assert red[0, 0].min() == 1
    assert blue[0, 2].min() == 1


@pytest.mark.parametrize("url", ["http://[", "http://", "https://:0/a.png"])
def test_an_invalid_url_is_named(url, cache):
    assert_refused(url, "could not be downloaded")
    assert not files_in(cache)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ((404, b"not found", 9), "could not be downloaded"),
        ((503, b"later", 5), "could not be downloaded"),
        ((200, png()[:50], len(png())), "could not be downloaded"),  # truncated
        ((200, b"<html>log in</html>", 19), "is not an image"),
        ((200, b"", 0), "is empty"),
        ((200, png()[:50], 50), "is damaged"),
    ],
)
def test_a_bad_response_is_named_and_not_cached(server, cache, page, message):
    server.pages["/a.png"] = page
    assert_refused(f"{server.url}/a.png", message)
    assert not files_in(cache)
    server.pages["/a.png"] = (200, body := png(), len(body))  # repaired
    assert len(load_style_images(style(f"{server.url}/a.png"))) == 1


def test_a_refused_connection_says_where_to_save_the_image(cache):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/a.png"
        assert_refused(url, "could not be downloaded", "save the image yourself as")
    assert not files_in(cache)


def test_an_image_saved_at_the_suggested_path_is_used(tmp_path, monkeypatch):
    with pytest.raises(StyleNetError) as error:
        load_style_images(style("http://127.0.0.1:9/a.png"))
    path = str(error.value).partition("yourself as ")[2].partition(", or set")[0]
    with open(path, "wb") as file:
        file.write(png())
    assert load_style_images(style("http://127.0.0.1:9/a.png"))[0].shape == (1, 3, 20, 30)


def test_an_unwritable_cache_ends_in_one_clear_error(server, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STYLENET_CACHE", str(tmp_path / "file"))
    server.pages["/a.png"] = (200, body := png(), len(body))
    assert_refused(f"{server.url}/a.png")
