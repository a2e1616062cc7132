from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stylenet.checkpoint import CheckpointInfo
from stylenet.errors import StyleNetError
from stylenet.image import ANIMATION_SUFFIXES
from stylenet.inference import StylizeOptions, Stylizer, find_images, stylize_file
from stylenet.inference.files import name_result, plan_folder
from stylenet.networks import build_network


@pytest.fixture(scope="module")
def stylizer():
    torch.manual_seed(0)
    return Stylizer(
        build_network("johnson", width=2, blocks=0), CheckpointInfo("test", 1), device="cpu"
    )


def store(path, size=(7, 5), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    colors = np.random.default_rng(0).integers(0, 256, (*size[::-1], len(mode)), dtype=np.uint8)
    Image.fromarray(colors).save(path)
    return path


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif", ".PNG"])
def test_the_target_suffix_chooses_the_format(stylizer, tmp_path, suffix):
    source, target = store(tmp_path / "a.png"), tmp_path / "new" / "folder" / f"b{suffix}"
    stylize_file(stylizer, source, target)
    with Image.open(source) as photo, Image.open(target) as result:
        assert result.format == Image.registered_extensions()[suffix.lower()]
        expected = np.asarray(stylizer(photo), dtype=int)
        error = np.abs(np.asarray(result.convert("RGB"), dtype=int) - expected)
    assert result.size == (7, 5)
    assert error.max() == 0 or suffix in (".jpg", ".webp")
    assert error.mean() < 20


def test_transparency_is_saved(stylizer, tmp_path):
    source, target = store(tmp_path / "a.png", mode="RGBA"), tmp_path / "b.png"
    stylize_file(stylizer, source, target)
    with Image.open(source) as photo, Image.open(target) as result:
        assert np.array_equal(np.asarray(result)[..., 3], np.asarray(photo)[..., 3])


def test_an_image_never_overwrites_itself(stylizer, tmp_path):
    source = store(tmp_path / "a.png")
    before = source.read_bytes()
    link = tmp_path / "link.png"
    link.symlink_to(source)
    hard = tmp_path / "hard.png"
    hard.hardlink_to(source)
    for target in (source, tmp_path / "." / "x" / ".." / "a.png", link, hard):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(StyleNetError, match="is the input itself; choose another name"):
            stylize_file(stylizer, source, target)
    assert source.read_bytes() == before


@pytest.mark.parametrize("name", ["b", "b.txt", "b.safetensors", ".png"])
def test_an_unknown_format_is_refused_before_any_work(stylizer, tmp_path, name):
    with pytest.raises(StyleNetError) as error:
        stylize_file(stylizer, tmp_path / "not looked at.png", tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert ".jpg" in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"", "is empty"), (b"not an image", "is not an image")],
)
def test_an_unreadable_image_is_reported_and_leaves_no_file(stylizer, tmp_path, content, message):
    source, target = tmp_path / "a.png", tmp_path / "out" / "b.png"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(StyleNetError) as error:
        stylize_file(stylizer, source, target)
    assert str(source) in str(error.value)
    assert message in str(error.value)
    assert not target.exists()


def test_an_image_that_fails_in_the_network_is_named(stylizer, tmp_path, monkeypatch):
    def short_of_memory(*_):
        raise StyleNetError("too large")

    monkeypatch.setattr(stylizer, "stylize", short_of_memory)
    source = store(tmp_path / "a.png")
    with pytest.raises(StyleNetError) as error:
        stylize_file(stylizer, source, tmp_path / "b.png")
    assert str(error.value) == f"{source}: too large"


def test_a_target_that_cannot_be_written_is_named(stylizer, tmp_path):
    source, target = store(tmp_path / "a.png"), tmp_path / "b.png"
    target.mkdir()
    with pytest.raises(StyleNetError) as error:
        stylize_file(stylizer, source, target)
    assert f"cannot write {target}" in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def make_tree(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")  # found by name, never opened
    return folder


def test_images_are_found_in_all_subfolders_in_order(tmp_path):
    names = ["a.PNG", "b.jpg", "deep/d.jpeg", "deep/er/c.webp", "g.gif"]
    make_tree(tmp_path / "in", *names[::-1], "e.txt", ".f.jpg")
    make_tree(tmp_path / "in" / ".thumbnails", "g.jpg")
    assert find_images(tmp_path / "in", tmp_path / "out") == [Path(name) for name in names]


@pytest.mark.parametrize("out", ["out", "deep/out", "deep/../out"])
def test_an_output_folder_inside_the_input_is_skipped(tmp_path, out):
    make_tree(tmp_path, "a.jpg", "deep/b.jpg", "outside/c.jpg", "out/a.jpg", "deep/out/b.jpg")
    names = {str(name) for name in find_images(tmp_path, tmp_path / out)}
    inside = {"deep/out": "deep/out/b.jpg"}.get(out, "out/a.jpg")
    everything = {"a.jpg", "deep/b.jpg", "outside/c.jpg", "out/a.jpg", "deep/out/b.jpg"}
    assert names == everything - {inside}


def test_an_output_folder_inside_a_relative_input_is_skipped(tmp_path, monkeypatch):
    make_tree(tmp_path, "a.jpg", "out/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert find_images(Path(), tmp_path / "out") == [Path("a.jpg")]
    assert find_images(tmp_path, Path("out")) == [Path("a.jpg")]


@pytest.mark.parametrize("names", [[], ["a.txt"], ["out/a.jpg"]])
def test_a_folder_without_images_is_refused(tmp_path, names):
    make_tree(tmp_path, *names)
    with pytest.raises(
        StyleNetError, match=r"no images found in .*; expected .*\.bmp, \.gif, .*\.jpeg"
    ):
        find_images(tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("in", "in", "is the input folder itself"),
        ("in", "x/../in", "is the input folder itself"),
        ("in", "link", "is the input folder itself"),
        # in/deep/deep/c.jpg would become in/deep/c.jpg, itself an image.
        ("in/deep", "in", "contains the input folder"),
        ("in", "file.jpg", "is a file, expected a folder"),
        ("none", "out", "cannot be read: No such file or directory"),
    ],
)
def test_conflicting_folders_are_refused(tmp_path, source, target, message):
    make_tree(tmp_path, "file.jpg", "x/y.jpg", "in/deep/c.jpg", "in/deep/deep/c.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "in", target_is_directory=True)
    with pytest.raises(StyleNetError, match=message) as error:
        find_images(tmp_path / source, tmp_path / target)
    assert str(tmp_path / (source if source == "none" else target)) in str(error.value)


def test_pattern_and_format_name_the_result():
    photo = Path("holiday/beach.JPG")
    assert name_result(photo, "wave", "{name}", None) == "beach.JPG"
    assert name_result(photo, "wave", "{name}_{style}", "png") == "beach_wave.png"
    assert name_result(Path("a.psd"), "wave", "{name}", None) == "a.png"
    for pattern in ("{photo}", "{name", "{}", "a/{name}", "", "{name.x}", "{name[x]}"):
        with pytest.raises(StyleNetError, match="name="):
            name_result(photo, "wave", pattern, None)
    with pytest.raises(StyleNetError, match="suffix"):
        name_result(photo, "wave", "{name}", "xyz")
    unzipped = Path("photos\\IMG_1.jpg")  # what unzip makes of an archive from Windows
    assert name_result(unzipped, "wave", "{name}_{style}", "png") == "photos\\IMG_1_wave.png"


def test_existing_results_are_skipped_unless_overwritten(tmp_path):
    for name in ("a.png", "b/c.png"):
        store(tmp_path / "in" / name)
    store(tmp_path / "out" / "a.png")
    source, target = tmp_path / "in", tmp_path / "out"

    def same(path):
        return path.name

    pairs, skipped = plan_folder(source, target, same, overwrite=False)
    assert (pairs, skipped) == ([(source / "b/c.png", target / "b/c.png")], 1)
    pairs, skipped = plan_folder(source, target, same, overwrite=True)
    assert (len(pairs), skipped) == (2, 0)


def test_two_images_never_go_to_one_file(tmp_path):
    for name in ("a.png", "a.jpg"):
        store(tmp_path / "in" / name)
    with pytest.raises(StyleNetError, match="would both go to"):
        plan_folder(
            tmp_path / "in", tmp_path / "out", lambda path: f"{path.stem}.png", overwrite=False
        )


def test_images_of_one_name_and_two_formats_both_get_a_result(tmp_path):
    """An unwritable format becomes a PNG; its name must neither stop the run nor be taken."""
    for name in ("a.jp2", "a.png", "b.tga"):
        store(tmp_path / "in" / name)
    source, target = tmp_path / "in", tmp_path / "out"

    def name(path):
        return name_result(path, "wave", "{name}", None)

    pairs, _ = plan_folder(source, target, name, overwrite=False)
    assert [(photo.name, result.name) for photo, result in pairs] == [
        ("a.jp2", "a_jp2.png"),
        ("a.png", "a.png"),
        ("b.tga", "b.png"),
    ]


def test_transparency_is_flattened_on_the_background(stylizer, tmp_path):
    image = Image.new("RGBA", (32, 32), (255, 0, 255, 0))
    image.paste((0, 0, 0, 255), (16, 0, 32, 32))
    image.save(tmp_path / "a.png")
    options = StylizeOptions(strength=0)
    for suffix in (".jpg", ".bmp"):
        target = tmp_path / f"b{suffix}"
        lost = stylize_file(stylizer, tmp_path / "a.png", target, options, background="#0080ff")
        assert lost == ["transparency (laid on #0080ff)"]
        with Image.open(target) as result:
            assert result.getpixel((6, 16)) == pytest.approx((0, 128, 255), abs=3)
    assert stylize_file(stylizer, tmp_path / "a.png", tmp_path / "b.webp", options) == []


def test_all_pages_are_stylized(stylizer, tmp_path):
    pages = [Image.new("RGB", (20, 10), "red"), Image.new("RGB", (8, 12), "lime")]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    options = StylizeOptions(strength=0)
    assert stylize_file(stylizer, tmp_path / "a.tif", tmp_path / "b.tif", options) == []
    with Image.open(tmp_path / "b.tif") as result:
        assert result.n_frames == 2
        for index, page in enumerate(pages):
            result.seek(index)
            assert np.array_equal(result, page)
    with pytest.raises(StyleNetError, match=r"a\.tif has 2 pages, which \.png cannot hold"):
        stylize_file(stylizer, tmp_path / "a.tif", tmp_path / "b.png")


def test_contents_that_are_lost_are_named(stylizer, tmp_path):
    first, *rest = [Image.new("RGB", (16, 12), color) for color in ("red", "lime")]
    first.copy().save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=rest)
    (lost,) = stylize_file(stylizer, tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert lost.startswith("further images")
    if ".avif" in ANIMATION_SUFFIXES:
        first.save(tmp_path / "a.gif", save_all=True, append_images=rest, loop=3)
        (lost,) = stylize_file(stylizer, tmp_path / "a.gif", tmp_path / "b.avif")
        assert lost.startswith("number of repetitions")


@pytest.mark.parametrize("suffix", sorted(ANIMATION_SUFFIXES))
def test_an_animation_is_stylized_frame_by_frame(stylizer, tmp_path, suffix):
    frames = [Image.new("RGB", (20, 16), color) for color in ("red", "lime", "blue")]
    for frame in frames:
        frame.paste("white", (3, 3, 9, 9))
    source, target = tmp_path / "a.gif", tmp_path / f"b{suffix}"
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=[40, 80, 120], loop=3)
    stylize_file(stylizer, source, target)
    with Image.open(target) as image:
        assert (image.n_frames, image.size) == (3, (20, 16))
        durations = []
        for index in range(3):
            image.seek(index)
            image.load()
            durations.append(image.info["duration"])
        assert durations == [40, 80, 120]
        assert np.asarray(image.convert("RGB"), float).std() > 1
    with pytest.raises(StyleNetError, match=r"is an animation, which \.jpg cannot hold"):
        stylize_file(stylizer, source, tmp_path / "c.jpg")
