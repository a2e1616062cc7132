"""Compiled and replayed steps that train like eager ones."""

import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.methods.arbitrary_style.loss import ArbitraryStyleLoss
from stylenet.methods.arbitrary_style.module import ArbitraryStyleModule
from stylenet.methods.conditional.loss import ConditionalLoss
from stylenet.methods.conditional.module import ConditionalModule
from stylenet.methods.distillation.teacher import Teacher
from stylenet.methods.single_style.module import SingleStyleModule
from stylenet.networks import build_network
from stylenet.perceptual import ContentLoss, Encoder, PerceptualLoss, StyleLoss, TotalVariationLoss
from stylenet.training import RunFolder, StyleTransferModule, check_compile_mode, replay
from stylenet.training import step as step_room

from .conftest import adam
from .test_resume import weights

TERMS = {
    "content": ContentLoss(["relu1_2"]),
    "style": StyleLoss(["relu1_1", "relu1_2"], weight=5.0),
    "tv": TotalVariationLoss(weight=1.0),
}
OPTIMIZER = adam(1e-2, 2, max_steps=7)


def image(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, 32, 32, generator=generator, dtype=torch.float64)


def tiny_encoder():
    torch.manual_seed(7)
    layers = {
        "conv1_1": torch.nn.Conv2d(3, 8, 3, padding=1),
        "relu1_1": torch.nn.ReLU(),
        "conv1_2": torch.nn.Conv2d(8, 8, 3, padding=1),
        "relu1_2": torch.nn.ReLU(),
    }
    return Encoder("tiny", "random", layers).double()


def johnson():
    torch.manual_seed(0)
    return build_network("johnson", width=2, blocks=1).double()


def one_style():
    criterion = PerceptualLoss(tiny_encoder(), TERMS, [image(1)])
    return StyleTransferModule(johnson(), criterion, OPTIMIZER, "test", {})


def distilled():
    criterion = PerceptualLoss(tiny_encoder(), TERMS, [image(1)])
    teacher = Teacher(johnson())
    torch.manual_seed(1)
    student = build_network("compact", width=4, deep_width=4, deep_blocks=1, fine_blocks=1)
    return SingleStyleModule(student.double(), criterion, OPTIMIZER, "test", {}, teacher, 5.0)


def conditional():
    encoder = tiny_encoder()
    losses = {
        name: PerceptualLoss(encoder, TERMS, [image(i)], weight)
        for i, (name, weight) in enumerate([("a", 1.0), ("b", 3.0), ("c", 0.5)])
    }
    torch.manual_seed(0)
    network = build_network("johnson_multi", styles=list(losses), width=2, blocks=1).double()
    return ConditionalModule(network, ConditionalLoss(losses), OPTIMIZER, "test", {})


def arbitrary_style():
    torch.manual_seed(0)
    network = build_network("adain", layer="relu2_1", width=2).double()
    network.encoder.load_weights(network.encoder.convolutions.state_dict())
    shown = image(5)
    return ArbitraryStyleModule(
        network, ArbitraryStyleLoss(tiny_encoder(), TERMS), OPTIMIZER, {}, shown
    )


MODULES = [
    one_style,
    pytest.param(distilled, marks=pytest.mark.slow),
    pytest.param(conditional, marks=pytest.mark.slow),
    pytest.param(arbitrary_style, marks=pytest.mark.slow),
]


@pytest.fixture
def eager_backend(monkeypatch):
    """Use PyTorch's compiler without its minute of code generation."""
    compiler = torch.compile

    def traced(function, **options):
        return compiler(function, backend="aot_eager", **options)

    monkeypatch.setattr(torch, "compile", traced)


def data_of(make, make_data, photos):
    if make is not arbitrary_style:
        return make_data()
    from stylenet.data import PhotoData

    return PhotoData(str(photos), 16, 2, min_size=8, workers=0, seed=3, styles=str(photos))


def trained(make, mode, data, folder, resume=None, steps=6, **more):
    module = make()
    module.compile_mode = mode
    torch.manual_seed(3)
    more = {"precision": "64-true", **more}
    trainer = fit_in(module, data, folder, steps, resume, **more)
    return module, trainer


def fit_in(module, data, folder, steps, resume, **more):
    import pytorch_lightning as pl

    from stylenet.training.callbacks import Checkpoints, SafeCheckpointIO

    trainer = pl.Trainer(
        max_steps=steps,
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        callbacks=[Checkpoints(4, keep=None)],
        plugins=[SafeCheckpointIO()],
        **{"accelerator": "cpu", "gradient_clip_val": 10.0, **more},
    )
    trainer.fit(module, data, ckpt_path=resume)
    return trainer


def assert_close(first, second, tolerance=1e-7):
    # Adam also makes a step for a gradient of rounding only, as some biases have.
    first, second = weights(first), weights(second)
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=0, atol=tolerance)


@pytest.mark.parametrize("make", MODULES)
def test_a_replayed_step_equals_an_eager_one(make, make_data, photos, tmp_path, eager_backend):
    data = data_of(make, make_data, photos)
    eager, _ = trained(make, "false", data, tmp_path / "eager")
    replayed, trainer = trained(make, "true", data, tmp_path / "replayed")
    assert trainer.global_step == 6
    assert replayed._replayed is not None
    assert replayed._replayed._replay_update is not None
    assert_close(eager, replayed)
    for name, value in eager.losses.items():
        torch.testing.assert_close(replayed.losses[name], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "more",
    [
        {"accumulate_grad_batches": 2, "gradient_clip_val": 1e-3},
        pytest.param({"gradient_clip_val": 1e-3}, marks=pytest.mark.slow),
        pytest.param({"gradient_clip_val": None}, marks=pytest.mark.slow),
    ],
)
def test_accumulation_and_clipping_equal_lightnings(more, make_data, tmp_path, eager_backend):
    eager, _ = trained(one_style, "false", make_data(), tmp_path / "eager", **more)
    replayed, _ = trained(one_style, "true", make_data(), tmp_path / "replayed", **more)
    assert_close(eager, replayed)


def test_a_resumed_run_equals_an_uninterrupted_one(make_data, tmp_path, eager_backend):
    uninterrupted, _ = trained(one_style, "true", make_data(), tmp_path / "uninterrupted", steps=7)
    checkpoint = RunFolder(tmp_path / "uninterrupted").checkpoint(4)
    resumed, _ = trained(one_style, "true", make_data(), tmp_path / "on", checkpoint, steps=7)
    assert_close(uninterrupted, resumed, tolerance=0)


def test_a_batch_of_another_shape_runs_eagerly(eager_backend):
    def losses(images):
        return images, {"total": (weight * images).square().mean()}

    results = []
    for fresh in (False, True):
        weight = torch.nn.Parameter(torch.ones(3, 1, 1, dtype=torch.float64))
        optimizer = torch.optim.Adam([weight], lr=0.1)
        steps = None
        for i, size in enumerate([8, 8, 8, 8, 8, 5, 8, 5]):
            if steps is None or fresh:  # one that is always fresh never replays
                steps = replay.ReplayedStep(
                    losses, optimizer, lambda _: None, 1, torch.device("cpu")
                )
            steps.backward([image(i)[..., :size, :size]], first=True)
            steps.update()
        results.append(weight.detach().clone())
    torch.testing.assert_close(*results, rtol=0, atol=1e-12)


def test_an_operation_that_cannot_be_captured_runs_eagerly_and_is_logged(caplog):
    weight = torch.nn.Parameter(torch.ones(3, 1, 1, dtype=torch.float64))
    optimizer = torch.optim.Adam([weight], lr=0.1)

    def losses(images):
        return images, {"total": (weight * images).square().mean()}

    steps = replay.ReplayedStep(losses, optimizer, lambda _: None, 1, torch.device("cpu"))

    class Refusing(replay._NoCapture):
        def __call__(self, function):
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    steps._capture = Refusing()
    for i in range(6):
        before = weight.detach().clone()
        steps.backward([image(i)], first=True)
        steps.update()
        assert not torch.equal(weight, before)
    messages = [record.message for record in caplog.records]
    assert len(messages) == 1
    assert "without a CUDA graph: operation not permitted when stream is capturing" in messages[0]


def test_a_missing_compiler_is_logged_once_and_training_continues_without(monkeypatch, caplog):
    from torch._dynamo.exc import TorchDynamoException

    def fails(*_):
        raise TorchDynamoException("No working C++ compiler\nand so on")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: fails)
    images, cuda = image(1), torch.device("cuda")

    def losses(images):
        return images, {"total": images.mean()}

    compiled = step_room.compile_losses(losses, "auto", 10**5, cuda)
    for _ in range(2):
        assert compiled(images)[1]["total"] == images.mean()
    assert [r.message for r in caplog.records] == [
        "The training step runs without compiling: No working C++ compiler"
    ]
    compiled = step_room.compile_losses(losses, "true", 1, torch.device("cpu"))
    with pytest.raises(StyleNetError, match=r"cannot be compiled here .*compile=false"):
        compiled(images)


def test_short_runs_and_cpus_are_not_compiled_by_default(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    compiled = step_room.compile_losses
    assert compiled(len, "auto", 100, torch.device("cuda")) is len
    assert compiled(len, "auto", 10**6, torch.device("cpu")) is len
    assert compiled(len, "false", 10**6, torch.device("cuda")) is len


def test_an_unknown_mode_is_refused():
    assert [check_compile_mode(mode) for mode in (True, "auto", False)] == ["true", "auto", "false"]
    with pytest.raises(StyleNetError, match="compile=fast"):
        check_compile_mode("fast")


def test_other_precisions_are_not_replayed(make_data, tmp_path):
    module, _ = trained(one_style, "auto", make_data(), tmp_path, steps=1)
    assert module._replayed is None
