"""The discriminator, its objectives and options."""

import itertools
import math

import pytest
import torch
from torch import nn

from stylenet.errors import StyleNetError
from stylenet.methods.adversarial.discriminator import PatchDiscriminator
from stylenet.methods.adversarial.loss import OBJECTIVES, AdversarialOptions, discriminator_accuracy

BASE = {"style_folder": "paintings"}


def outputs(seed):
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(2, 1, 4, 5, generator=generator, dtype=torch.float64)


def test_least_squares_against_plain_sums():
    real, fake = outputs(1), outputs(2)
    objective = OBJECTIVES["lsgan"]
    first = [(x - 1) ** 2 for x in real.flatten().tolist()]
    second = [y**2 for y in fake.flatten().tolist()]
    third = [(y - 1) ** 2 for y in fake.flatten().tolist()]
    discriminator = 0.5 * sum(first) / len(first) + 0.5 * sum(second) / len(second)
    assert float(objective.discriminator(real, fake)) == pytest.approx(discriminator, rel=1e-12)
    assert float(objective.generator(fake)) == pytest.approx(0.5 * sum(third) / len(third))


def test_cross_entropy_against_plain_sums():
    real, fake = outputs(1), outputs(2)
    objective = OBJECTIVES["bce"]

    def log_sigmoid(value):
        return math.log(1 / (1 + math.exp(-value)))

    first = [-log_sigmoid(x) for x in real.flatten().tolist()]
    second = [-math.log(1 - 1 / (1 + math.exp(-y))) for y in fake.flatten().tolist()]
    third = [-log_sigmoid(y) for y in fake.flatten().tolist()]
    discriminator = sum(first) / len(first) + sum(second) / len(second)
    assert float(objective.discriminator(real, fake)) == pytest.approx(discriminator, rel=1e-12)
    assert float(objective.generator(fake)) == pytest.approx(sum(third) / len(third), rel=1e-12)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_stay_numbers_far_out_and_are_float32(name):
    far = torch.tensor([-1e3, 1e3], dtype=torch.bfloat16)
    for value in (OBJECTIVES[name].discriminator(far, far), OBJECTIVES[name].generator(far)):
        assert value.dtype == torch.float32
        assert torch.isfinite(value)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_network_that_fools_has_the_smaller_loss_and_a_gradient_where_it_fails(name):
    objective = OBJECTIVES[name]
    low = torch.full((3,), -4.0, requires_grad=True)
    assert objective.generator(torch.full((3,), 1.0)) < objective.generator(low)
    objective.generator(low).backward()
    assert (low.grad < -0.3).all()  # of a mean of three: cross entropy as in the minimax has 0.006


def test_answers_are_counted():
    real, fake = torch.tensor([1.0, 0.0, 0.9, 0.6]), torch.tensor([0.5, 0.6, 0.7, 0.8])
    assert float(discriminator_accuracy(real, fake, 0.5)) == pytest.approx((3 / 4 + 1 / 4) / 2)


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_each_output_sees_a_patch_and_nothing_else(layers, patch):
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(2, layers).eval()
    assert discriminator.patch_size == patch
    height, width = patch + 3 * discriminator.stride, patch + 2 * discriminator.stride + 1
    images = torch.rand(2, 3, height, width, requires_grad=True)
    judged = discriminator(images)
    assert judged.shape == (2, 1, 4, 3)
    judged[1, 0, 2, 1].backward()
    seen = images.grad.abs().sum(1)
    assert not seen[0].any()
    rows, columns = seen[1].any(1).nonzero().flatten(), seen[1].any(0).nonzero().flatten()
    down, across = 2 * discriminator.stride, discriminator.stride
    assert (int(rows[0]), int(rows[-1])) == (down, down + patch - 1)
    assert (int(columns[0]), int(columns[-1])) == (across, across + patch - 1)


def test_the_papers_discriminator_has_its_number_of_weights():
    # pix2pix's 70 x 70: 64, 128, 256, 512, 1 channels; without normalization.
    discriminator = PatchDiscriminator(64, 3, spectral_norm=False)
    weights = [p for p in discriminator.parameters() if p.ndim == 4]
    channels = itertools.pairwise([3, 64, 128, 256, 512, 1])
    assert [tuple(w.shape) for w in weights] == [(out, into, 4, 4) for into, out in channels]


def test_spectral_norm_bounds_every_layers_largest_singular_value():
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(4, 2)
    with torch.no_grad():
        for name, parameter in discriminator.named_parameters():
            if name.endswith("original"):
                parameter.copy_(5 * torch.randn_like(parameter))
        for _ in range(100):  # one iteration a pass
            discriminator(torch.rand(1, 3, 34, 34))
    for layer in discriminator.layers:
        if isinstance(layer, nn.Conv2d):
            singular = torch.linalg.svdvals(layer.weight.detach().flatten(1))
            assert float(singular[0]) == pytest.approx(1, abs=0.01)
    free = PatchDiscriminator(4, 2, spectral_norm=False)
    assert all("original" not in name for name in free.state_dict())


def test_the_power_iteration_steps_in_training_alone_and_is_saved():
    discriminator = PatchDiscriminator(4, 2)
    images = torch.rand(1, 3, 40, 40)

    def vectors():
        return {k: v.clone() for k, v in discriminator.state_dict().items() if k[-2:] == "_u"}

    before = vectors()
    assert len(before) == 4
    discriminator.eval()(images)
    assert all(torch.equal(value, before[name]) for name, value in vectors().items())
    discriminator.train()(images)
    assert not all(torch.equal(value, before[name]) for name, value in vectors().items())


def test_under_autocast_outputs_and_spectral_norm_are_float32():
    discriminator, images = PatchDiscriminator(4, 2), torch.rand(1, 3, 40, 40)
    twin = PatchDiscriminator(4, 2)
    twin.load_state_dict(discriminator.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        mixed = discriminator(images)
    exact = twin(images)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, exact, rtol=0.05, atol=0.01)
    # The power iteration was not rounded to bfloat16.
    for name, value in discriminator.state_dict().items():
        assert torch.equal(value, twin.state_dict()[name]), name


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("spectral_norm", [True, False])
def test_the_gradient_to_the_network_against_finite_differences(name, spectral_norm):
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(2, 1, spectral_norm).double().eval()
    discriminator.requires_grad_(False)
    network = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Sigmoid()).double()
    photos = torch.rand(2, 3, 18, 18, dtype=torch.float64)

    def loss():
        return OBJECTIVES[name].generator(discriminator(network(photos)))

    loss().backward()
    step = 1e-6
    for parameter in network.parameters():
        flat, gradient = parameter.data.view(-1), parameter.grad.view(-1)
        for place in range(0, len(flat), 7):
            value = float(flat[place])
            ends = []
            for sign in (1, -1):
                flat[place] = value + sign * step
                ends.append(loss().item())
            flat[place] = value
            slope = (ends[0] - ends[1]) / (2 * step)
            assert slope == pytest.approx(float(gradient[place]), rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_it_learns_to_tell_two_textures_apart(name):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    discriminator = PatchDiscriminator(8, 1)
    optimizer = torch.optim.Adam(discriminator.parameters(), 1e-2, betas=(0.5, 0.999))
    objective = OBJECTIVES[name]

    def textures():
        # Stripes across and stripes down: the same colors, another direction.
        stripes = torch.rand(4, 3, 24, 1, generator=generator).expand(4, 3, 24, 24)
        return stripes, torch.rand(4, 3, 1, 24, generator=generator).expand(4, 3, 24, 24)

    for _ in range(60):
        loss = objective.discriminator(*map(discriminator, textures()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    real, fake = map(discriminator, textures())
    assert float(discriminator_accuracy(real, fake, objective.threshold)) > 0.9


def test_the_options_know_the_size_of_patches():
    options = AdversarialOptions(**BASE)
    assert options.patch_size == options.build_discriminator().patch_size == 34


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("style_folder", ""),
        ("style_folder", None),
        ("weight", -1),
        ("weight", float("nan")),
        ("weight", "much"),
        ("objective", "wgan"),
        ("spectral_norm", "maybe"),
        ("discriminator_width", 0),
        ("discriminator_width", 1.5),
        ("discriminator_layers", 0),
        ("discriminator_lr_ratio", 0),
    ],
)
def test_impossible_settings_are_refused(name, value):
    with pytest.raises(StyleNetError, match=rf"^{name}"):
        AdversarialOptions(**{**BASE, name: value})
