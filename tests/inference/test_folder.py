import threading
import time

import numpy as np
import pytest
from PIL import Image

from stylenet.errors import StyleNetError
from stylenet.image import READABLE_SUFFIXES, LoadedImage, save_image
from stylenet.inference.files import save_result
from stylenet.inference.folder import describe_unread, stylize_all


@pytest.fixture
def folder(tmp_path):
    """Twenty images of three sizes, the red of each its number."""
    for i in range(20):
        color = (10 * i, 0, 0)
        Image.new("RGB", [(8, 6), (6, 8), (9, 9)][i % 3], color).save(tmp_path / f"{i:02}.png")
    return tmp_path


def pairs_of(folder):
    return [(path, folder / "out" / path.name) for path in sorted(folder.glob("*.png"))]


def blue(images):
    """Keeps the red and makes the blue full: says which image it was and that it was painted."""
    assert len({picture.rgb.size for picture in images}) == 1
    made = []
    for picture in images:
        pixels = np.array(picture.rgb)
        pixels[..., 2] = 255
        made.append(LoadedImage(Image.fromarray(pixels)))
    return made


def none_moves(source, target):
    raise AssertionError(source)


def test_each_picture_goes_to_its_own_file(folder):
    ticks, batches = [], []

    def paint(images):
        batches.append(len(images))
        return blue(images)

    report = stylize_all(pairs_of(folder), paint, save_image, none_moves, lambda: ticks.append(1))
    assert (report.done, report.failures, len(ticks)) == (20, [], 20)
    for i, (source, target) in enumerate(pairs_of(folder)):
        with Image.open(source) as before, Image.open(target) as after:
            assert after.size == before.size
            assert after.getpixel((0, 0)) == (10 * i, 0, 255)
    assert max(batches) > 1, "images of one size go through the network together"


def test_what_fails_is_named_in_order_and_the_rest_is_done(folder):
    (folder / "03.png").write_bytes(b"")
    (folder / "17.png").write_bytes((folder / "17.png").read_bytes()[:30])

    def paint(images):
        if any(picture.rgb.getpixel((0, 0))[0] == 70 for picture in images):
            raise StyleNetError("too much red")
        return blue(images)

    def save(picture, path):
        if path.name == "11.png":
            raise StyleNetError(f"cannot write {path}")
        save_image(picture, path)

    ticks = []
    report = stylize_all(pairs_of(folder), paint, save, none_moves, lambda: ticks.append(1))
    assert report.done == 16
    assert len(ticks) == 20
    named = [
        f"{number}.png" in line
        for number, line in zip(("03", "07", "11", "17"), report.failures, strict=True)
    ]
    assert all(named), report.failures
    assert len(list((folder / "out").iterdir())) == 16


def test_saving_goes_on_while_the_network_works(folder):
    saving, painted_meanwhile = threading.Event(), threading.Event()

    def paint(images):
        if saving.is_set():
            painted_meanwhile.set()
        return blue(images)

    def save(picture, path):
        saving.set()
        painted_meanwhile.wait(5)

    stylize_all(pairs_of(folder), paint, save, none_moves, lambda: None)
    assert painted_meanwhile.is_set()


def test_an_interruption_leaves_whole_files_only(folder):
    def paint(images):
        if any(picture.rgb.getpixel((0, 0))[0] >= 150 for picture in images):
            raise KeyboardInterrupt
        return blue(images)

    def save(picture, path):
        time.sleep(0.01)
        save_image(picture, path)

    with pytest.raises(KeyboardInterrupt):
        stylize_all(pairs_of(folder), paint, save, none_moves, lambda: None)
    left = list((folder / "out").iterdir()) if (folder / "out").exists() else []
    assert all(not path.name.startswith(".") for path in left)
    for path in left:
        Image.open(path).load()


def test_what_is_not_kept_is_counted(folder):
    for name, form in (("20.png", "MPO"), ("21.png", "MPO"), ("22.png", "TIFF")):
        first, second = (Image.new("RGB", (8, 6), color) for color in ("red", "lime"))
        first.save(folder / name, form, save_all=True, append_images=[second])

    def paint_moving(source, target):
        return ["pages"]

    report = stylize_all(pairs_of(folder), list, save_result, paint_moving, lambda: None)
    assert (report.done, report.failures) == (23, [])
    further, pages = report.left_out.items()
    assert further[0].startswith("further images")
    assert [path.name for path in further[1]] == ["20.png", "21.png"]
    assert pages == ("pages", [folder / "22.png"])


def test_images_that_cannot_be_read_are_named_and_counted(tmp_path):
    assert describe_unread(tmp_path, tmp_path / "out") is None
    for name in ("a.jpg", "b.CR2", "out/c.svg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert describe_unread(tmp_path, tmp_path / "out") == (
        "1 image was left out (b.CR2): .cr2 cannot be read"
    )
    (tmp_path / "d.svg").touch()
    assert describe_unread(tmp_path, tmp_path / "out") == (
        "2 images were left out (b.CR2, …): .cr2, .svg cannot be read"
    )


def test_a_missing_codec_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("stylenet.inference.folder.UNREAD_SUFFIXES", {".heic"})
    readable = READABLE_SUFFIXES - {".heic"}
    monkeypatch.setattr("stylenet.image.formats.READABLE_SUFFIXES", readable)
    (tmp_path / "a.HEIC").touch()
    assert describe_unread(tmp_path, tmp_path / "out") == (
        "1 image was left out (a.HEIC): .heic cannot be read; some need pip install pillow-heif"
    )
