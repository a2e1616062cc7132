import io
import threading
import time
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from stylenet.checkpoint import load_checkpoint
from stylenet.errors import StyleNetError
from stylenet.training import RunFolder
from stylenet.training.callbacks import (
    Checkpoints,
    Guard,
    Previews,
    Progress,
    SafeCheckpointIO,
    Throughput,
)


def fit(module, data, folder, steps, *callbacks, resume=None, **more):
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        precision="32-true",
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=list(callbacks),
        plugins=[SafeCheckpointIO()],
        **{"logger": False, **more},
    )
    trainer.fit(module, data, ckpt_path=resume)
    return trainer


def test_the_newest_resume_checkpoints_are_kept_with_checkpoints_beside_them(
    make_module, make_data, tmp_path
):
    module = make_module()
    fit(module, make_data(), tmp_path, 5, Checkpoints(2, keep=2))
    folder = RunFolder(tmp_path)
    assert folder.saved_checkpoints() == [folder.checkpoint(4), folder.checkpoint(5)]
    assert [p.stem for p in sorted(folder.checkpoints.glob("*.safetensors"))] == [
        p.stem for p in folder.saved_checkpoints()
    ]
    network, info = load_checkpoint(tmp_path)
    assert (info.style, info.step, info.recipe) == ("test", 5, {"seed": 0})
    for name, value in module.network.state_dict().items():
        assert torch.equal(network.state_dict()[name], value)


def test_resuming_from_an_older_checkpoint_keeps_what_it_saves(make_module, make_data, tmp_path):
    folder = RunFolder(tmp_path)
    fit(make_module(), make_data(), tmp_path, 9, Checkpoints(3, keep=None))
    resume = folder.checkpoint(3)
    fit(make_module(), make_data(), tmp_path, 5, Checkpoints(1, keep=2), resume=resume)
    # 4 and 5 are this run's newest; 6 and 9 belong to the earlier run and stay.
    assert folder.saved_checkpoints() == [folder.checkpoint(step) for step in (4, 5, 6, 9)]


def test_a_step_is_saved_once(make_module, make_data, tmp_path):
    saves = []

    class Count(pl.Callback):
        def on_save_checkpoint(self, *args):
            saves.append(1)

    fit(make_module(), make_data(), tmp_path, 4, Checkpoints(2, keep=None), Count())
    assert len(saves) == 2


def test_previews_show_the_same_photos_every_time(make_module, make_data, tmp_path):
    fit(make_module(), make_data(), tmp_path, 5, Previews(2, count=3, size=24))
    paths = [RunFolder(tmp_path).preview(step) for step in (2, 4, 5)]
    grids = [Image.open(path) for path in paths]
    assert {grid.size for grid in grids} == {(3 * 26 + 2, 2 * 26 + 2)}
    photos = [grid.crop((0, 0, grid.width, 28)).tobytes() for grid in grids]
    stylized = [grid.crop((0, 28, *grid.size)).tobytes() for grid in grids]
    assert len(set(photos)) == 1
    assert len(set(stylized)) == 3


def test_previews_do_not_change_the_training(make_module, make_data, tmp_path):
    plain, watched = make_module(), make_module()
    fit(plain, make_data(), tmp_path / "a", 4)
    fit(watched, make_data(), tmp_path / "b", 4, Previews(1, count=2, size=24))
    for first, second in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(first, second)


def test_losses_that_are_not_finite_end_the_run(make_module, make_data, tmp_path):
    module = make_module()
    with torch.no_grad():
        module.network.head.bias[0] = float("nan")
    with pytest.raises(StyleNetError, match=r"not finite at step 1 .*content.*optimizer\.lr"):
        fit(module, make_data(), tmp_path, 5, Guard(1, patience=5), Checkpoints(1, keep=1))
    assert not RunFolder(tmp_path).saved_checkpoints()


def test_weights_that_are_not_finite_are_never_saved(make_module, make_data, tmp_path):
    module = make_module()

    class Spoil(pl.Callback):
        def on_train_batch_end(self, trainer, pl_module, *args):
            pl_module.network.head.weight.data[0] = float("inf")

    with pytest.raises(StyleNetError, match="were not saved"):
        fit(module, make_data(), tmp_path, 5, Spoil(), Guard(100, 5), Checkpoints(1, keep=1))
    assert not RunFolder(tmp_path).saved_checkpoints()


def test_output_of_a_single_color_ends_the_run(make_module, make_data, tmp_path):
    module = make_module(lr=1e-9)
    with torch.no_grad():
        module.network.head.weight.zero_()
    with pytest.raises(StyleNetError, match=r"a single color at step 3"):
        fit(module, make_data(), tmp_path, 9, Guard(1, patience=3))


def test_output_of_a_single_color_is_allowed_for_a_flat_photo(make_module):
    guard = Guard(1, patience=1)
    module = make_module()
    module.losses = {"total": torch.tensor(1.0)}
    module.stylized = torch.full((2, 3, 8, 8), 0.5)
    guard.on_train_batch_end(SimpleNamespace(global_step=1), module, None, torch.zeros(2, 3, 8, 8))


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("screen", [Screen(), io.StringIO()])
def test_the_progress_bar_appears_before_the_first_step(
    make_module, make_data, tmp_path, monkeypatch, screen
):
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setattr("stylenet.training.callbacks.progress._SECONDS_BETWEEN_TICKS", 0.01)
    seen = []

    class Slow(pl.Callback):
        def on_train_batch_start(self, trainer, *args):
            deadline = time.monotonic() + 60
            while trainer.global_step == 0 and screen.isatty() and time.monotonic() < deadline:
                if screen.getvalue().count("\r") > 5:
                    break
                time.sleep(0.01)
            seen.append(screen.getvalue())

    fit(make_module(), make_data(), tmp_path, 3, Progress(1), Slow())
    first, second, _ = seen
    lines = first.split("\r")
    assert all("0/3" in line and "preparing the first step" in line for line in lines if line)
    assert len(lines) > 5 if screen.isatty() else len(lines) <= 3  # its clock runs
    assert "1/3" in second.split("\r")[-1]
    assert "preparing" not in second.split("\r")[-1]
    assert "3/3" in screen.getvalue().split("\r")[-1]
    assert "progress clock" not in {thread.name for thread in threading.enumerate()}


def test_a_run_that_fails_in_its_first_step_stops_the_clock(
    make_module, make_data, tmp_path, monkeypatch
):
    monkeypatch.setattr("sys.stderr", Screen())

    class Fail(pl.Callback):
        def on_train_batch_start(self, *args):
            raise StyleNetError("no")

    with pytest.raises(StyleNetError, match="no"):
        fit(make_module(), make_data(), tmp_path, 3, Progress(1), Fail())
    assert "progress clock" not in {thread.name for thread in threading.enumerate()}


def test_throughput_counts_images_of_all_devices():
    logged = {}
    module = SimpleNamespace(log=lambda name, value: logged.update({name: value}))
    callback, batch = Throughput(2), torch.zeros(4, 3, 8, 8)
    for step in (1, 2, 3):
        trainer = SimpleNamespace(global_step=step, world_size=3, accumulate_grad_batches=1)
        callback.on_train_batch_end(trainer, module, None, batch)
    assert set(logged) == {"images_per_second", "images_per_second_per_device"}
    assert logged["images_per_second_per_device"] > 0
    assert logged["images_per_second"] == 3 * logged["images_per_second_per_device"]


@pytest.mark.parametrize(
    ("callback", "values"),
    [
        (Guard, (0, 1)),
        (Guard, (1, 0)),
        (Previews, (0, 1, 1)),
        (Previews, (1, -1, 1)),
        (Checkpoints, (0, 1)),
        (Checkpoints, ("a", 1)),
        (Checkpoints, (1, 0)),
        (Throughput, (0,)),
    ],
)
def test_invalid_values_are_refused(callback, values):
    with pytest.raises(StyleNetError, match=r"callbacks\."):
        callback(*values)
