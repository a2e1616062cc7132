import errno
import itertools
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from stylenet.data import PhotoDataset, scan_photos
from stylenet.errors import StyleNetError
from stylenet.image import open_image
from stylenet.image.reading import reading

MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"]


def dataset(root, crop_size=16, **options):
    return PhotoDataset(root, scan_photos(root), crop_size, **{"min_size": 8, **options})


def in_mode(image, mode):
    if mode not in ("I;16", "I", "F"):
        return image.convert(mode)
    gray = np.asarray(image.convert("L"))
    dtype = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
    return Image.fromarray(gray.astype(dtype) * 257)


def named_in(reasons, names):
    """Return the files that the messages name, one each."""
    return [next(name for name in names if f"/{name}" in reason) for reason in reasons]


def assert_valid(image, size):
    assert image.shape == (3, size, size)
    assert image.dtype == torch.float32
    assert torch.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() <= 1


@pytest.fixture
def save(tmp_path):
    """Save an image under a name and return a dataset of all saved images."""

    def save(image, name="a.png", crop_size=16, max_scale=1.5, **options):
        image.save(tmp_path / name, **options)
        return dataset(tmp_path, crop_size, max_scale=max_scale)

    return save


@pytest.fixture
def little_memory():
    """Limit the process to 1 GiB more memory than it uses."""
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("needs Linux to tell the memory in use")
    used = int(status.read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(8, 90),
    st.integers(8, 90),
    st.sampled_from(MODES),
    st.sampled_from([16, 17, 48]),
    st.floats(1, 3),
)
def test_crops_of_every_photo_are_valid(tmp_path_factory, width, height, mode, crop, max_scale):
    root = tmp_path_factory.getbasetemp() / "any_photo"
    root.mkdir(exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    in_mode(Image.fromarray(pixels), mode).save(root / "a.tif")
    photos = dataset(root, crop, max_scale=max_scale)
    for n in range(3):
        sample = photos[n]
        image, skipped = sample.image, sample.skipped
        assert_valid(image, crop)
        assert not skipped


def test_a_sample_depends_only_on_the_seed_and_its_index(photos):
    one, two = dataset(photos, seed=3), dataset(photos, seed=3)
    in_order = [one[n].image for n in range(25)]
    for n in reversed(range(25)):
        assert torch.equal(two[n].image, in_order[n])


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files"),
        MemoryError(),
        OSError("out of memory error when reading image file"),  # Pillow's decoders
    ],
    ids=["files", "memory", "decoder"],
)
def test_a_photo_that_cannot_be_read_for_a_moment_is_not_replaced(photos, monkeypatch, error):
    # Another photo in its place would make a resumed run differ from the run that it
    # resumes.
    monkeypatch.setattr("stylenet.data.photos.time.sleep", lambda seconds: None)
    disturbed, undisturbed = dataset(photos), dataset(photos)
    reads = itertools.count()

    def open_photo(path, smallest):
        if next(reads) % 3:
            with reading(path):
                raise error
        return open_image(path, smallest)

    disturbed.open_photo = open_photo
    for n in range(8):
        found = disturbed[n]
        assert torch.equal(found.image, undisturbed[n].image)
        assert not found.skipped


def test_a_photo_that_stays_unreadable_is_skipped(photos, monkeypatch):
    waits = []
    monkeypatch.setattr("stylenet.data.photos.time.sleep", waits.append)
    photo_data = dataset(photos)
    bad = photo_data.root / photo_data.photos[photo_data._index(0)]

    def open_photo(path, smallest):
        if path == bad:
            with reading(path):
                raise OSError(errno.EIO, "Input/output error")
        return open_image(path, smallest)

    photo_data.open_photo = open_photo
    found = photo_data[0]
    assert found.image is not None
    assert "Input/output error" in found.skipped[0]
    assert waits  # retried before the photo was skipped


def test_other_seeds_give_other_orders(photos, photo_numbers):
    orders = [
        photo_numbers(dataset(photos, seed=seed)[n].image for n in range(10)) for seed in range(5)
    ]
    assert len({tuple(order) for order in orders}) == 5


@pytest.mark.parametrize("seed", [0, 1, 2**40])
def test_each_epoch_visits_every_photo_once_in_a_new_order(photos, photo_numbers, seed):
    photo_data = dataset(photos, seed=seed)
    rounds = [
        photo_numbers(photo_data[n].image for n in range(start, start + 10))
        for start in (0, 10, 990)
    ]
    for visited in rounds:
        assert sorted(visited) == list(range(10))
    assert len({tuple(visited) for visited in rounds}) == 3


def test_about_half_the_crops_are_flipped(save, ramp):
    photos = save(ramp)
    crops = [photos[n].image for n in range(100)]
    assert 30 < sum(bool(crop[0, 0, 0] < crop[0, 0, -1]) for crop in crops) < 70


def test_scales_vary_up_to_the_maximum(save, ramp):
    photos = save(ramp, max_scale=2)
    spans = [float(photos[n].image.max() - photos[n].image.min()) for n in range(100)]
    assert min(spans) == pytest.approx(0.5, abs=0.06)  # half of the photo
    assert max(spans) == pytest.approx(1, abs=0.07)  # the complete photo


def test_permuted_colors_take_every_order_and_keep_the_crop(tmp_path):
    colors = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(colors).save(tmp_path / "a.png")
    plain, permuted = dataset(tmp_path), dataset(tmp_path, permute_colors=True)
    orders = set()
    for n in range(60):
        original, crop = plain[n].image, permuted[n].image
        orders.add(tuple(int((original - c[None]).abs().mean((1, 2)).argmin()) for c in crop))
        torch.testing.assert_close(crop.sort(0).values, original.sort(0).values)
        assert torch.equal(permuted[n].image, crop)
    assert len(orders) == 6


def test_scale_1_uses_the_complete_short_side(save, ramp):
    photos = save(ramp, max_scale=1)
    for n in range(10):
        assert photos[n].image.max() - photos[n].image.min() > 0.93


@pytest.mark.parametrize("size", [(192, 64), (64, 192)])
def test_crops_come_from_every_part_of_the_photo(save, ramp, size):
    upright = size[1] > size[0]
    photos = save((ramp.rotate(-90) if upright else ramp).resize(size), max_scale=1)
    means = [float(photos[n].image.mean()) for n in range(100)]
    assert min(means) < 0.25  # a crop is a third of the photo: its mean lies in [1/6, 5/6]
    assert max(means) > 0.75


def test_exif_orientation_is_respected(save):
    left_half_white = Image.new("RGB", (32, 32))
    left_half_white.paste("white", (0, 0, 16, 32))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # the left side is up
    photos = save(left_half_white, max_scale=1, exif=exif)
    for crop in (photos[0].image, photos.center_crop(0, 16)):
        assert crop[:, :6].min() > 0.9
        assert crop[:, -6:].max() < 0.1


def test_a_large_jpeg_gives_the_same_crop_as_a_png(save, tmp_path, ramp):
    photo = ramp.resize((512, 512))
    photos = save(photo, "a.jpg", quality=100)
    same = PhotoDataset(tmp_path, ["b.png"], 16, min_size=8)
    photo.save(tmp_path / "b.png")
    for n in range(5):
        assert torch.allclose(photos[n].image, same[n].image, atol=0.03)


def test_transparent_pixels_become_white(save):
    photos = save(Image.new("RGBA", (20, 20), (0, 0, 0, 0)))
    assert photos[0].image.min() == 1


@pytest.mark.parametrize("size", [(60_000, 1), (1, 60_000)])
def test_a_very_long_photo_needs_no_more_memory_than_its_crop(tmp_path, little_memory, size):
    Image.new("RGB", size, "teal").save(tmp_path / "a.png")
    photos = dataset(tmp_path, crop_size=512, min_size=1)
    assert_valid(photos[0].image, 512)
    assert photos.center_crop(0, 512).shape == (3, 512, 512)


def test_center_crop_is_the_middle_of_the_photo(save):
    image = Image.new("RGB", (90, 30))
    image.paste("white", (30, 0, 60, 30))
    assert save(image).center_crop(0, 30).min() == 1


@pytest.mark.parametrize("mode", MODES)
def test_photos_of_any_mode_are_used(tmp_path, ramp, mode):
    in_mode(ramp, mode).save(tmp_path / "a.tif")
    photos = dataset(tmp_path)
    assert photos.check(0) is None
    sample = photos[0]
    image, skipped = sample.image, sample.skipped
    assert_valid(image, 16)
    assert not skipped
    assert image.max() - image.min() > 0.3  # neither all white nor all black


def test_bad_files_are_reported_and_replaced(photos, bad_files, tmp_path, photo_numbers):
    root = tmp_path / "mixed"
    shutil.copytree(photos, root)
    for name, data in bad_files.items():
        (root / name).write_bytes(data)
    (root / "link.jpg").symlink_to(root / "nowhere.jpg")
    bad = {*bad_files, "link.jpg"}
    photo_data = dataset(root)
    named = set()
    for n in range(len(photo_data.photos)):
        sample = photo_data[n]
        image, skipped = sample.image, sample.skipped
        assert_valid(image, 16)
        assert photo_numbers([image])[0] in range(10)
        named.update(named_in(skipped, bad))
        assert not any("\n" in reason for reason in skipped)
    assert named == bad


def test_replacements_are_the_same_every_time(photos, bad_files, tmp_path):
    root = tmp_path / "mixed"
    shutil.copytree(photos, root)
    for name, data in bad_files.items():
        (root / name).write_bytes(data)
    one, two = dataset(root), dataset(root)
    for n in range(17):
        assert torch.equal(one[n].image, two[n].image)
        assert one[n].skipped == two[n].skipped


def test_a_sample_of_bad_files_only_is_none_and_has_the_reasons(tmp_path, bad_files):
    for name, data in bad_files.items():
        (tmp_path / name).write_bytes(data)
    sample = dataset(tmp_path)[0]
    image, skipped = sample.image, sample.skipped
    assert image is None
    assert len(set(named_in(skipped, bad_files))) > 3


@pytest.mark.parametrize("name", ["bomb.png", "empty.jpg", "text.jpg", "tiny.png", "truncated.jpg"])
def test_the_check_reports_why_a_file_is_bad(tmp_path, bad_files, name):
    (tmp_path / name).write_bytes(bad_files[name])
    why = {
        "bomb.png": "too large",
        "empty.jpg": "is empty",
        "text.jpg": "is not an image",
        "tiny.png": "is too small: 40x7, expected data.min_size=8 at least",
        "truncated.jpg": "is damaged",
    }
    photos = dataset(tmp_path)
    assert str(tmp_path / name) in photos.check(0)
    assert why[name] in photos.check(0)
    with pytest.raises(StyleNetError, match=why[name]):
        photos.center_crop(0, 16)


def test_a_file_that_vanishes_is_skipped(save, ramp, tmp_path):
    photos = save(ramp)
    (tmp_path / "a.png").unlink()
    assert "no such file" in photos[0].skipped[0]


@pytest.mark.parametrize(
    ("option", "value"),
    [("crop_size", value) for value in (0, -1, 15, 16.0, "abc", None, True)]
    + [("max_scale", value) for value in (0, 0.99, -1, "abc", None, float("nan"), float("inf"))]
    + [("min_size", value) for value in (0, -1, 1.5, "abc", None)]
    + [("seed", value) for value in (-1, 0.5, "abc", None)],
)
def test_an_invalid_value_is_named(option, value):
    with pytest.raises(StyleNetError, match=f"^data.{option}={value} is not a"):
        PhotoDataset("photos", [], **{"crop_size": 16, option: value})


def test_all_real_photos_are_used(shared):
    root = shared / "data" / "photos"
    photos = PhotoDataset(root, scan_photos(root)[::20], 64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(len(photos.photos)):
            sample = photos[n]
            image, skipped = sample.image, sample.skipped
            assert_valid(image, 64)
            assert not skipped
            assert image.std() > 0.001
