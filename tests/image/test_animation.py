"""Animated GIF, WebP and PNG."""

import random
import struct
from contextlib import suppress
from itertools import islice

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from stylenet.errors import StyleNetError
from stylenet.image import (
    ANIMATION_SUFFIXES,
    Frame,
    LoadedImage,
    is_animated,
    load_image,
    read_animation,
    save_animation,
)

SUFFIXES = [".gif", ".webp", ".png"]
ALL = sorted(ANIMATION_SUFFIXES)  # AVIF too, which is lossy and repeats endlessly
ColorS = ["red", "lime", "blue", "white", "black"]


def frames(count=4, size=(32, 24), alpha=False, durations=(40, 70, 100)):
    """Return frames of plain colors; with alpha, all is transparent but a moving square."""
    for i in range(count):
        rgb = Image.new("RGB", size, ColorS[i % len(ColorS)])
        mask = None
        if alpha:
            mask = Image.new("L", size)
            mask.paste(255, (i, i, i + 8, i + 8))
        yield Frame(LoadedImage(rgb, mask), durations[i % len(durations)])


def same(frame, expected):
    mask = expected.image.alpha
    where = ... if mask is None else np.asarray(mask) > 0
    got, want = (np.asarray(one.image.rgb, int)[where] for one in (frame, expected))
    return np.abs(got - want).max(initial=0) <= 6


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("alpha", [True, False])
@pytest.mark.parametrize("plays", [0, 1, 2, 7])
def test_frames_durations_repeats_and_alpha_are_kept(suffix, alpha, plays, tmp_path):
    path = tmp_path / f"a{suffix}"
    save_animation(frames(5, alpha=alpha), path, plays)
    animation = read_animation(path)
    assert is_animated(path)
    assert (animation.size, animation.count, animation.plays) == ((32, 24), 5, plays)
    assert len(list(tmp_path.iterdir())) == 1
    for _ in range(2):  # iterable more than once
        for frame, expected in zip(animation, frames(5, alpha=alpha), strict=True):
            assert frame.duration == expected.duration
            assert same(frame, expected)
            assert (frame.image.alpha is not None) == alpha
            if alpha:
                assert np.array_equal(frame.image.alpha, expected.image.alpha)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 5),
    st.sampled_from(SUFFIXES),
    st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_animations_of_any_size_and_frame_count_are_kept(
    tmp_path_factory, width, height, count, suffix, see_through
):
    path = tmp_path_factory.getbasetemp() / f"sizes{suffix}"
    rng = np.random.default_rng(width)
    made = []
    for i in range(count):
        rgb = Image.new("RGB", (width, height), ColorS[i])
        mask = Image.fromarray(rng.choice(np.uint8([0, 255]), (height, width)))
        made.append(Frame(LoadedImage(rgb, mask if see_through[i] else None), 50))
    save_animation(iter(made), path)
    read = list(read_animation(path))
    assert len(read) == count
    for frame, expected in zip(read, made, strict=True):
        assert frame.image.rgb.size == (width, height)
        assert same(frame, expected)
        kept, expected_alpha = (
            np.full((height, width), 255) if one.alpha is None else np.asarray(one.alpha)
            for one in (frame.image, expected.image)
        )
        assert np.array_equal(kept, expected_alpha)


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_partial_transparency_is_kept(suffix, tmp_path):
    mask = Image.linear_gradient("L").resize((32, 32))
    frame = Frame(LoadedImage(Image.new("RGB", (32, 32), "teal"), mask), 20)
    save_animation([frame, frame], tmp_path / f"a{suffix}")
    for read in read_animation(tmp_path / f"a{suffix}"):
        assert np.array_equal(read.image.alpha, mask)


@pytest.mark.parametrize("suffix", ALL)
def test_animations_written_by_pillow_are_read(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    first, *rest = [frame.image.rgb for frame in frames(4)]
    options = {"lossless": True} if suffix == ".webp" else {}
    first.save(path, save_all=True, append_images=rest, duration=[30, 60, 90, 120], **options)
    read = list(read_animation(path))
    assert [frame.duration for frame in read] == [30, 60, 90, 120]
    assert all(same(frame, expected) for frame, expected in zip(read, frames(4), strict=True))


@pytest.mark.parametrize("suffix", ALL)
def test_pillow_reads_written_animations(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    save_animation(frames(4, alpha=True), path)
    with Image.open(path) as image:
        assert image.n_frames == 4
        for i in range(4):
            image.seek(i)
            assert image.convert("RGBA").getpixel((i + 1, i + 1))[3] == 255
            assert image.convert("RGBA").getpixel((31, 0))[3] == 0


def test_a_fallback_image_for_other_viewers_is_not_a_frame(tmp_path):
    still, *rest = [frame.image.rgb for frame in frames(4)]
    still.save(tmp_path / "a.png", save_all=True, append_images=rest, default_image=True)
    animation = read_animation(tmp_path / "a.png")
    assert animation.count == 3
    assert [frame.image.rgb.getpixel((0, 0))[0] for frame in animation] == [0, 0, 255]


def test_color_profile_and_orientation_are_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    first, *rest = [frame.image.rgb for frame in frames(3)]
    first.save(tmp_path / "a.webp", save_all=True, append_images=rest, exif=exif)
    animation = read_animation(tmp_path / "a.webp")
    assert animation.size == (24, 32)
    assert {frame.image.rgb.size for frame in animation} == {(24, 32)}


@pytest.mark.parametrize("suffix", ALL)
def test_frames_are_processed_one_at_a_time(suffix, tmp_path):
    """Check that copying a hundred frames keeps only a few in memory."""
    path = tmp_path / f"a{suffix}"
    alive = [0, 0]

    class Counted(Frame):
        def __init__(self, *args):
            super().__init__(*args)
            alive[0] += 1
            alive[1] = max(alive)

        def __del__(self):
            alive[0] -= 1

    save_animation((Counted(f.image, f.duration) for f in frames(100)), path)
    assert alive[1] <= 3
    assert len(list(islice(read_animation(path), 3))) == 3  # a reader may stop early


@pytest.mark.parametrize("alpha", [True, False])
def test_an_avif_sequence_is_kept(alpha, tmp_path):
    if ".avif" not in ALL:
        pytest.skip("this Pillow has no AVIF")
    path = tmp_path / "a.avif"
    save_animation(frames(5, (64, 48), alpha), path)
    animation = read_animation(path)
    assert is_animated(path)
    assert (animation.size, animation.count, animation.plays) == ((64, 48), 5, 0)
    for frame, expected in zip(animation, frames(5, (64, 48), alpha), strict=True):
        assert frame.duration == expected.duration
        assert same(frame, expected)
        assert (frame.image.alpha is not None) == alpha
        if alpha:
            difference = np.asarray(frame.image.alpha, int) - np.asarray(expected.image.alpha)
            assert np.abs(difference).mean() <= 2


def test_a_gif_frame_larger_than_its_canvas_is_cropped(tmp_path):
    save_animation(frames(2, (40, 30)), tmp_path / "a.gif")
    data = bytearray((tmp_path / "a.gif").read_bytes())
    second = data.rindex(b",\0\0\0\0" + struct.pack("<HH", 40, 30))
    data[second + 1 : second + 5] = struct.pack("<HH", 10, 20)  # its top left corner
    (tmp_path / "a.gif").write_bytes(data)
    first, second = read_animation(tmp_path / "a.gif")
    assert first.image.rgb.size == second.image.rgb.size == (40, 30)
    assert first.image.rgb.getpixel((15, 25))[0] > 250  # red, then lime from (10, 20) on
    assert second.image.rgb.getpixel((15, 25))[1] > 250


@pytest.mark.parametrize(
    ("suffix", "unit"), [(".gif", 10), (".webp", 1), (".png", 1), (".avif", 1)]
)
def test_rounding_errors_of_durations_do_not_accumulate(suffix, unit, tmp_path):
    save_animation(frames(30, durations=(1000 / 30,)), tmp_path / f"a{suffix}")
    durations = [frame.duration for frame in read_animation(tmp_path / f"a{suffix}")]
    assert sum(durations) == pytest.approx(1000, abs=unit)
    assert max(durations) - min(durations) <= unit


def test_browsers_play_a_gif_of_60_frames_per_second_at_full_speed(tmp_path):
    save_animation(frames(30, durations=(1000 / 60,)), tmp_path / "a.gif")
    assert {frame.duration for frame in read_animation(tmp_path / "a.gif")} == {20}


@pytest.mark.parametrize("suffix", ALL)
def test_a_still_image_is_an_animation_of_one_frame(suffix, tmp_path):
    Image.new("RGB", (8, 6), "red").save(tmp_path / f"a{suffix}")
    assert not is_animated(tmp_path / f"a{suffix}")
    (frame,) = read_animation(tmp_path / f"a{suffix}")
    assert frame.image.rgb.size == (8, 6)


def test_the_first_frame_is_read_as_the_image(tmp_path):
    save_animation(frames(3), tmp_path / "a.gif")
    assert load_image(tmp_path / "a.gif").rgb.getpixel((0, 0)) == (255, 0, 0)


def test_pages_are_not_frames(tmp_path):
    first, *rest = [frame.image.rgb for frame in frames(3)]
    first.save(tmp_path / "a.tif", save_all=True, append_images=rest)
    assert not is_animated(tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as image:
        assert not is_animated(image)


# Errors


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.bmp", "a.tif"])
def test_other_formats_are_refused(name, tmp_path):
    with pytest.raises(StyleNetError, match=r"expected one of .*\.gif, \.png, \.webp"):
        save_animation(frames(), tmp_path / name)


@pytest.mark.parametrize("plays", [-1, 65_536])
def test_an_invalid_number_of_plays_is_refused(plays, tmp_path):
    with pytest.raises(StyleNetError, match=f"plays={plays}"):
        save_animation(frames(), tmp_path / "a.gif", plays)


@pytest.mark.parametrize("suffix", ALL)
def test_a_failure_leaves_no_files(suffix, tmp_path):
    def failing():
        yield from frames(2)
        raise StyleNetError("no more")

    def growing():
        yield from frames(2)
        yield from frames(1, size=(5, 5))

    for made, words in ((failing(), "no more"), (growing(), "5x5 pixels"), ([], "has no frame")):
        with pytest.raises(StyleNetError, match=words):
            save_animation(made, tmp_path / f"a{suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.gif", "no such file"),
        ("folder.gif", "is a folder"),
        ("empty.gif", "is empty"),
        ("text.gif", "is not an animation; expected a GIF, WebP, PNG or AVIF"),
        ("photo.jpg", "is not an animation; expected a GIF, WebP, PNG or AVIF"),
        ("head.gif", "is not an image"),
    ],
)
def test_a_file_without_an_animation_ends_in_one_clear_line(name, words, tmp_path):
    (tmp_path / "folder.gif").mkdir()
    (tmp_path / "empty.gif").touch()
    (tmp_path / "text.gif").write_text("nothing moves here")
    (tmp_path / "head.gif").write_bytes(b"GIF8")
    Image.new("RGB", (2, 2)).save(tmp_path / "photo.jpg")
    with pytest.raises(StyleNetError, match=words) as error:
        read_animation(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("suffix", ALL)
def test_corrupted_bytes_raise_only_stylenet_error(suffix, tmp_path):
    rng = random.Random(suffix)
    path = tmp_path / f"a{suffix}"
    save_animation(frames(3, size=(16, 12), alpha=True), path)
    data = path.read_bytes()
    opened = 0
    for _ in range(250):
        broken = bytearray(data)
        reach = rng.choice([80, len(data)])  # headers more often than pixels
        for _ in range(rng.choice([1, 2, 5, 20])):
            broken[rng.randrange(reach)] = rng.randrange(256)
        path.write_bytes(broken[: rng.choice([len(data), rng.randrange(len(data))])])
        with suppress(StyleNetError):
            is_animated(path)
        with suppress(StyleNetError):
            for frame in islice(read_animation(path), 20):
                assert frame.image.rgb.mode == "RGB"
            opened += 1
    assert 0 < opened < 250  # some files open and some are refused
