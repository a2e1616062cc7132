import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stylenet.app import stylizing
from stylenet.app.limits import Limits
from stylenet.app.region import canvas, painted_mask
from stylenet.app.stylizing import (
    Upload,
    check_clip,
    make_options,
    preview_photo,
    stylize_clip,
    stylize_frame,
    stylize_photo,
)
from stylenet.app.work import Stopped, Work, ending
from stylenet.errors import StyleNetError
from stylenet.image import load_image
from stylenet.inference import StylizeOptions, Stylizer, stylize_file

from ..video.videos import TIMES, make_video


@pytest.fixture
def stylizer(checkpoints):
    return Stylizer.load(checkpoints["dots"])


def stylized(stylizer, photo, options, mask=None):
    return stylize_photo(stylizer, photo, "dots", options, mask, Work(1))


@pytest.mark.parametrize(
    ("choices", "options"),
    [
        ((1.0, "Finest", "The style's"), StylizeOptions()),
        ((0.5, "Boldest", "The photo's"), StylizeOptions(320, 0.5, True)),
        ((1.0, "Medium", "Mixed"), StylizeOptions(720, 1.0, "histogram")),
    ],
)
def test_the_result_is_the_file_that_infer_writes(
    stylizer, photo, limits, tmp_path, choices, options
):
    preview_photo(photo, limits)
    result = stylized(stylizer, photo, make_options(*choices))
    expected = tmp_path / "expected.jpg"
    stylize_file(stylizer, photo.path, expected, options)
    assert result.path.read_bytes() == expected.read_bytes()
    assert result.path.name == "My photo_dots.jpg"
    assert result.size == (88, 100)
    for preview in (result.before, result.after):
        with Image.open(preview) as image:
            assert image.size == (88, 100)


def test_a_preview_is_small_and_the_result_is_not(stylizer, tmp_path, limits, monkeypatch):
    monkeypatch.setattr(stylizing, "_PREVIEW", 40)
    path = tmp_path / "upload.png"
    Image.new("RGB", (100, 60), "teal").save(path)
    photo = Upload(path, "teal.png")
    with Image.open(preview_photo(photo, limits)) as image:
        assert image.size == (40, 24)
    assert stylized(stylizer, photo, make_options(1, "Finest", "The style's")).size == (100, 60)


def test_only_the_painted_part_is_stylized(stylizer, tmp_path, limits):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "upload.png")
    photo = Upload(tmp_path / "upload.png", "noise.png")
    layer = np.zeros((32, 40, 4), np.uint8)  # the editor shows the photo at half its size
    layer[:, :20] = (200, 80, 60, 140)
    preview_photo(photo, limits)
    mask = painted_mask({"background": None, "layers": [layer], "composite": None})
    result = stylized(stylizer, photo, make_options(1, "Finest", "The style's"), mask)
    with Image.open(result.path) as image:
        changed = (np.asarray(image) != pixels).any(axis=2)
    assert changed[:, :36].mean() > 0.9
    assert not changed[:, 44:].any()


@pytest.mark.parametrize("layers", [[], [np.zeros((4, 4, 4), np.uint8)], [None]])
def test_nothing_painted_is_no_mask(layers):
    assert painted_mask({"layers": layers}) is None
    assert painted_mask(None) is None


def test_the_editor_gets_a_small_copy(tmp_path):
    Image.new("RGB", (1600, 800)).save(tmp_path / "before.webp")
    with Image.open(canvas(tmp_path / "before.webp")) as image:
        assert image.size == (768, 384)


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff\xe0 cut off", b"GIF89a"])
def test_a_broken_photo_is_named_as_the_visitor_named_it(tmp_path, limits, content):
    path = tmp_path / "upload.jpg"
    path.write_bytes(content)
    with pytest.raises(StyleNetError) as caught:
        preview_photo(Upload(path, "holiday.jpg"), limits)
    assert "holiday.jpg" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_photo_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "upload.png"
    Image.new("L", (2000, 1000)).save(path)
    monkeypatch.setattr(stylizing, "load_image", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(StyleNetError, match="2 megapixels"):
        preview_photo(Upload(path, "big.png"), Limits(pixels=1))


def test_each_frame_of_an_animation_counts(tmp_path):
    path = tmp_path / "upload.gif"
    frames = [Image.new("L", (1000, 500), shade) for shade in (0, 90, 180)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(StyleNetError, match="megapixels"):
        preview_photo(Upload(path, "a.gif"), Limits(pixels=1))


def test_choices_that_are_not_on_the_page_are_refused():
    for strokes, colors in (("Huge", "Mixed"), ("Bold", "no")):
        with pytest.raises(StyleNetError, match="not on the page"):
            make_options(1, strokes, colors)
    with pytest.raises(StyleNetError, match="strength"):
        make_options(2, "Bold", "Mixed")


def test_work_ends_when_it_is_stopped_or_late():
    work = Work(1)
    work.check()
    work.stop.set()
    with pytest.raises(Stopped, match="Stopped"):
        work.check()
    with pytest.raises(Stopped, match="longer than the 0 minutes"):
        Work(0).check()


class Impatient(Work):
    """Work that is stopped at its third look."""

    looks = 0

    def check(self):
        self.looks += 1
        if self.looks == 3:
            self.stop.set()
        super().check()


def test_a_stopped_photo_ends_within_the_network_and_leaves_the_last_result(stylizer, photo):
    options = make_options(1, "Finest", "The style's")
    preview_photo(photo, Limits())
    before = stylize_photo(stylizer, photo, "dots", options, None, Work(1))
    content = before.path.read_bytes()
    files = sorted(photo.path.parent.iterdir())
    work = Impatient(1)
    with pytest.raises(Stopped, match="There is no new result"):
        stylize_photo(stylizer, photo, "dots", make_options(0.5, "Finest", "Mixed"), None, work)
    assert work.looks == 3
    assert before.path.read_bytes() == content
    assert sorted(photo.path.parent.iterdir()) == files
    # Others are not stopped, and neither is the next work.
    stylize_photo(stylizer, photo, "dots", options, None, Work(1))


def test_work_that_is_stopped_leaves_networks_of_other_threads_alone(stylizer, photo):
    work = Work(1)
    image = load_image(photo.path).rgb
    results = []
    with ending(work):
        work.stop.set()
        thread = threading.Thread(target=lambda: results.append(stylizer(image)))
        thread.start()
        thread.join()
        assert results[0].size == image.size
        with pytest.raises(Stopped):
            stylizer(image)
        work.stop.clear()


def test_strokes_are_those_of_infer():
    assert make_options(1, "Bold", "Mixed", 2) == StylizeOptions(480, 1, "histogram", stroke=2)
    layered = make_options(1, "Layered", "Mixed")
    assert layered == StylizeOptions(None, 1, "histogram", passes=[512, 1024, "full"])
    assert make_options(1, "Layered", "Mixed", 2).passes == [256, 512, "full"]
    for strokes in ("Bold", "Layered"):
        with pytest.raises(StyleNetError, match="stroke"):
            make_options(1, strokes, "Mixed", 0)


@pytest.fixture
def clip(tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    make_video(folder / "upload.mp4", times=TIMES[:6])
    return Upload(folder / "upload.mp4", "waves at sea.MOV")


def test_a_video_is_stylized_with_its_progress(stylizer, clip, limits):
    check_clip(clip, limits)
    seen = []
    options = make_options(1, "Finest", "The style's")
    result = stylize_clip(stylizer, clip, "dots", options, Work(1), lambda *n: seen.append(n))
    assert result.name == "waves at sea_dots.mp4"
    assert [done for done, _ in seen] == [1, 2, 3, 4, 5, 6]
    assert {total for _, total in seen} == {6}


def test_a_stopped_video_leaves_nothing_half_written(stylizer, clip):
    work, before = Work(1), sorted(clip.path.parent.iterdir())
    options = make_options(1, "Finest", "The style's")

    def stop_early(done, _):
        if done == 2:
            work.stop.set()

    with pytest.raises(Stopped):
        stylize_clip(stylizer, clip, "dots", options, work, stop_early)
    assert sorted(clip.path.parent.iterdir()) == before


def test_a_long_video_and_one_that_is_none_are_refused(clip, limits, tmp_path):
    with pytest.raises(StyleNetError, match=r"seconds, longer than the 0\.1"):
        check_clip(clip, Limits(video=0.1))
    clip.path.write_bytes(b"no video")
    with pytest.raises(StyleNetError) as caught:
        check_clip(clip, limits)
    assert "waves at sea.MOV" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_frame_of_a_camera_is_reduced(stylizer):
    frame = np.zeros((720, 1280, 3), np.uint8)
    stylized = stylize_frame(stylizer, frame, 1.0, "The style's")
    assert stylized.shape == (360, 640, 3)
    assert stylized.dtype == np.uint8


def test_the_name_of_a_result_cannot_leave_its_folder(stylizer, photo, limits):
    hostile = Upload(photo.path, "../../evil/photo.jpg")
    preview_photo(hostile, limits)
    result = stylized(stylizer, hostile, make_options(1, "Finest", "The style's"))
    assert result.path.parent == photo.path.parent
    assert not (Path(photo.path).parents[1] / "evil").exists()
    shutil.rmtree(photo.path.parent)
