"""Resumed runs end with bitwise the weights of uninterrupted ones."""

import os
import signal
from functools import partial

import PIL
import pytest
import pytorch_lightning as pl
import torch
import yaml

from stylenet.cli.app import config_folder
from stylenet.errors import StyleNetError
from stylenet.training import CosineSchedule, OptimizerFactory, RunFolder
from stylenet.training.callbacks import Checkpoints, SafeCheckpointIO, StopOnSignal

STEPS = 9


def fit(module, data, folder, steps=STEPS, resume=None, callbacks=(), every=4, **more):
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        precision="32-true",
        default_root_dir=folder,
        logger=False,
        gradient_clip_val=10.0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[*callbacks, Checkpoints(every, keep=None), StopOnSignal()],
        plugins=[SafeCheckpointIO()],
        **more,
    )
    trainer.fit(module, data, ckpt_path=resume)
    return trainer


def weights(module):
    return {k: v.clone() for k, v in module.network.state_dict().items()}


def assert_equal(first, second):
    assert first.keys() == second.keys()
    for name in first:
        assert torch.equal(first[name], second[name]), name


class Interrupt(pl.Callback):
    """Send a signal to this process at a step."""

    def __init__(self, step, number):
        self.step, self.number = step, number

    def on_train_batch_start(self, trainer, *args):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("decay", ["none", "cosine"])
def test_a_resumed_run_equals_an_uninterrupted_one(
    make_module, make_data, tmp_path, workers, decay
):
    uninterrupted = make_module(decay=decay)
    fit(uninterrupted, make_data(workers=workers), tmp_path / "uninterrupted")

    # The checkpoint of step 4 of that run; another seed shows that the weights come from it.
    resumed = make_module(decay=decay, seed=5)
    checkpoint = RunFolder(tmp_path / "uninterrupted").checkpoint(4)
    trainer = fit(resumed, make_data(workers=0), tmp_path / "resumed", resume=checkpoint)

    assert trainer.global_step == STEPS
    assert_equal(weights(uninterrupted), weights(resumed))
    moments = [
        module.optimizers().optimizer.state_dict()["state"] for module in (uninterrupted, resumed)
    ]
    for parameter, state in moments[0].items():
        assert torch.equal(state["exp_avg_sq"], moments[1][parameter]["exp_avg_sq"])


@pytest.mark.parametrize("optimizer_name", ["adamw", "sgd"])
def test_every_optimizer_trains_and_resumes_exactly(
    make_module, make_data, tmp_path, optimizer_name
):
    options = yaml.safe_load((config_folder() / "optimizer" / f"{optimizer_name}.yaml").read_text())
    target, _ = options.pop("_target_"), options.pop("_partial_")
    make_optimizer = partial(getattr(torch.optim, target.rpartition(".")[2]), **options)
    schedule = partial(CosineSchedule, warmup_steps=2, max_steps=STEPS)

    def make(seed=0):
        module = make_module(seed=seed)
        module.optimizer_factory = OptimizerFactory(make_optimizer, schedule)
        return module

    uninterrupted, resumed, start = make(), make(seed=5), make()
    before = weights(start)
    fit(uninterrupted, make_data(), tmp_path / "uninterrupted")
    assert not all(
        torch.equal(value, before[name]) for name, value in weights(uninterrupted).items()
    )
    checkpoint = RunFolder(tmp_path / "uninterrupted").checkpoint(4)
    fit(resumed, make_data(), tmp_path / "resumed", resume=checkpoint)
    assert_equal(weights(uninterrupted), weights(resumed))
    with pytest.raises(
        StyleNetError, match=rf"optimizer {target.rpartition('.')[2]}, but this run"
    ):
        fit(make_module(), make_data(), tmp_path / "other", resume=checkpoint)


def test_a_pytorch_schedule_resumes_exactly(make_module, make_data, tmp_path):
    schedule = partial(torch.optim.lr_scheduler.StepLR, step_size=3, gamma=0.5)

    def make(seed=0):
        module = make_module(seed=seed)
        optimizer = module.optimizer_factory.make_optimizer
        module.optimizer_factory = OptimizerFactory(optimizer, schedule)
        return module

    uninterrupted, resumed = make(), make(seed=5)
    fit(uninterrupted, make_data(), tmp_path / "uninterrupted")
    checkpoint = RunFolder(tmp_path / "uninterrupted").checkpoint(4)
    fit(resumed, make_data(), tmp_path / "resumed", resume=checkpoint)
    assert_equal(weights(uninterrupted), weights(resumed))


def test_a_longer_run_continues_where_a_shorter_one_ended(make_module, make_data, tmp_path):
    uninterrupted = make_module()
    fit(uninterrupted, make_data(), tmp_path / "uninterrupted")
    fit(make_module(), make_data(), tmp_path / "parts", steps=5)
    resumed = make_module(seed=5)
    fit(
        resumed, make_data(), tmp_path / "parts", resume=RunFolder(tmp_path / "parts").checkpoint(5)
    )
    assert_equal(weights(uninterrupted), weights(resumed))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_finished_step_and_the_resumed_run_is_exact(
    make_module, make_data, tmp_path, number
):
    uninterrupted = make_module()
    fit(uninterrupted, make_data(), tmp_path / "uninterrupted")

    before = signal.getsignal(number)
    folder = RunFolder(tmp_path / "stopped")
    trainer = fit(make_module(), make_data(), folder.path, callbacks=[Interrupt(5, number)])
    assert trainer.global_step == 6
    assert folder.saved_checkpoints()[-1] == folder.checkpoint(6)
    assert not folder.final_checkpoint("test").exists()  # not the final one: the run is not done
    assert signal.getsignal(number) == before

    resumed = make_module(seed=5)
    fit(resumed, make_data(), folder.path, resume=folder.checkpoint(6))
    assert folder.final_checkpoint("test").is_file()
    assert_equal(weights(uninterrupted), weights(resumed))


def test_a_signal_lets_a_step_of_several_batches_finish(make_module, make_data, tmp_path):
    uninterrupted = make_module()
    fit(uninterrupted, make_data(), tmp_path / "uninterrupted", accumulate_grad_batches=2)

    folder = RunFolder(tmp_path / "stopped")
    # During the first of the two batches of step 6.
    interrupt = Interrupt(5, signal.SIGTERM)
    fit(make_module(), make_data(), folder.path, callbacks=[interrupt], accumulate_grad_batches=2)
    assert folder.saved_checkpoints()[-1] == folder.checkpoint(6)

    resumed, checkpoint = make_module(seed=5), folder.checkpoint(6)
    fit(resumed, make_data(), folder.path, resume=checkpoint, accumulate_grad_batches=2)
    assert_equal(weights(uninterrupted), weights(resumed))


@pytest.mark.parametrize("decay", ["none", "cosine"])
def test_a_new_learning_rate_applies_from_the_resumed_step(make_module, make_data, tmp_path, decay):
    fit(make_module(decay=decay), make_data(), tmp_path)
    taken = []

    class Watch(pl.Callback):
        def on_before_optimizer_step(self, trainer, module, optimizer):
            taken.append(optimizer.param_groups[0]["lr"])

    slower, checkpoint = make_module(lr=1e-4, decay=decay), RunFolder(tmp_path).checkpoint(4)
    fit(slower, make_data(), tmp_path / "slower", resume=checkpoint, callbacks=[Watch()])
    assert taken == [1e-4 * slower.lr_schedulers().factor(step) for step in range(4, STEPS)]


def test_the_random_state_is_restored(make_module, make_data, tmp_path):
    numbers = []

    class Draw(pl.Callback):
        def on_train_batch_start(self, *args):
            numbers.append(torch.rand(1).item())

    fit(make_module(), make_data(), tmp_path / "a", callbacks=[Draw()])
    uninterrupted, checkpoint = list(numbers), RunFolder(tmp_path / "a").checkpoint(4)
    numbers.clear()
    torch.manual_seed(99)
    fit(make_module(), make_data(), tmp_path / "b", resume=checkpoint, callbacks=[Draw()])
    assert numbers == uninterrupted[4:]


def test_resume_checkpoints_omit_the_frozen_encoder(make_module, make_data, tmp_path):
    module = make_module()
    fit(module, make_data(), tmp_path)
    checkpoint = SafeCheckpointIO().load_checkpoint(RunFolder(tmp_path).checkpoint(STEPS))
    assert set(checkpoint["state_dict"]) == {f"network.{k}" for k in module.network.state_dict()}
    optimized = checkpoint["optimizer_states"][0]["param_groups"][0]["params"]
    assert len(optimized) == len(list(module.network.parameters()))


def test_training_does_not_change_the_encoder(make_module, make_data, tmp_path):
    module = make_module()
    before = {k: v.clone() for k, v in module.criterion.state_dict().items()}
    fit(module, make_data(), tmp_path)
    assert_equal(before, module.criterion.state_dict())


def test_a_checkpoint_of_another_network_is_refused(make_module, make_data, tmp_path):
    fit(make_module(width=2), make_data(), tmp_path, steps=1)
    with pytest.raises(StyleNetError, match="another network"):
        fit(make_module(width=3), make_data(), tmp_path, resume=RunFolder(tmp_path).checkpoint(1))


def test_an_old_checkpoint_without_a_network_name_resumes(make_module, make_data, tmp_path):
    fit(make_module(), make_data(), tmp_path, steps=1)
    path = RunFolder(tmp_path).checkpoint(1)
    checkpoint = SafeCheckpointIO().load_checkpoint(path)
    del checkpoint["identity"]
    SafeCheckpointIO().save_checkpoint(checkpoint, path)
    assert fit(make_module(), make_data(), tmp_path, resume=path).global_step == STEPS
    SafeCheckpointIO().save_checkpoint(checkpoint, path)
    with pytest.raises(StyleNetError, match="another network"):
        fit(make_module(width=3), make_data(), tmp_path, resume=path)


def test_a_run_that_resumes_with_other_arithmetic_warns(
    make_module, make_data, tmp_path, monkeypatch, recwarn
):
    """Change the number of threads, with which gradients differ in their last bits."""
    fit(make_module(), make_data(), tmp_path, steps=1)
    checkpoint = RunFolder(tmp_path).checkpoint(1)
    fit(make_module(), make_data(), tmp_path / "same", resume=checkpoint, steps=2)
    assert not [w for w in recwarn if "bit for bit" in str(w.message)]

    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    monkeypatch.setattr(PIL, "__version__", "1.0")
    fit(make_module(), make_data(), tmp_path / "other", resume=checkpoint, steps=2)
    (line,) = [str(w.message) for w in recwarn if "bit for bit" in str(w.message)]
    assert "(threads: 7 (was 1), pillow: 1.0 (was " in line
    assert "\n" not in line


def test_an_old_checkpoint_without_arithmetic_resumes(make_module, make_data, tmp_path, recwarn):
    fit(make_module(), make_data(), tmp_path, steps=1)
    path = RunFolder(tmp_path).checkpoint(1)
    checkpoint = SafeCheckpointIO().load_checkpoint(path)
    del checkpoint["arithmetic"]
    SafeCheckpointIO().save_checkpoint(checkpoint, path)
    assert fit(make_module(), make_data(), tmp_path, resume=path).global_step == STEPS
    assert not [w for w in recwarn if "bit for bit" in str(w.message)]


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "pickle"])
def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "step_0000001.ckpt"
    good = tmp_path / "good.ckpt"
    SafeCheckpointIO().save_checkpoint({"state_dict": {"a": torch.ones(1000)}}, good)
    content = {
        "truncated": good.read_bytes()[:-200],
        "empty": b"",
        "text": b"not a checkpoint",
        "pickle": b"cos\nsystem\n(S'touch hacked'\ntR.",
    }[damage]
    path.write_bytes(content)
    with pytest.raises(StyleNetError, match=r"step_0000001\.ckpt") as caught:
        SafeCheckpointIO().load_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "hacked").exists()
