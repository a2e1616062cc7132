import itertools
import logging
import multiprocessing
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from stylenet.data import CocoData, PhotoData
from stylenet.data.module import cores
from stylenet.errors import StyleNetError


def photo_data(root, **options):
    defaults = {"crop_size": 16, "batch_size": 2, "min_size": 8, "workers": 0, "seed": 3}
    data = PhotoData(str(root), **{**defaults, **options})
    data.setup()
    return data


def at(data, step, world=1, rank=0, accumulate=1):
    """Tell the data the trainer's step, rank and world size."""
    data.trainer = SimpleNamespace(
        world_size=world,
        num_devices=1,
        global_rank=rank,
        global_step=step,
        accumulate_grad_batches=accumulate,
    )
    return data


def batches(data, count):
    loader = data.train_dataloader()
    steps = zip(*loader, strict=True) if isinstance(loader, list) else loader
    loaded = itertools.islice(steps, count)
    return [images_of(data, batch) for batch in loaded]


def images_of(data, batch):
    return data.on_after_batch_transfer(data.on_before_batch_transfer(batch, 0), 0)


def samples(data, count):
    return torch.cat(batches(data, count))


@pytest.fixture
def mixed(photos, tmp_path):
    """Make folders of copies of good photos and some bad files."""

    def mix(good, bad):
        folder = tmp_path / f"{good}_good_{bad}_bad"
        folder.mkdir()
        for i, photo in enumerate(sorted(photos.rglob("*.png"))[:good]):
            shutil.copy(photo, folder / f"m{i}.png")
        for i in range(bad):  # first in the sorted order
            (folder / f"b{i:02}.jpg").touch()
        return folder

    return mix


# Order


@pytest.mark.parametrize("workers", [1, 2])
def test_samples_do_not_depend_on_the_number_of_workers(photos, workers):
    alone = batches(photo_data(photos), 8)
    shared = batches(photo_data(photos, workers=workers), 8)
    assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))


def test_samples_do_not_depend_on_the_global_random_state(photos):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = samples(photo_data(photos), 3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(samples(photo_data(photos), 3), first)


def test_another_seed_gives_other_samples(photos):
    assert not torch.equal(
        samples(photo_data(photos, seed=3), 5), samples(photo_data(photos, seed=4), 5)
    )


@pytest.mark.parametrize("batch_size", [1, 3, 5])
def test_batches_never_end_and_visit_every_photo_once_per_epoch(photos, photo_numbers, batch_size):
    count = 30 // batch_size
    images = samples(photo_data(photos, batch_size=batch_size), count)
    assert images.shape == (30, 3, 16, 16)
    assert images.dtype == torch.float32
    shades = photo_numbers(images)
    for start in (0, 10, 20):
        assert sorted(shades[start : start + 10]) == list(range(10))


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("step", [1, 4])
def test_a_resumed_run_gets_the_batches_of_an_uninterrupted_one(photos, step, accumulate):
    done = step * accumulate
    uninterrupted = batches(photo_data(photos), done + 3)
    rest = batches(at(photo_data(photos), step, accumulate=accumulate), 3)
    assert all(torch.equal(a, b) for a, b in zip(uninterrupted[done:], rest, strict=True))


@pytest.mark.parametrize("step", [0, 2])
def test_devices_divide_the_batches_of_a_single_device(photos, step):
    alone = samples(at(photo_data(photos, batch_size=4), step), 5)
    ranks = [samples(at(photo_data(photos), step, world=2, rank=rank), 5) for rank in (0, 1)]
    assert torch.equal(torch.stack(ranks, 1).flatten(0, 1), alone)


# Signals


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody says who sent a signal")
def test_data_workers_survive_signals_except_their_trainers(photos):
    before = set(multiprocessing.active_children())
    loaded = iter(photo_data(photos, workers=1).train_dataloader())
    next(loaded)  # the worker process has started
    (worker,) = set(multiprocessing.active_children()) - before
    for name in ("INT", "TERM", "TERM"):
        subprocess.run(["kill", f"-{name}", str(worker.pid)], check=True)
    for _ in range(10):
        assert next(loaded).pixels.shape == (2, 16, 16, 3)
    assert worker.is_alive()
    worker.terminate()
    worker.join(60)
    assert not worker.is_alive()


# Bad files


@pytest.mark.parametrize("workers", [0, 1])
def test_each_skipped_file_is_named_once(mixed, caplog, workers):
    data = photo_data(mixed(good=9, bad=2), workers=workers)
    with caplog.at_level(logging.WARNING):
        images = samples(data, 30)
    assert torch.isfinite(images).all()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert all(any(f"b0{i}.jpg is empty" in line for line in lines) for i in range(2))
    assert data.skipped_files == 2


@pytest.mark.parametrize(("good", "bad"), [(1, 9), (3, 12), (0, 1), (0, 40)])
def test_a_folder_of_mostly_bad_files_ends_the_run(mixed, good, bad):
    folder = mixed(good, bad)
    with pytest.raises(StyleNetError) as error:
        batches(photo_data(folder), 100)
    message = str(error.value)
    assert f"data.root={folder}" in message
    assert "files tried were unusable" in message
    assert "stylenet data check" in message
    assert "\n" not in message


def test_few_bad_files_at_the_beginning_do_not_end_the_run(mixed):
    folder = mixed(good=10, bad=4)
    for seed in range(10):  # some of these orders start with bad files
        assert samples(photo_data(folder, seed=seed), 20).shape[0] == 40


# Options


@pytest.mark.parametrize(
    ("option", "value"),
    [("batch_size", value) for value in (0, -1, 1.5, "abc", None, True)]
    + [("workers", value) for value in (-1, 0.5, "abc")]
    + [("crop_size", value) for value in (0, -1, 15, "abc", None)]
    + [("max_scale", value) for value in (0, "abc", None, float("inf"))]
    + [("min_size", value) for value in (0, "abc", None)]
    + [("seed", value) for value in (-1, "abc", None)],
)
@pytest.mark.parametrize("data_class", [PhotoData, CocoData])
def test_an_invalid_value_is_named_before_the_disk_is_read(data_class, option, value):
    with pytest.raises(StyleNetError, match=f"^data.{option}={value} is not a"):
        data_class("nowhere", **{"crop_size": 16, "batch_size": 2, option: value})


@pytest.mark.parametrize("root", ["", None])
def test_a_missing_root_is_named(root):
    with pytest.raises(StyleNetError, match=r"^data\.root is empty"):
        PhotoData(root, 16, 2)


def test_a_root_may_look_like_a_number(photos, tmp_path, monkeypatch):
    (tmp_path / "2017").symlink_to(photos)
    monkeypatch.chdir(tmp_path)
    data = PhotoData(2017, 16, 2, min_size=8)
    data.setup()
    assert len(data.dataset.photos) == 10


def test_the_default_number_of_workers_follows_the_cores():
    assert 1 <= PhotoData("photos", 16, 2).train_dataloader().num_workers <= 8


@pytest.mark.parametrize(("bound", "processes", "own"), [(16, 4, 4), (16, 32, 1), (3, 4, 3)])
def test_processes_divide_the_cores_unless_a_scheduler_assigned_them(
    monkeypatch, bound, processes, own
):
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(bound)), raising=False)
    assert cores(processes) == own


def test_setup_scans_the_folder_once(photos):
    data = photo_data(photos)
    photos_found = data.dataset.photos
    data.setup("fit")
    assert data.dataset.photos is photos_found
    assert len(photos_found) == 10


@pytest.mark.parametrize("name", ["missing", "empty", "file.jpg"])
def test_a_root_without_photos_is_named(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.jpg").touch()
    with pytest.raises(StyleNetError, match=f"data.root={tmp_path / name}"):
        photo_data(tmp_path / name)


# COCO


def test_coco_is_found_where_it_is_unpacked(photos, tmp_path):
    shutil.copytree(photos, tmp_path / "train2017")
    (tmp_path / "val2017").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "val2017/a.jpg")
    data = CocoData(str(tmp_path), 16, 2, min_size=8, workers=0)
    data.setup()
    assert len(data.dataset.photos) == 10
    assert samples(data, 2).shape == (4, 3, 16, 16)


@pytest.mark.parametrize(("name", "state"), [(".", "holds no folder"), ("no", "does not exist")])
def test_missing_coco_lists_the_alternatives(tmp_path, name, state):
    data = CocoData(str(tmp_path / name), 16, 2)
    with pytest.raises(StyleNetError) as error:
        data.setup()
    message = str(error.value)
    assert f"data.root={tmp_path / name} {state}" in message
    for way in ("train2017.zip", "data/README.md", "STYLENET_COCO", "data=folder data.root=PATH"):
        assert way in message
    assert "\n" not in message


def test_the_real_coco_data_is_read(shared):
    data = CocoData(str(shared / "data" / "coco"), crop_size=64, batch_size=8, workers=0)
    data.setup()
    images = samples(data, 2)
    assert images.shape == (16, 3, 64, 64)
    assert not data.skipped_files


# Previews


def test_previews_are_the_same_every_time_and_spread_over_the_folder(photos, photo_numbers):
    first, second = (photo_data(photos, seed=seed).preview_photos(3, 20) for seed in (1, 2))
    assert torch.equal(first, second)
    assert first.shape == (3, 3, 20, 20)
    order = photo_data(photos).dataset.photos
    positions = [
        order.index(next(n for n in order if n.endswith(f"{i}.png"))) for i in photo_numbers(first)
    ]
    assert positions == [0, 3, 6]


@pytest.mark.parametrize(("good", "bad", "count"), [(5, 3, 4), (3, 5, 3), (10, 10, 8), (1, 9, 1)])
def test_bad_files_are_replaced_in_the_previews(mixed, good, bad, count):
    previews = photo_data(mixed(good, bad)).preview_photos(count, 20)
    assert previews.shape == (count, 3, 20, 20)
    assert len({float(preview.mean()) for preview in previews}) == count  # all different


def test_fewer_photos_give_fewer_previews(mixed):
    assert photo_data(mixed(good=2, bad=3)).preview_photos(8, 20).shape == (2, 3, 20, 20)


def test_a_folder_without_any_preview_ends_in_one_clear_error(mixed):
    folder = mixed(good=0, bad=3)
    with pytest.raises(StyleNetError, match=f"^data.root={folder}: no usable photo"):
        photo_data(folder).preview_photos(2, 20)


# Style images beside the photos


def test_style_images_come_with_the_photos(photos, paintings):
    (first, second) = batches(photo_data(photos, styles=str(paintings)), 2)
    assert torch.equal(torch.cat([first.photos, second.photos]), samples(photo_data(photos), 2))
    assert torch.equal(
        torch.cat([first.styles, second.styles]), samples(photo_data(paintings, seed=4), 2)
    )


def test_a_photo_gets_another_style_image_each_epoch(photos):
    # As many style images as photos, here the same files, in an independent order.
    pairs = batches(photo_data(photos, styles=str(photos)), 8)
    assert not any(torch.equal(pair.photos, pair.styles) for pair in pairs)


def test_style_images_of_a_resumed_run_continue_with_the_photos(photos, paintings):
    *_, last = batches(photo_data(photos, styles=str(paintings)), 4)
    (resumed,) = batches(at(photo_data(photos, styles=str(paintings)), 3), 1)
    assert torch.equal(resumed.styles, last.styles)
    assert torch.equal(resumed.photos, last.photos)


def test_devices_divide_the_style_images(photos, paintings):
    alone = batches(photo_data(photos, styles=str(paintings), batch_size=4), 1)[0].styles
    for rank in (0, 1):
        (part,) = batches(at(photo_data(photos, styles=str(paintings)), 0, 2, rank), 1)
        assert torch.equal(part.styles, alone[rank::2])


def test_a_missing_folder_of_style_images_is_named_by_its_option(photos, tmp_path):
    with pytest.raises(StyleNetError, match=r"data\.styles=.*nowhere: no such folder"):
        photo_data(photos, styles=str(tmp_path / "nowhere"))


def test_bad_style_images_are_counted_and_end_the_run(photos, mixed):
    data = photo_data(photos, styles=str(mixed(1, 40)))
    with pytest.raises(StyleNetError, match=r"data\.styles=.* were unusable"):
        batches(data, 40)
    assert data.skipped_files > 0
