import math

import pytest
import pytorch_lightning as pl
import torch

from stylenet.errors import StyleNetError
from stylenet.training import OptimizerOptions


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


@pytest.mark.parametrize(
    ("options", "step", "expected"),
    [
        ((1e-3, 0, "none"), 0, 1.0),
        ((1e-3, 0, "none"), 99, 1.0),
        ((1e-3, 9, "none"), 0, 0.1),
        ((1e-3, 9, "none"), 9, 1.0),
        ((1e-3, 0, "cosine"), 50, 0.5),
        ((1e-3, 0, "cosine"), 100, 0.0),
        ((1e-3, 20, "cosine"), 60, (1 + math.cos(math.pi / 2)) / 2),
    ],
)
def test_learning_rate_over_time(options, step, expected):
    assert OptimizerOptions(*options).factor(step, 100) == pytest.approx(expected)


@pytest.mark.parametrize(
    "options",
    [
        (0, 0, "none"),
        (-1, 0, "none"),
        ("a", 0, "none"),
        (1e-3, -1, "none"),
        (1e-3, 0, "x"),
        (float("nan"), 0, "none"),
        (1e-3, 1.5, "none"),
        (True, 0, "none"),
    ],
)
def test_impossible_optimizer_settings_are_refused(options):
    with pytest.raises(StyleNetError, match=r"optimizer\."):
        OptimizerOptions(*options)
