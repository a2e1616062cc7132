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
    """Return a folder of twenty images of three sizes; the red of each encodes its index."""
    for i in range(20):
        color = (10 * i, 0, 0)
        Image.new("RGB", [(8, 6), (6, 8), (9, 9)][i % 3], color).save(tmp_path / f"{i:02}.png")
    return tmp_path


def keep(images, sources):
    return list(images)


def pairs_of(folder):
    return [(path, folder / "out" / path.name) for path in sorted(folder.glob("*.png"))]


def blue(images):
    """Keep the red, which identifies the image, and set blue to 255, which marks it as stylized."""
    assert len({image.rgb.size for image in images}) == 1
    stylized = []
    for image in images:
        pixels = np.array(image.rgb)
        pixels[..., 2] = 255
        stylized.append(LoadedImage(Image.fromarray(pixels)))
    return stylized


def no_sequences(source, target):
    raise AssertionError(source)


def test_each_image_goes_to_its_own_file(folder):
    ticks, batches = [], []

    def stylize(images, sources):
        batches.append(len(images))
        return blue(images)

    report = stylize_all(
        pairs_of(folder), stylize, save_image, no_sequences, lambda: ticks.append(1)
    )
    assert (report.done, report.failures, len(ticks)) == (20, [], 20)
    for i, (source, target) in enumerate(pairs_of(folder)):
        with Image.open(source) as before, Image.open(target) as after:
            assert after.size == before.size
            assert after.getpixel((0, 0)) == (10 * i, 0, 255)
    assert max(batches) > 1, "images of one size form a batch"


def test_failures_are_listed_in_order_and_the_other_images_are_stylized(folder):
    (folder / "03.png").write_bytes(b"")
    (folder / "17.png").write_bytes((folder / "17.png").read_bytes()[:30])

    def stylize(images, sources):
        if any(image.rgb.getpixel((0, 0))[0] == 70 for image in images):
            raise StyleNetError("too much red")
        return blue(images)

    def save(image, path):
        if path.name == "11.png":
            raise StyleNetError(f"cannot write {path}")
        save_image(image, path)

    ticks = []
    report = stylize_all(pairs_of(folder), stylize, save, no_sequences, lambda: ticks.append(1))
    assert report.done == 16
    assert len(ticks) == 20
    named = [
        f"{number}.png" in line
        for number, line in zip(("03", "07", "11", "17"), report.failures, strict=True)
    ]
    assert all(named), report.failures
    assert len(list((folder / "out").iterdir())) == 16


def test_saving_overlaps_with_the_network(folder):
    saving, stylized_meanwhile = threading.Event(), threading.Event()

    def stylize(images, sources):
        if saving.is_set():
            stylized_meanwhile.set()
        return blue(images)

    def save(image, path):
        saving.set()
        stylized_meanwhile.wait(60)

    stylize_all(pairs_of(folder), stylize, save, no_sequences, lambda: None)
    assert stylized_meanwhile.is_set()


def test_an_interruption_leaves_only_complete_files(folder):
    def stylize(images, sources):
        if any(image.rgb.getpixel((0, 0))[0] >= 150 for image in images):
            raise KeyboardInterrupt
        return blue(images)

    def save(image, path):
        time.sleep(0.01)
        save_image(image, path)

    with pytest.raises(KeyboardInterrupt):
        stylize_all(pairs_of(folder), stylize, save, no_sequences, lambda: None)
    left = list((folder / "out").iterdir()) if (folder / "out").exists() else []
    assert all(not path.name.startswith(".") for path in left)
    for path in left:
        Image.open(path).load()


def test_left_out_contents_are_counted_by_name(folder):
    for name, form in (("20.png", "MPO"), ("21.png", "MPO"), ("22.png", "TIFF")):
        first, second = (Image.new("RGB", (8, 6), color) for color in ("red", "lime"))
        first.save(folder / name, form, save_all=True, append_images=[second])

    def stylize_sequence(source, target):
        return ["pages"]

    report = stylize_all(pairs_of(folder), keep, save_result, stylize_sequence, lambda: None)
    assert (report.done, report.failures) == (23, [])
    further, pages = report.left_out.items()
    assert further[0].startswith("further images")
    assert [path.name for path in further[1]] == ["20.png", "21.png"]
    assert pages == ("pages", [folder / "22.png"])


def test_unreadable_formats_are_listed_and_counted(tmp_path):
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


def test_the_package_of_a_missing_codec_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("stylenet.inference.folder.UNREAD_SUFFIXES", {".heic"})
    readable = READABLE_SUFFIXES - {".heic"}
    monkeypatch.setattr("stylenet.image.formats.READABLE_SUFFIXES", readable)
    (tmp_path / "a.HEIC").touch()
    assert describe_unread(tmp_path, tmp_path / "out") == (
        "1 image was left out (a.HEIC): .heic cannot be read; some need pip install pillow-heif"
    )
