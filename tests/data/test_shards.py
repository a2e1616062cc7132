import itertools
import os
import pickle
import shutil
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from stylenet.data import PhotoData, ShardData
from stylenet.data.manifest import Manifest
from stylenet.errors import StyleNetError

from .conftest import make


def shard_data(root, data_class=ShardData, **options):
    defaults = {"crop_size": 16, "batch_size": 2, "min_size": 8, "workers": 0, "seed": 3}
    data = data_class(str(root), **{**defaults, **options})
    data.setup()
    return data


def at(data, step, world=1, rank=0):
    """Tell the data the trainer's step, rank and world size."""
    data.trainer = SimpleNamespace(
        world_size=world,
        num_devices=1,
        global_rank=rank,
        global_step=step,
        accumulate_grad_batches=1,
    )
    return data


def samples(data, count):
    loaded = itertools.islice(data.train_dataloader(), count)
    return torch.cat([images_of(data, batch) for batch in loaded])


def images_of(data, batch):
    return data.on_after_batch_transfer(data.on_before_batch_transfer(batch, 0), 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_equal_those_of_the_folder_bit_for_bit(jpegs, shards, workers):
    """Compare the order too, so that a run may switch from the folder to shards."""
    expected = samples(shard_data(jpegs, PhotoData), 12)
    assert torch.equal(samples(shard_data(shards, workers=workers), 12), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_run_gets_the_samples_of_an_uninterrupted_one(shards, workers):
    uninterrupted = samples(shard_data(shards), 9)
    assert torch.equal(samples(at(shard_data(shards, workers=workers), 4), 5), uninterrupted[8:])


def test_devices_divide_the_samples_of_a_single_device(shards):
    alone = samples(at(shard_data(shards, batch_size=4), 2), 5)
    ranks = [samples(at(shard_data(shards, workers=1), 2, 2, rank), 5) for rank in (0, 1)]
    assert torch.equal(torch.stack(ranks, 1).flatten(0, 1), alone)


class Learner(pl.LightningModule):
    """Module whose weights depend on every batch and on their order."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv2d(3, 2, 3)

    def training_step(self, batch, _):
        return self.layer(batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters())


def test_resumed_training_equals_uninterrupted_training(shards, tmp_path):
    def fit(steps, resume=None):
        trainer = pl.Trainer(
            max_steps=steps,
            accelerator="cpu",
            default_root_dir=tmp_path,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        module = Learner()
        trainer.fit(module, shard_data(shards, workers=1), ckpt_path=resume)
        trainer.save_checkpoint(tmp_path / f"{steps}.ckpt")
        return module.layer.weight

    uninterrupted = fit(7)
    fit(3)
    assert torch.equal(fit(7, tmp_path / "3.ckpt"), uninterrupted)


def test_the_dataset_works_in_new_worker_processes(shards):
    data = shard_data(shards)
    before = data.dataset[0]  # opens a file
    again = pickle.loads(pickle.dumps(data.dataset))[0]
    assert torch.equal(before.image, again.image)


def test_more_shards_than_open_files_allowed_are_read(jpegs, tmp_path, monkeypatch):
    monkeypatch.setattr("stylenet.data.shards._MAX_OPEN", 2)
    make(jpegs, tmp_path, per_shard=1)
    expected = samples(shard_data(jpegs, PhotoData), 12)
    assert torch.equal(samples(shard_data(tmp_path), 12), expected)


@pytest.mark.parametrize(("crop", "scale"), [(16, 1.6), (25, 1.0), (24, 1.1)])
def test_photos_smaller_than_the_crops_need_are_refused(shards, crop, scale):
    needed = round(crop * scale)
    with pytest.raises(StyleNetError, match=f"reduced to 24 pixels.* needs {needed}: make shards"):
        shard_data(shards, crop_size=crop, max_scale=scale)


def test_photos_just_large_enough_are_accepted(shards):
    assert samples(shard_data(shards, crop_size=16, max_scale=1.5), 1).shape == (2, 3, 16, 16)


def damage_a_photo(copy, k, shard="shard-000001.tar"):
    """Overwrite the beginning of a photo in its shard."""
    manifest = Manifest.read(copy)
    name, offset, size = next(s for s in manifest.shards if s.name == shard).photos[k]
    with (copy / shard).open("r+b") as file:
        file.seek(offset)
        file.write(bytes(size // 2))
    return f"{copy}/{shard}/{name}"


def test_a_damaged_photo_is_skipped_and_named(copy, caplog):
    path = damage_a_photo(copy, 2)
    data = shard_data(copy)
    assert samples(data, 10).shape == (20, 3, 16, 16)
    assert f"skipped: {path} is damaged" in caplog.text
    assert data.skipped_files == 1
    assert data.dataset.check(6).startswith(f"{path} is damaged")
    assert data.dataset.check(5) is None


def test_mostly_damaged_shards_end_the_run_with_advice_for_shards(copy):
    for shard, k in itertools.product((0, 1), range(4)):
        damage_a_photo(copy, k, f"shard-{shard:06d}.tar")
    with pytest.raises(StyleNetError, match=f"data check data=shards data.root={copy}"):
        samples(shard_data(copy), 100)


def test_a_shard_that_vanishes_during_the_run_is_named(copy):
    data = shard_data(copy)
    (copy / "shard-000002.tar").unlink()
    assert "shard-000002.tar" in data.dataset.check(9)
    assert "cannot be read: No such file" in data.dataset.check(9)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: shutil.rmtree(f), "is not a folder; make shards with: stylenet data shards"),
        (lambda f: (f / "manifest.json").unlink(), "holds no manifest.json; make shards"),
        (lambda f: (f / "manifest.json").write_text("{"), "manifest.json is damaged"),
        (lambda f: (f / "manifest.json").write_text("[]"), "manifest.json is damaged"),
        (lambda f: (f / "manifest.json").write_bytes(b"\xff"), "manifest.json is damaged"),
        (lambda f: (f / "manifest.json").write_text('{"version": 1}'), "manifest.json is damaged"),
        (lambda f: (f / "manifest.json").write_text('{"version": 2}'), "has version 2"),
        (lambda f: (f / "shard-000001.tar").unlink(), "No such file or directory; copy it again"),
        (lambda f: os.truncate(f / "shard-000001.tar", 99), "has 99 bytes, expected 10,240; copy"),
    ],
)
def test_incomplete_shards_end_in_one_line(copy, damage, message):
    damage(copy)
    with pytest.raises(StyleNetError) as error:
        shard_data(copy)
    assert message in str(error.value)
    assert str(copy) in str(error.value)
    assert "\n" not in str(error.value)


def test_style_images_come_with_photos_from_shards(jpegs, shards):
    data = shard_data(shards, styles=str(jpegs))
    batches = list(itertools.islice(zip(*data.train_dataloader(), strict=False), 2))
    pairs = [images_of(data, list(batch)) for batch in batches]
    photos = torch.cat([pair.photos for pair in pairs])
    assert torch.equal(photos, samples(shard_data(shards), 2))
    assert pairs[0].styles.shape == (2, 3, 16, 16)
    assert data.style_data.dataset.photos
