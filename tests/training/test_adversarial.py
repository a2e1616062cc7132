"""Training against a discriminator: its steps and exact resuming."""

import copy

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision

from stylenet.checkpoint import load_checkpoint
from stylenet.data import PhotoData
from stylenet.errors import StyleNetError
from stylenet.methods.adversarial.loss import AdversarialOptions
from stylenet.methods.adversarial.module import AdversarialModule
from stylenet.methods.distillation.teacher import Teacher
from stylenet.networks import build_network
from stylenet.perceptual import ContentLoss, PerceptualLoss, StyleLoss, TotalVariationLoss
from stylenet.training import RunFolder
from stylenet.training.callbacks import Checkpoints, Guard, SafeCheckpointIO

from .conftest import adam
from .test_resume import assert_equal

STEPS = 5


@pytest.fixture
def make(encoder):
    def make(seed=0, clip=None, teacher=None, decay="cosine", lr=1e-2, **changes):
        torch.manual_seed(seed)
        values = {"discriminator_width": 4, "discriminator_layers": 1, "style_folder": "paintings"}
        options = AdversarialOptions(**values | changes)
        terms = {
            "content": ContentLoss(["relu1_2"]),
            "style": StyleLoss(["relu1_1"], weight=5.0),
            "tv": TotalVariationLoss(),
        }
        style = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
        return AdversarialModule(
            build_network("johnson", width=2, blocks=1),
            PerceptualLoss(encoder, terms, [style]),
            adam(lr, 2, decay, STEPS),
            "test",
            {"seed": seed},
            options,
            teacher,
            5.0 if teacher else 0.0,
            clip,
        )

    return make


@pytest.fixture
def make_pairs(photos):
    def make(batch_size=2):
        return PhotoData(
            str(photos), 16, batch_size, min_size=8, workers=0, seed=3, styles=str(photos)
        )

    return make


def fit(module, data, folder, steps=STEPS, resume=None, callbacks=(), precision=None, plugins=()):
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        precision=precision or (None if plugins else "32-true"),
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[*callbacks, Checkpoints(2, keep=None)],
        plugins=[SafeCheckpointIO(), *plugins],
    )
    trainer.fit(module, data, ckpt_path=resume)
    return trainer


class Watch(pl.Callback):
    """Record steps, forward passes, learning rates and gradient norms."""

    def __init__(self):
        self.steps, self.rates, self.passes, self.norms = [], [], 0, []

    def on_train_start(self, trainer, module):
        module.network.register_forward_hook(self._count)

    def _count(self, *_):
        self.passes += 1

    def on_train_batch_start(self, trainer, module, *_):
        self.rates.append([o.param_groups[0]["lr"] for o in trainer.optimizers])

    def on_train_batch_end(self, trainer, module, *_):
        self.steps.append((trainer.global_step, module.global_step, trainer.fit_loop.batch_idx + 1))
        for part in module.trained.values():
            norms = torch.stack([p.grad.norm() for p in part.parameters()])
            self.norms.append(float(norms.norm()))


def test_a_step_is_counted_once_and_needs_one_forward_pass(make, make_pairs, tmp_path):
    watch = Watch()
    module = make(discriminator_lr_ratio=0.5)
    trainer = fit(module, make_pairs(), tmp_path, callbacks=[watch])
    assert trainer.global_step == STEPS
    assert watch.steps == [(step, step, step) for step in range(1, STEPS + 1)]
    assert watch.passes == STEPS
    assert load_checkpoint(tmp_path)[1].step == STEPS
    for optimizer in trainer.optimizers:
        assert {int(state["step"]) for state in optimizer.state.values()} == {STEPS}
    schedule = module.lr_schedulers()[0]
    factors = [schedule.factor(step) for step in range(STEPS)]
    expected = [[1e-2 * factor, 0.5e-2 * factor] for factor in factors]
    assert watch.rates == [pytest.approx(pair) for pair in expected]


def test_both_networks_are_trained_and_their_losses_are_logged(make, make_pairs, tmp_path):
    module = make()
    before = copy.deepcopy(module.state_dict())
    fit(module, make_pairs(), tmp_path)
    changed = [k for k, v in module.state_dict().items() if not torch.equal(v, before[k])]
    assert {name.split(".")[0] for name in changed} == {"network", "discriminator"}
    assert {"total", "content", "style", "tv", "adversarial", "discriminator"} <= set(module.losses)
    logged = fit(make(), make_pairs(), tmp_path / "again", 1).callback_metrics
    assert {"discriminator/real", "discriminator/fake", "discriminator/accuracy"} <= set(logged)
    assert {"loss/adversarial", "loss/discriminator"} <= set(logged)
    total = logged["loss/content"] + 5 * logged["loss/style"] + logged["loss/tv"]
    assert float(logged["loss/total"]) == pytest.approx(
        float(total + 3 * logged["loss/adversarial"])
    )


def test_the_discriminator_is_trained_against_an_unchanged_network(make, make_pairs, tmp_path):
    # It separates a fresh network's images from real ones; weight 0 leaves the network alone.
    module = make(weight=0.0, lr=1e-3, discriminator_lr_ratio=10.0, decay="none")
    first = fit(module, make_pairs(), tmp_path / "a", 1).callback_metrics["loss/discriminator"]
    last = fit(module, make_pairs(), tmp_path / "b", 40).callback_metrics["loss/discriminator"]
    assert last < 0.5 * first


def test_with_weight_0_the_network_equals_one_trained_with_the_perceptual_loss(
    make, make_module, make_pairs, make_data, tmp_path
):
    watching = make(weight=0.0, decay="none", lr=1e-3)
    plain = make_module()
    fit(watching, make_pairs(), tmp_path / "a")
    fit(plain, make_data(), tmp_path / "b")
    assert_equal(watching.network.state_dict(), plain.network.state_dict())


@pytest.mark.parametrize("objective", ["lsgan", "bce"])
def test_a_resumed_run_equals_an_uninterrupted_one(make, make_pairs, tmp_path, objective):
    uninterrupted = make(objective=objective)
    fit(uninterrupted, make_pairs(), tmp_path / "uninterrupted")
    resumed = make(seed=5, objective=objective)
    checkpoint = RunFolder(tmp_path / "uninterrupted").checkpoint(2)
    trainer = fit(resumed, make_pairs(), tmp_path / "resumed", resume=checkpoint)
    assert trainer.global_step == STEPS
    assert_equal(uninterrupted.state_dict(), resumed.state_dict())
    for first, second in zip(uninterrupted.optimizers(), resumed.optimizers(), strict=True):
        moments = [o.optimizer.state_dict()["state"] for o in (first, second)]
        for parameter, state in moments[0].items():
            assert_equal(state, moments[1][parameter])


def test_new_learning_rates_apply_to_both_from_the_resumed_step(make, make_pairs, tmp_path):
    fit(make(), make_pairs(), tmp_path)
    watch, module = Watch(), make(lr=1e-3, discriminator_lr_ratio=0.5)
    checkpoint = RunFolder(tmp_path).checkpoint(2)
    fit(module, make_pairs(), tmp_path / "slower", resume=checkpoint, callbacks=[watch])
    schedule = module.lr_schedulers()[0]
    factors = [schedule.factor(step) for step in range(2, STEPS)]
    assert watch.rates == [[1e-3 * factor, 0.5e-3 * factor] for factor in factors]


def test_a_resume_checkpoint_holds_both_networks_and_a_checkpoint_only_the_network(
    make, make_pairs, tmp_path
):
    module = make()
    fit(module, make_pairs(), tmp_path)
    checkpoint = SafeCheckpointIO().load_checkpoint(RunFolder(tmp_path).checkpoint(STEPS))
    assert {name.split(".")[0] for name in checkpoint["state_dict"]} == {"network", "discriminator"}
    assert len(checkpoint["optimizer_states"]) == len(checkpoint["lr_schedulers"]) == 2
    network, _ = load_checkpoint(tmp_path)
    assert_equal(network.state_dict(), module.network.state_dict())


def test_a_run_of_another_method_cannot_be_resumed(
    make, make_module, make_pairs, make_data, tmp_path
):
    fit(make(), make_pairs(), tmp_path / "with", 2)
    fit(make_module(), make_data(), tmp_path / "without", 2)
    with pytest.raises(StyleNetError, match="trained network and discriminator, but this") as error:
        fit(make_module(), make_data(), tmp_path, resume=RunFolder(tmp_path / "with").checkpoint(2))
    assert "init=" in str(error.value)
    checkpoint = RunFolder(tmp_path / "without").checkpoint(2)
    with pytest.raises(StyleNetError, match="trains network and discriminator"):
        fit(make(), make_pairs(), tmp_path, resume=checkpoint)
    checkpoint = RunFolder(tmp_path / "with").checkpoint(2)
    for change in ({"discriminator_width": 5}, {"spectral_norm": False}):
        with pytest.raises(StyleNetError, match=r"loss\.adversarial\.discriminator_width"):
            fit(make(**change), make_pairs(), tmp_path, resume=checkpoint)


def test_bfloat16_mixed_precision_stays_close_to_float32(make, make_pairs, tmp_path):
    exact, mixed = make(lr=1e-3), make(lr=1e-3)
    fit(exact, make_pairs(), tmp_path / "a")
    fit(mixed, make_pairs(), tmp_path / "b", precision="bf16-mixed")
    types = {name: value.dtype for name, value in mixed.losses.items()}
    assert set(types.values()) == {torch.float32}, types
    assert all(value.dtype == torch.float32 for value in mixed.state_dict().values())
    for name, value in exact.losses.items():
        assert mixed.losses[name] == pytest.approx(float(value), rel=0.05), name


def test_float16_scales_the_gradients_of_both_and_resumes_exactly(make, make_pairs, tmp_path):
    # Lightning creates this plugin itself on a GPU: autocast and a gradient scaler.
    def half():
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=4)
        return [MixedPrecision("16-mixed", "cpu", scaler)]

    exact, mixed, watch, watch_exact = (
        make(lr=1e-3, clip=1.0),
        make(lr=1e-3, clip=1.0),
        Watch(),
        Watch(),
    )
    fit(exact, make_pairs(), tmp_path / "a", callbacks=[watch_exact])
    trainer = fit(mixed, make_pairs(), tmp_path / "b", callbacks=[watch], plugins=half())
    assert trainer.global_step == STEPS
    assert trainer.precision_plugin.scaler.get_scale() > 1024  # no step was skipped
    assert watch.norms == pytest.approx(watch_exact.norms, rel=0.05)
    for name, value in exact.losses.items():
        assert mixed.losses[name] == pytest.approx(float(value), rel=0.05), name
    resumed = make(seed=5, lr=1e-3, clip=1.0)
    checkpoint = RunFolder(tmp_path / "b").checkpoint(2)
    fit(resumed, make_pairs(), tmp_path / "c", resume=checkpoint, plugins=half())
    assert_equal(mixed.state_dict(), resumed.state_dict())


def test_the_gradients_of_both_are_clipped(make, make_pairs, tmp_path):
    free, clipped = Watch(), Watch()
    fit(make(), make_pairs(), tmp_path / "a", 1, callbacks=[free])
    bound = min(free.norms) / 2
    fit(make(clip=bound), make_pairs(), tmp_path / "b", 1, callbacks=[clipped])
    assert clipped.norms == [pytest.approx(bound, rel=1e-3)] * 2


def test_training_can_use_a_teacher_too(make, make_pairs, tmp_path):
    torch.manual_seed(9)
    module = make(teacher=Teacher(build_network("johnson", width=2, blocks=1)))
    fit(module, make_pairs(), tmp_path, 2)
    assert float(module.losses["teacher"]) > 0


def test_the_guard_checks_the_discriminator_too(make, make_pairs, tmp_path):
    class Spoil(pl.Callback):
        def on_train_batch_start(self, trainer, module, *_):
            if trainer.global_step == 1:
                next(module.discriminator.parameters()).data.fill_(float("nan"))

    with pytest.raises(StyleNetError, match="discriminator"):
        fit(make(), make_pairs(), tmp_path, callbacks=[Spoil(), Guard(1, 20)])


def test_two_runs_with_the_same_seed_are_equal(make, make_pairs, tmp_path):
    first, second = make(), make()
    fit(first, make_pairs(), tmp_path / "a", 2)
    torch.manual_seed(77)
    fit(second, make_pairs(), tmp_path / "b", 2)
    assert_equal(first.state_dict(), second.state_dict())
