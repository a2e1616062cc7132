"""The droplet loss: a measure of single spots, and training with it."""

import math

import numpy as np
import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.networks import build_network
from stylenet.training import DropletLoss
from stylenet.training.droplets import droplet_loss

from .test_resume import fit, weights
from .test_step import (
    arbitrary_style,
    assert_close,
    conditional,
    data_of,
    distilled,
    one_style,
    trained,
)


def with_spot(height, count=2, channels=3, size=64):
    """Return normally distributed features whose first channel has a spot of one pixel."""
    generator = torch.Generator().manual_seed(0)
    shape = (count, channels, size, size)
    features = torch.randn(shape, generator=generator, dtype=torch.float64)
    features[:, 0, 20, 30] = height
    return features


def with_droplets(make, weight=3.0):
    def made(*arguments, **options):
        module = make(*arguments, **options)
        module.droplets = DropletLoss(weight, module.network)
        return module

    return made


def test_the_loss_is_the_logarithm_of_a_kurtosis_above_8():
    features = with_spot(40.0)
    expected = []
    for channel in features[..., ::2, ::2].numpy().reshape(6, -1):  # 24 to 47 rows of 64
        deviations = channel - channel.mean()
        kurtosis = np.mean(deviations**4) / np.mean(deviations**2) ** 2
        expected.append(max(0.0, math.log(kurtosis / 8)))
    assert sum(value > 0 for value in expected) == 2  # the two channels with a spot
    torch.testing.assert_close(
        droplet_loss(features), torch.tensor(np.mean(expected)), rtol=1e-9, atol=0
    )


def test_a_spot_counts_by_the_share_of_the_variance_that_it_has():
    values = [float(droplet_loss(with_spot(height))) for height in (0, 4, 20, 40, 100, 1e4)]
    assert values[:2] == [0, 0]
    assert values[1:] == sorted(values[1:])
    # One of 32 x 32 pixels has all of the variance: its kurtosis is the number of pixels.
    assert values[-1] == pytest.approx(math.log(32 * 32 / 8) / 3, rel=1e-2)


def test_size_and_offset_of_the_features_do_not_count():
    features = with_spot(30.0)
    torch.testing.assert_close(droplet_loss(7 + 100 * features), droplet_loss(features))


def test_constant_channels_have_no_loss_and_a_finite_gradient():
    features = torch.full((1, 2, 8, 8), 0.3, requires_grad=True)
    value = droplet_loss(features)
    value.backward()
    assert value == 0
    assert features.grad.isfinite().all()


def test_half_precision_is_summed_in_float32():
    features = with_spot(300.0)
    with torch.autocast("cpu", torch.bfloat16):
        value = droplet_loss(features.bfloat16())
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), droplet_loss(features), rtol=1e-2, atol=0)


@pytest.mark.parametrize("make", [one_style, distilled, conditional])
def test_every_network_with_instance_normalization_adds_the_loss_and_replays_it(
    make, make_data, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    data = data_of(make, make_data, photos)
    more = {"steps": 5, "accumulate_grad_batches": 2}
    eager, _ = trained(with_droplets(make), "false", data, tmp_path / "eager", **more)
    replayed, _ = trained(with_droplets(make), "true", data, tmp_path / "replayed", **more)
    assert replayed._replayed._replay_update is not None
    assert_close(eager, replayed)
    assert "droplets" in eager.losses
    torch.testing.assert_close(replayed.losses["droplets"], eager.losses["droplets"])


def test_networks_without_instance_normalization_are_refused():
    network = build_network("johnson", width=2, blocks=1, norm="batch")
    for module in (network, arbitrary_style().network):
        with pytest.raises(
            StyleNetError, match=r"loss\.droplet_weight=2 .* Set loss\.droplet_weight=0"
        ):
            DropletLoss(2, module)


@pytest.mark.parametrize("weight", [-1, math.nan, "much"])
def test_an_impossible_weight_is_refused(weight):
    with pytest.raises(StyleNetError, match=r"loss\.droplet_weight="):
        DropletLoss(weight, build_network("johnson", width=2, blocks=1))


def test_training_removes_droplets(make_module, make_data, tmp_path):
    found = []
    for weight in (1e-9, 3.0):
        module = with_droplets(make_module, weight)(lr=1e-2, width=4)
        plain = weights(module)
        fit(module, make_data(batch_size=4), tmp_path / str(weight), steps=25, every=99)
        found.append(float(module.losses["droplets"]))
        assert any((plain[name] != value).any() for name, value in weights(module).items())
        hooks = [m for m in module.network.modules() if m._forward_pre_hooks]
        assert hooks == []  # detached, so that the network is as fast as before
    assert found[1] < 0.5 * found[0]
