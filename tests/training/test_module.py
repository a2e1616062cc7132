from copy import deepcopy
from functools import partial

import pytest
import pytorch_lightning as pl
import torch

from stylenet.errors import StyleNetError
from stylenet.training import ConstantSchedule, CosineSchedule, OptimizerFactory


@pytest.fixture
def encoder(encoder):
    # Training in float64 converts the encoder, which the other test modules share.
    return deepcopy(encoder)


def fit(module, data, steps, precision="32-true", **more):
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        precision=precision,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **more,
    )
    trainer.fit(module, data)
    return trainer


def test_training_lowers_the_loss(make_module, make_data, tmp_path):
    totals = []

    class Record(pl.Callback):
        def on_train_batch_end(self, trainer, module, *args):
            totals.append(float(module.losses["total"]))

    fit(make_module(lr=1e-2), make_data(), 60, callbacks=[Record()], default_root_dir=tmp_path)
    assert sum(totals[-10:]) < 0.7 * sum(totals[:10])


def test_bfloat16_mixed_precision_stays_close_to_float32(make_module, make_data, tmp_path):
    exact, mixed = make_module(), make_module()
    fit(exact, make_data(), 5, default_root_dir=tmp_path)
    fit(mixed, make_data(), 5, precision="bf16-mixed", default_root_dir=tmp_path)
    assert all(value.dtype == torch.float32 for value in mixed.losses.values())
    assert all(p.dtype == torch.float32 for p in mixed.network.parameters())
    for name, value in exact.losses.items():
        assert mixed.losses[name] == pytest.approx(float(value), rel=0.05), name


def test_accumulated_batches_equal_one_large_batch(make_module, make_data, tmp_path):
    # 2 batches of 2 in float64 against 1 of 4: the same photos, the same mean gradient.
    small, large = make_module(), make_module()
    fit(small, make_data(), 1, "64-true", accumulate_grad_batches=2, default_root_dir=tmp_path)
    fit(large, make_data(batch_size=4), 1, "64-true", default_root_dir=tmp_path)
    for first, second in zip(small.parameters(), large.parameters(), strict=True):
        if second.grad is not None:
            torch.testing.assert_close(first.grad, second.grad, rtol=1e-9, atol=1e-12)


def parameters():
    return [torch.nn.Parameter(torch.zeros(1))]


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        (partial(ConstantSchedule, warmup_steps=0), 0, 1.0),
        (partial(ConstantSchedule, warmup_steps=0), 99, 1.0),
        (partial(ConstantSchedule, warmup_steps=9), 0, 0.1),
        (partial(ConstantSchedule, warmup_steps=9), 9, 1.0),
        (partial(CosineSchedule, max_steps=100), 50, 0.5),
        (partial(CosineSchedule, max_steps=100), 100, 0.0),
        (partial(CosineSchedule, max_steps=100, warmup_steps=20), 60, 0.5),
    ],
)
def test_the_learning_rate_follows_the_schedule(schedule, step, expected):
    optimizer = torch.optim.SGD(parameters(), lr=1e-3)
    schedule = schedule(optimizer)
    for _ in range(step):
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-3 * expected, abs=1e-12)


@pytest.mark.parametrize(
    ("optimizer", "schedule", "message"),
    [
        ({"lr": 0}, {}, r"optimizer\.lr=0 "),
        ({"lr": -1}, {}, r"optimizer\.lr=-1 "),
        ({"lr": "a"}, {}, r"optimizer\.lr=a "),
        ({"lr": float("nan")}, {}, r"optimizer\.lr=nan "),
        ({"lr": True}, {}, r"optimizer\.lr=True "),
        ({"betas": [1.5, 0.9]}, {}, "optimizer: Invalid beta parameter at index 0"),
        ({"speed": 3}, {}, "optimizer: .*speed"),
        ({}, {"warmup_steps": -1}, r"schedule\.warmup_steps=-1 "),
        ({}, {"warmup_steps": 1.5}, r"schedule\.warmup_steps=1\.5 "),
        ({}, {"decay": "linear"}, "schedule: .*decay"),
    ],
)
def test_invalid_options_of_optimizer_and_schedule_are_refused(optimizer, schedule, message):
    make_optimizer = partial(torch.optim.Adam, **{"lr": 1e-3, **optimizer})
    with pytest.raises(StyleNetError, match=message):
        OptimizerFactory(make_optimizer, partial(ConstantSchedule, **schedule))
