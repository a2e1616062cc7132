"""The temporal loss: second views with known motion, and training with them."""

import math

import numpy as np
import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.training import RunFolder
from stylenet.training import temporal as temporal_room
from stylenet.training.temporal import TemporalLoss

from .test_adversarial import fit as fit_adversarial
from .test_adversarial import make as make_adversarial  # noqa: F401
from .test_adversarial import make_pairs  # noqa: F401
from .test_resume import assert_equal, fit, weights
from .test_step import MODULES, assert_close, data_of, eager_backend, trained  # noqa: F401

HEIGHT, WIDTH = 48, 64
COUNT = 20


@pytest.fixture
def undisturbed(monkeypatch):
    """Views are moved only, without noise and changes of brightness."""
    monkeypatch.setattr(temporal_room, "_MAX_NOISE", 0.0)
    monkeypatch.setattr(temporal_room, "_MAX_GAIN", 0.0)


def random_photos(count=COUNT):
    return torch.rand(count, 3, HEIGHT, WIDTH, dtype=torch.float64)


def sample(photo, x, y):
    """Interpolate a photo (3, H, W) at pixels by the kernel of Keys 1981 with a = -0.75."""

    def kernel(t):
        t = np.abs(t)
        near = (-0.75 + 2) * t**3 - (-0.75 + 3) * t**2 + 1
        far = -0.75 * t**3 + 5 * 0.75 * t**2 - 8 * 0.75 * t + 4 * 0.75
        return np.where(t <= 1, near, np.where(t < 2, far, 0))

    total = 0
    for dy in (-1, 0, 1, 2):
        for dx in (-1, 0, 1, 2):
            column, row = np.floor(x) + dx, np.floor(y) + dy
            inside = photo[
                :, row.clip(0, HEIGHT - 1).astype(int), column.clip(0, WIDTH - 1).astype(int)
            ]
            total = total + inside * kernel(x - column) * kernel(y - row)
    return total


def pixels_of(view):
    """Return each view's positions in pixels of the photo, x and y: (N, 2, h, w)."""
    positions = (view.positions.numpy() + 1) / 2 * [WIDTH - 1, HEIGHT - 1]
    return positions.transpose(0, 3, 1, 2)


def test_a_view_shows_the_photo_at_its_positions(undisturbed):
    photos = random_photos()
    view = TemporalLoss(1.0).view(photos, range(COUNT))
    for photo, shown, (x, y) in zip(photos, view.photos, pixels_of(view), strict=True):
        expected = sample(photo.numpy(), x, y).clip(0, 1)
        assert np.abs(shown.numpy() - expected).max() < 1e-12


def test_views_are_turned_zoomed_and_shifted_a_little_and_lie_within_the_photo():
    view = TemporalLoss(1.0).view(random_photos(), range(COUNT))
    assert view.photos.shape == (COUNT, 3, 42, 56)
    assert view.positions.abs().max() <= 1
    y, x = np.mgrid[:42, :56]
    columns = np.stack([x.ravel() - 27.5, y.ravel() - 20.5, np.ones(x.size)], 1)
    motions = []
    for positions in pixels_of(view):
        motion, residual, *_ = np.linalg.lstsq(columns, positions.reshape(2, -1).T, rcond=None)
        assert residual.max() < 1e-18
        (a, b), (c, d), shift = motion
        assert a == pytest.approx(d)  # a similarity: no shear
        assert b == pytest.approx(-c)
        motions.append([math.hypot(a, b), math.degrees(math.atan2(b, a)), *shift])
    zoom, angle, *shifts = np.transpose(motions)
    assert 0.98 <= zoom.min() < 0.99
    assert 1.01 < zoom.max() <= 1.021
    assert -1.5 <= angle.min() < -0.7
    assert 0.7 < angle.max() <= 1.5
    for values, length in zip(shifts, (WIDTH, HEIGHT), strict=True):
        center = (length - 1) / 2
        assert length / 16 > np.abs(values - center).max() > length / 32
        assert values.min() < center < values.max()


def test_views_are_noisy_and_brighter_or_darker(monkeypatch):
    gray = torch.full((COUNT, 3, HEIGHT, WIDTH), 0.5)
    photos = TemporalLoss(1.0).view(gray, range(COUNT)).photos
    means, deviations = photos.mean((1, 2, 3)) / 0.5, photos.std((1, 2, 3))
    assert 0.945 < means.min() < 0.97
    assert 1.03 < means.max() < 1.055
    assert 0 < deviations.min() < 2 / 255
    assert 6 / 255 < deviations.max() < 8.2 / 255
    noise = photos - photos.mean((1, 2, 3), keepdim=True)
    # Independent from photo to photo, and from pixel to pixel.
    products = torch.corrcoef(noise.flatten(1))
    assert (products - torch.eye(COUNT)).abs().max() < 0.06
    neighbors = (noise[..., 1:] * noise[..., :-1]).mean((1, 2, 3)) / noise.var((1, 2, 3))
    assert neighbors.abs().max() < 0.06


def test_a_view_depends_on_the_seed_and_the_number_of_the_photo_only():
    photos = torch.rand(3, 3, 20, 20)
    together = TemporalLoss(1.0, seed=4).view(photos, [7, 2, 9])
    alone = TemporalLoss(100.0, seed=4).view(photos[1:2], [2])
    for both, one in zip(together, alone, strict=True):
        assert torch.equal(both[1:2], one)
    for other in (
        TemporalLoss(1.0, seed=5).view(photos, [7, 2, 9]),
        TemporalLoss(1.0, seed=4).view(photos, [8, 3, 1]),
    ):
        assert all((a != b).any() for a, b in zip(together.positions, other.positions, strict=True))


def test_a_network_that_follows_the_motion_has_no_loss(undisturbed):
    photos = 0.3 + 0.4 * random_photos()  # a bicubic warp overshoots, and is clipped to [0, 1]
    loss = TemporalLoss(1.0)
    view = loss.view(photos, range(COUNT))
    assert loss(photos, view.photos, view) < 1e-20


def test_the_loss_is_the_mean_square_of_the_difference(undisturbed):
    photos = random_photos()
    loss = TemporalLoss(1.0)
    view = loss.view(photos, range(COUNT))
    second = torch.rand(COUNT, 3, 42, 56, dtype=torch.float64)
    expected = np.mean(
        [
            (sample(photo, x, y) - still) ** 2
            for photo, still, (x, y) in zip(
                photos.numpy(), second.numpy(), pixels_of(view), strict=True
            )
        ]
    )
    torch.testing.assert_close(
        loss(photos, second, view), torch.tensor(expected), rtol=1e-9, atol=0
    )


def test_autocast_keeps_the_positions_precise():
    photos = torch.rand(2, 3, 192, 192)
    loss = TemporalLoss(1.0)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss.view(photos, range(2))
    for value, expected in zip(mixed, loss.view(photos, range(2)), strict=True):
        assert torch.equal(value, expected)


def test_half_precision_is_summed_in_float32():
    loss = TemporalLoss(1.0)
    view = loss.view(torch.rand(2, 3, 64, 64), range(2))
    value = loss(torch.rand(2, 3, 64, 64).bfloat16(), view.photos.bfloat16(), view)
    assert value.dtype == torch.float32


@pytest.mark.parametrize("weight", [-1, math.nan, "much"])
def test_an_impossible_weight_is_refused(weight):
    with pytest.raises(StyleNetError, match=r"loss\.temporal_weight="):
        TemporalLoss(weight)


def with_temporal(make, weight=30.0):
    def made(*arguments, **options):
        module = make(*arguments, **options)
        module.temporal = TemporalLoss(weight, seed=1)
        return module

    return made


@pytest.mark.parametrize("make", MODULES)
def test_every_method_adds_the_loss_and_replays_it(make, make_data, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    data = data_of(make, make_data, photos)
    more = {"steps": 5, "accumulate_grad_batches": 2}
    plain, _ = trained(make, "false", data, tmp_path / "plain", **more)
    steady = with_temporal(make)
    eager, _ = trained(steady, "false", data, tmp_path / "eager", **more)
    replayed, _ = trained(steady, "true", data, tmp_path / "replayed", **more)
    assert replayed._replayed._replay_update is not None
    assert_close(eager, replayed)
    assert "temporal" not in plain.losses
    assert eager.losses["temporal"] > 0
    for name, value in eager.losses.items():
        torch.testing.assert_close(replayed.losses[name], value, rtol=1e-9, atol=1e-12)
    assert any((weights(plain)[k] != value).any() for k, value in weights(eager).items())


@pytest.mark.slow
@pytest.mark.usefixtures("eager_backend")
def test_the_loss_is_compiled_with_the_others(make_data, tmp_path):
    make = with_temporal(MODULES[0])
    eager, _ = trained(make, "false", make_data(), tmp_path / "eager", steps=3)
    compiled, _ = trained(make, "true", make_data(), tmp_path / "compiled", steps=3)
    assert_close(eager, compiled)


def test_the_total_holds_the_loss_with_its_weight(make_module, make_data, tmp_path):
    module, plain = with_temporal(make_module)(lr=1e-9), make_module(lr=1e-9)
    for one in (module, plain):
        fit(one, make_data(), tmp_path / "run", steps=1, every=9)
    expected = plain.losses["total"] + 30 * module.losses["temporal"]
    torch.testing.assert_close(module.losses["total"], expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_resumed_run_equals_an_uninterrupted_one(make_module, make_data, tmp_path, accumulate):
    make, more = with_temporal(make_module), {"accumulate_grad_batches": accumulate}
    uninterrupted, resumed = make(), make(seed=5)
    fit(uninterrupted, make_data(), tmp_path / "uninterrupted", **more)
    checkpoint = RunFolder(tmp_path / "uninterrupted").checkpoint(4)
    fit(resumed, make_data(), tmp_path / "resumed", resume=checkpoint, **more)
    assert_equal(weights(uninterrupted), weights(resumed))
    assert uninterrupted.losses["temporal"] == resumed.losses["temporal"]


def test_adversarial_training_adds_the_loss_and_resumes_exactly(
    make_adversarial,  # noqa: F811
    make_pairs,  # noqa: F811
    tmp_path,
):
    make = with_temporal(make_adversarial)
    uninterrupted, resumed = make(), make(seed=5)
    fit_adversarial(uninterrupted, make_pairs(), tmp_path / "uninterrupted")
    checkpoint = RunFolder(tmp_path / "uninterrupted").checkpoint(2)
    fit_adversarial(resumed, make_pairs(), tmp_path / "resumed", resume=checkpoint)
    assert uninterrupted.losses["temporal"] > 0
    assert_equal(weights(uninterrupted), weights(resumed))


def test_training_with_the_loss_makes_a_network_steadier(make_module, make_data, tmp_path):
    measure = TemporalLoss(1.0, seed=99)
    errors = []
    for weight in (0.0, 300.0):
        module = with_temporal(make_module, weight)(lr=1e-2, width=4)
        fit(module, make_data(batch_size=4), tmp_path / str(weight), steps=25, every=99)
        data = make_data(batch_size=7)
        data.setup()
        photos = data.preview_photos(7, 40)
        view = measure.view(photos, range(7))
        with torch.no_grad():
            errors.append(float(measure(module(photos), module(view.photos), view)))
    assert errors[1] < 0.6 * errors[0]
