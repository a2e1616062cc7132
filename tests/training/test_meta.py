"""Meta-learning a base network: its steps against a reference, and exact resuming."""

from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import DoublePrecision

from stylenet.checkpoint import load_checkpoint
from stylenet.data import PhotoData
from stylenet.methods.meta.module import MetaModule
from stylenet.networks import build_network
from stylenet.perceptual import (
    ChangingStyleLoss,
    ContentLoss,
    PerceptualLoss,
    StyleLoss,
    TotalVariationLoss,
)
from stylenet.training import CosineSchedule, OptimizerFactory, RunFolder
from stylenet.training.callbacks import Checkpoints, SafeCheckpointIO

from .test_resume import assert_equal

STEPS, INNER_STEPS, INNER_LR, OUTER_LR = 5, 3, 1e-2, 0.5
TERMS = {
    "content": ContentLoss(["relu1_2"]),
    "style": StyleLoss(["relu1_1"], weight=5.0),
    "tv": TotalVariationLoss(),
}


@pytest.fixture
def make(encoder):
    def make(seed=0, clip=None):
        torch.manual_seed(seed)
        schedule = partial(CosineSchedule, max_steps=STEPS)
        return MetaModule(
            build_network("johnson", width=2, blocks=1),
            ChangingStyleLoss(encoder, TERMS),
            OptimizerFactory(partial(torch.optim.SGD, lr=OUTER_LR), schedule),
            {"seed": seed},
            INNER_STEPS,
            INNER_LR,
            clip,
        )

    return make


@pytest.fixture
def make_batches(photos):
    def make():
        style = {"crop_size": 24, "batch_size": 1, "max_scale": 1.0}
        return PhotoData(
            *(str(photos), 16, 2 * INNER_STEPS),
            **{"min_size": 8, "workers": 0, "seed": 3, "styles": str(photos)},
            style_options=style,
        )

    return make


def fit(module, data, folder, steps=STEPS, resume=None, plugins=()):
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[Checkpoints(2, keep=None)],
        plugins=[SafeCheckpointIO(), *plugins],
    )
    trainer.fit(module, data, ckpt_path=resume)
    return trainer


def clipped(gradients, limit):
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    return [gradient * min(1.0, limit / float(norm + 1e-6)) for gradient in gradients]


def learn(network, criterion, photos, clip=None):
    """Train a network with an Adam of its own, written out (Kingma & Ba 2015, algorithm 1)."""
    weights = list(network.parameters())
    first, second = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    for t, part in enumerate(photos.split(len(photos) // INNER_STEPS), start=1):
        total = criterion(network(part), part)["total"]
        gradients = torch.autograd.grad(total, weights)
        if clip is not None:
            gradients = clipped(gradients, clip)
        for i, gradient in enumerate(gradients):
            first[i] = 0.9 * first[i] + 0.1 * gradient
            second[i] = 0.999 * second[i] + 0.001 * gradient**2
            mean, variance = first[i] / (1 - 0.9**t), second[i] / (1 - 0.999**t)
            with torch.no_grad():
                weights[i] -= INNER_LR * mean / (variance.sqrt() + 1e-8)
    return network


@pytest.mark.parametrize("clip", [None, 0.5])
def test_a_step_goes_part_of_the_way_to_a_network_trained_on_one_style(
    make, make_batches, tmp_path, encoder, clip
):
    module = make(clip=clip)
    start = {k: v.double() for k, v in module.network.state_dict().items()}
    fit(module.double(), make_batches(), tmp_path, 1, plugins=[DoublePrecision()])
    data = make_batches()
    data.setup()
    photos = torch.stack([data.dataset[n].image for n in range(2 * INNER_STEPS)]).double()
    style = data.style_data.dataset[0].image[None].double()
    assert style.shape == (1, 3, 24, 24)
    learner = build_network("johnson", width=2, blocks=1).double()
    learner.load_state_dict(start)
    try:
        learn(learner, PerceptualLoss(encoder.double(), TERMS, [style]), photos, clip)
    finally:
        encoder.float()  # the fixture of all tests
    learned = learner.state_dict()
    for name, value in module.network.state_dict().items():
        expected = start[name] + OUTER_LR * (learned[name] - start[name])
        assert torch.allclose(value, expected, rtol=1e-7, atol=1e-10), name
        moved = float((value - start[name]).abs().max())
        assert moved > 1e-3 or name.endswith("bias"), name


def test_the_checkpoint_holds_the_base_and_not_the_learner(make, make_batches, tmp_path):
    module = make()
    trainer = fit(module, make_batches(), tmp_path)
    assert trainer.global_step == STEPS
    network, info = load_checkpoint(tmp_path)
    assert (info.style, info.step) == ("base", STEPS)
    assert_equal(network.state_dict(), module.network.state_dict())
    base, learned = (dict(part.named_parameters()) for part in (network, module.learner))
    assert any(not torch.equal(base[name], learned[name]) for name in base)
    assert len(list(module.parameters())) == len(base) + len(list(module.criterion.parameters())), (
        "the learner's weights would be synchronized"
    )


def test_the_loss_before_and_after_the_inner_steps_is_logged(make, make_batches, tmp_path):
    logged = fit(make(), make_batches(), tmp_path).callback_metrics
    assert float(logged["loss/total"]) < float(logged["loss/start"])


def test_a_resumed_run_equals_an_uninterrupted_one(make, make_batches, tmp_path):
    fit(make(), make_batches(), tmp_path / "whole")
    first = fit(make(), make_batches(), tmp_path / "parts", 3)
    assert first.global_step == 3
    saved = RunFolder(tmp_path / "parts").saved_checkpoints()[-1]
    module = make(seed=5)
    fit(module, make_batches(), tmp_path / "parts", resume=saved)
    last = [
        SafeCheckpointIO().load_checkpoint(RunFolder(tmp_path / part).saved_checkpoints()[-1])
        for part in ("whole", "parts")
    ]
    assert_equal(last[0]["state_dict"], last[1]["state_dict"])
    assert_equal(load_checkpoint(tmp_path / "whole")[0].state_dict(), module.network.state_dict())
