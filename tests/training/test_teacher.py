import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.methods.distillation.teacher import Teacher
from stylenet.methods.single_style.module import SingleStyleModule
from stylenet.networks import build_network

from .conftest import adam
from .test_module import fit


@pytest.fixture
def teacher():
    torch.manual_seed(5)
    return Teacher(build_network("johnson", width=2, blocks=1, output="linear"))


def random_images(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 3, 16, 24, generator=generator, dtype=torch.float32)


def test_the_loss_is_a_fraction_of_the_teachers_variance(teacher):
    images, photos = random_images(0), random_images(1)
    target = teacher.network(photos)
    fractions = [
        ((y - t) ** 2).mean() / torch.stack([c.var(unbiased=False) for c in t]).mean()
        for y, t in zip(images, target, strict=True)
    ]
    torch.testing.assert_close(teacher(images, photos), sum(fractions) / 2)


def test_the_loss_is_0_for_the_teachers_own_image_and_1_for_a_flat_one(teacher):
    photos = random_images(1)
    target = teacher.network(photos)
    assert teacher(target, photos) == 0
    flat = target.mean((2, 3), keepdim=True).expand_as(target)
    torch.testing.assert_close(teacher(flat, photos), torch.tensor(1.0))


def test_the_teacher_stays_frozen_and_in_evaluation_mode(teacher):
    teacher.train()
    assert not teacher.network.training
    assert not any(p.requires_grad for p in teacher.parameters())


def make(make_module, teacher, weight):
    plain = make_module(lr=1e-2)
    torch.manual_seed(0)
    network = build_network("compact", width=8, deep_width=8, deep_blocks=1, fine_blocks=1)
    return SingleStyleModule(
        network, plain.criterion, adam(1e-2, 2, "none"), "test", {}, teacher, weight
    )


def test_a_student_approaches_its_teacher_and_saves_only_itself(
    make_module, make_data, teacher, tmp_path
):
    module = make(make_module, teacher, 50.0)
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    fit(module, make_data(), 1, default_root_dir=tmp_path)
    first = float(module.losses["teacher"])
    fit(module, make_data(), 60, default_root_dir=tmp_path)
    assert float(module.losses["teacher"]) < 0.7 * first
    total = sum(float(module.losses[k]) * w for k, w in (("content", 1), ("style", 5), ("tv", 1)))
    total += 50 * float(module.losses["teacher"])
    assert float(module.losses["total"]) == pytest.approx(total, rel=1e-4)
    assert {key.split(".")[0] for key in module.state_dict()} == {"network"}
    assert all(torch.equal(value, before[key]) for key, value in teacher.state_dict().items())


def test_a_negative_weight_is_refused(make_module, teacher):
    with pytest.raises(StyleNetError, match="teacher_weight=-1"):
        make(make_module, teacher, -1)
