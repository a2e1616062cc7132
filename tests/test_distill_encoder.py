import shutil
import sys
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from PIL import Image
from safetensors.torch import load_file

from stylenet.checkpoint import CheckpointInfo, save_checkpoint
from stylenet.cli.distill_encoder import main
from stylenet.encoder_distillation import DistillationModule, DistillationOptions, mean_errors
from stylenet.encoder_distillation.augmentation import disfigure
from stylenet.encoder_distillation.dreams import Dreams
from stylenet.encoder_distillation.pruning import choose_channels
from stylenet.errors import StyleNetError
from stylenet.networks import build_network
from stylenet.perceptual import Encoder, LiteEncoder, VGGEncoder, gram_matrix, style_loss
from stylenet.training import ConstantSchedule, OptimizerFactory


def blotches(count, size, seed=0):
    """Return smooth images with structure, shape (count, 3, size, size)."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(count, 3, 6, 6, generator=generator)
    return torch.nn.functional.interpolate(small, size, mode="bicubic").clamp(0, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for i, image in enumerate(blotches(3, 40)):
        pixels = (image.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def teacher():
    return VGGEncoder("vgg19", weights="random", allow_random=True)


@pytest.fixture
def command(folder, monkeypatch, capfd):
    def call(run_dir, *more, teacher=("teacher.weights=random", "teacher.allow_random=true")):
        arguments = [
            "teacher=vgg19",
            *teacher,
            "data=folder",
            f"data.root={folder}",
            "data.crop_size=16",
            "data.batch_size=2",
            "data.min_size=8",
            "data.workers=0",
            "trainer.accelerator=cpu",
            "trainer.precision=32-true",
            "trainer.max_steps=4",
            "callbacks.checkpoints.every_n_steps=2",
            "callbacks.checkpoints.keep=null",
            f"run_dir={run_dir}",
            *more,
        ]
        monkeypatch.setattr(sys, "argv", ["scripts/distill_encoder.py", *arguments])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        GlobalHydra.instance().clear()
        status = 0
        try:
            main()
        except SystemExit as leaving:
            status = leaving.code
        captured = capfd.readouterr()
        return status, captured.out, captured.err

    return call


def test_a_run_ends_with_a_usable_encoder_and_its_evaluation(command, folder, tmp_path):
    network = build_network("johnson", width=2, blocks=1)
    save_checkpoint(tmp_path / "style.safetensors", network, CheckpointInfo("s", 1))
    status, out, err = command(
        tmp_path / "run",
        f"stylized=[{tmp_path / 'style.safetensors'}]",
        "distillation.stylized=1",
        f"held_out=[{folder}]",
    )
    assert status == 0, err
    encoder = LiteEncoder(str(tmp_path / "run/lite.safetensors"))
    assert encoder.layers == ["relu1_2", "relu2_2", "relu3_2", "relu3_4", "relu4_1"]
    assert (tmp_path / "run/config.yaml").is_file()
    assert "distilling relu1_2 to relu4_1 of vgg19 from 3 photos for 4 steps of 2" in out
    assert f"{folder}, 3 images" in out
    for name in ("features/relu1_2", "gram/relu3_4"):
        line = next(line for line in out.splitlines() if name in line)
        assert 0 < float(line.split()[1]) < 1
    assert f"encoder=lite encoder.weights={tmp_path / 'run/lite.safetensors'}" in out


def test_a_resumed_run_equals_an_uninterrupted_one(command, tmp_path):
    assert command(tmp_path / "uninterrupted")[0] == 0
    kept = tmp_path / "interrupted/checkpoints"
    kept.mkdir(parents=True)
    shutil.copy(tmp_path / "uninterrupted/checkpoints/step_0000002.ckpt", kept)
    status, out, err = command(tmp_path / "interrupted", "resume=true")
    assert status == 0, err
    assert "step_0000002.ckpt" in out
    uninterrupted, interrupted = (
        load_file(tmp_path / name / "lite.safetensors") for name in ("uninterrupted", "interrupted")
    )
    assert all(torch.equal(uninterrupted[key], interrupted[key]) for key in uninterrupted)

    status, _, err = command(tmp_path / "uninterrupted")
    assert status == 2
    assert "resume=true" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["distillation.disfigured=2"], "distillation.disfigured=2"),
        (["distillation.gram_weight=-1"], "distillation.gram_weight=-1"),
        (["stylized=[nowhere]"], "nowhere"),
        (["held_out=[nowhere]"], "nowhere"),
        (["student.weights=nowhere"], "nowhere"),
    ],
)
def test_a_mistake_ends_in_one_line_before_training(command, tmp_path, arguments, message):
    status, _, err = command(tmp_path / "run", *arguments)
    assert status == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def make_module(teacher, student=None):
    return DistillationModule(
        student or LiteEncoder("random", allow_random=True),
        teacher,
        OptimizerFactory(partial(torch.optim.Adam, lr=1e-3), ConstantSchedule),
        DistillationOptions(1.0, 0.5, 0.5, 1),
        blotches(4, 32),
        [],
        {},
    )


def test_a_student_starts_near_the_teacher_and_its_heads_have_their_own_learning_rate(teacher):
    torch.manual_seed(0)
    untrained = mean_errors(LiteEncoder("random", allow_random=True), teacher, [blotches(2, 32, 1)])
    module = make_module(teacher)
    begun = mean_errors(module.network, teacher, [blotches(2, 32, 1)])
    for layer in module.network.layers:
        assert begun[f"features/{layer}"] < 0.7 * untrained[f"features/{layer}"]
    groups = module.parameter_groups()
    assert sum(len(g["params"]) for g in groups) == len(list(module.network.parameters()))
    assert len(groups) == 6


def test_the_weights_of_a_trained_student_are_kept(teacher):
    student = LiteEncoder()
    before = {key: value.clone() for key, value in student.state_dict().items()}
    module = make_module(teacher, student)
    assert all(torch.equal(before[k], v) for k, v in module.network.state_dict().items())
    assert all(parameter.requires_grad for parameter in student.parameters())
    assert {key.split(".")[0] for key in module.state_dict()} == {"network"}


class Half(Encoder):
    """Encoder with some of VGG-19's layers."""

    def __init__(self, vgg, layers):
        super().__init__("half", "half.pth", dict(vgg._layers))
        self._names = layers

    @property
    def layers(self):
        return self._names

    def require(self, layers):
        assert set(layers) <= {*self._layers}


def short_of(teacher, *layers):
    convolutions = [layer.replace("relu", "conv") for layer in layers]
    return Half(teacher, [*convolutions, *layers])


def test_a_teacher_with_fewer_layers_gives_a_shorter_student(teacher, tmp_path):
    trained = ["relu1_2", "relu2_2", "relu3_2"]
    for student in (LiteEncoder("random", allow_random=True), LiteEncoder()):
        module = make_module(short_of(teacher, *trained), student)
        assert module.layers == trained
        module.network.save(tmp_path / "short.safetensors", {})
        assert LiteEncoder(str(tmp_path / "short.safetensors")).layers == trained


def test_a_teacher_of_one_layer_adds_that_layer_to_the_others(teacher, tmp_path):
    module = make_module(short_of(teacher, "relu1_2", "relu2_2", "relu3_2", "relu3_4"))
    module.network.save(tmp_path / "short.safetensors", {})
    student = LiteEncoder(str(tmp_path / "short.safetensors"), allow_random=True)
    assert student.untrained == ["relu4_1"]
    before = {key: value.clone() for key, value in student.state_dict().items()}

    only = short_of(teacher, "relu4_1")
    untrained = mean_errors(student, only, [blotches(2, 32, 1)])
    assert set(untrained) == {"features/relu4_1", "gram/relu4_1"}
    module = make_module(only, student)
    assert module.layers == ["relu4_1"]
    begun = mean_errors(student, only, [blotches(2, 32, 1)])
    assert begun["features/relu4_1"] < 0.7 * untrained["features/relu4_1"]
    for key, value in student.state_dict().items():
        assert torch.equal(before[key], value) == ("relu4_1" not in key), key
    learning = {name for name, p in student.named_parameters() if p.requires_grad}
    assert learning == {key for key in before if "relu4_1" in key}
    assert sum(len(group["params"]) for group in module.parameter_groups()) == len(learning)


def test_a_teacher_that_lacks_required_layers_is_refused(teacher):
    vgg16 = VGGEncoder("vgg16", weights="random", allow_random=True)  # has no relu3_4
    with pytest.raises(StyleNetError, match=r"but not relu3_4, .* student\.weights=bundled"):
        make_module(vgg16)
    with pytest.raises(StyleNetError, match=r"relu4_1 but not relu1_2, relu2_2"):
        make_module(short_of(teacher, "relu4_1"))
    with pytest.raises(StyleNetError, match="none of the layers"):
        make_module(short_of(teacher, "relu1_1"))


def test_distorted_images_stay_valid_and_follow_the_random_state():
    photos = blotches(6, 33)
    torch.manual_seed(1)
    first = disfigure(photos)
    torch.manual_seed(1)
    assert torch.equal(first, disfigure(photos))
    assert first.shape == photos.shape
    assert 0 <= float(first.min()) <= float(first.max()) <= 1
    assert float((first - photos).abs().mean()) > 0.05
    assert not torch.equal(first, disfigure(photos))


def test_dreams_approach_the_features_of_the_other_image():
    torch.manual_seed(0)
    encoder, images = LiteEncoder(), blotches(2, 32)
    layers = encoder.layers

    def distance(image, expected):
        first, second = encoder(image, layers), encoder(expected, layers)
        grams = [(gram_matrix(first[n]), gram_matrix(second[n])) for n in layers]
        return sum(float(style_loss(a, b)) for a, b in grams)

    dreams = Dreams(images, 2)
    for _ in range(5):
        dreams.step(images, encoder, layers)
    state = dreams.state()
    assert distance(state["images"], state["styles"]) < distance(images, state["styles"])
    assert 0 <= float(state["images"].min()) <= float(state["images"].max()) <= 1

    again = Dreams.from_state(state, torch.device("cpu"))
    random = torch.get_rng_state()
    expected = dreams.step(images, encoder, layers)
    torch.set_rng_state(random)
    assert torch.equal(again.step(images, encoder, layers), expected)


def test_equivalent_channels_are_chosen_once():
    generator = torch.Generator().manual_seed(0)
    own = torch.rand(2, 3, 8, 8, generator=generator)
    features = torch.cat([own, 2 * own, own], dim=1)  # nine channels, three of them different
    chosen = choose_channels(features, 3)
    assert sorted(index % 3 for index in chosen) == [0, 1, 2]
