"""Training a network with dials: another position for each photo."""

import pytest
import torch
from PIL import Image

from stylenet.checkpoint import load_checkpoint
from stylenet.errors import StyleNetError
from stylenet.methods.dials.loss import DialsLoss
from stylenet.methods.dials.module import DialsModule, positions_of
from stylenet.networks import build_network
from stylenet.perceptual import ContentLoss, PerceptualLoss, StyleLoss, TotalVariationLoss
from stylenet.training import RunFolder
from stylenet.training.callbacks import Previews

from .conftest import adam
from .test_resume import assert_equal, fit, weights

STROKES = (20, 24, 28, 36, 40)


def random_images(seed, count=1, side=32):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def loss(encoder, side, relative=True, style_weight=1.0):
    terms = {
        "content": ContentLoss(["relu1_2"], relative=relative),
        "style": StyleLoss({"relu1_1": 1.0, "relu2_1": 3.0}, weight=5.0, relative=relative),
        "tv": TotalVariationLoss(2.0),
    }
    style = random_images(1, side=48)[..., :side].to(next(encoder.parameters()).dtype)
    return PerceptualLoss(encoder, terms, [style], style_weight)


@pytest.fixture
def make_dials(encoder):
    def make(seed=0, **more):
        torch.manual_seed(seed)
        return DialsModule(
            build_network("johnson_dials", width=2, blocks=1, **more),
            DialsLoss([loss(encoder, side) for side in STROKES], 4.0),
            adam(1e-2, 2, max_steps=5),
            "test",
            {"seed": seed},
        )

    return make


@pytest.mark.parametrize("relative", [True, False])
def test_the_loss_is_the_mean_of_each_photos_own_objective(encoder, relative):
    """Compared with a loss for each photo; objectives are divided by a power of the weight."""
    losses = [loss(encoder, side, relative) for side in STROKES]
    places, style_weights = [0, 4, 2, 3], [0.25, 4.0, 1.0, 2.0]
    images, photos = random_images(7, 4).requires_grad_(), random_images(8, 4)
    positions = torch.tensor([[-1, -1], [1, 1], [0, 0], [0.5, 0.5]])
    values = DialsLoss(losses, 4.0)(images, photos, positions)
    values["total"].backward()

    alone = images.detach().requires_grad_()
    each, totals = [], []
    for place, weight, image, photo in zip(places, style_weights, alone, photos, strict=True):
        result = loss(encoder, STROKES[place], relative, weight)(image[None], photo[None])
        each.append(result)
        totals.append(result["total"] / weight**0.8)
    torch.stack(totals).mean().backward()
    torch.testing.assert_close(values["total"], torch.stack(totals).mean())
    for name in ("content", "style", "tv"):
        torch.testing.assert_close(values[name], torch.stack([r[name] for r in each]).mean())
    torch.testing.assert_close(images.grad, alone.grad, rtol=1e-3, atol=1e-7)


def test_targets_between_two_sizes_are_interpolated(encoder):
    losses = [loss(encoder, side) for side in STROKES]
    criterion = DialsLoss(losses, 4.0)
    target = criterion._target("style", "relu2_1", torch.tensor([-0.875, 0.25, 1.0]))
    grid = [part.target("style", "relu2_1")[0] for part in losses]
    torch.testing.assert_close(target[0], 0.75 * grid[0] + 0.25 * grid[1])
    torch.testing.assert_close(target[1], 0.5 * grid[2] + 0.5 * grid[3])
    torch.testing.assert_close(target[2], grid[4])


def test_the_encoder_processes_each_image_once(encoder):
    criterion, seen = DialsLoss([loss(encoder, side) for side in STROKES], 4.0), []
    handle = encoder.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    criterion(random_images(7, 4), random_images(8, 4), torch.zeros(4, 2))
    handle.remove()
    assert seen == [4, 4]


def test_a_resumed_run_equals_an_uninterrupted_one(make_dials, make_data, tmp_path):
    uninterrupted = make_dials()
    fit(uninterrupted, make_data(), tmp_path / "uninterrupted", steps=5, every=2)
    assert float(uninterrupted.network.curves.weight.detach().abs().max()) > 0
    resumed = make_dials(seed=5)
    torch.manual_seed(77)
    checkpoint = RunFolder(tmp_path / "uninterrupted").checkpoint(2)
    fit(resumed, make_data(), tmp_path / "resumed", steps=5, resume=checkpoint)
    assert_equal(weights(uninterrupted), weights(resumed))


def test_a_checkpoint_says_that_the_network_has_dials(make_dials, make_data, tmp_path):
    module = make_dials(largest_stroke=3.0)
    fit(module, make_data(), tmp_path, steps=2)
    network, _ = load_checkpoint(RunFolder(tmp_path).final_checkpoint("test"))
    assert (network.name, network.limits) == (
        "johnson_dials",
        {"stroke": 3.0, "style_weight": 4.0},
    )
    assert_equal(network.state_dict(), weights(module))
    other = make_dials(largest_stroke=2.0)
    with pytest.raises(StyleNetError, match=r"largest_stroke=3\.0.* than .*largest_stroke=2\.0"):
        fit(other, make_data(), tmp_path, resume=RunFolder(tmp_path).checkpoint(2))


def test_positions_depend_on_the_number_of_the_photo_alone_and_cover_the_square():
    positions = positions_of(range(400))
    assert torch.equal(positions_of(range(30, 90, 2)), positions[30:90:2])
    assert float(positions.abs().max()) == 1
    # About as many in each ninth of the square; those at the ends have a tenth more.
    cells = ((positions + 1) * 1.5).long().clamp(max=2)
    counts = torch.bincount(cells[:, 0] * 3 + cells[:, 1], minlength=9)
    assert int(counts.min()) > 30
    assert int(counts.max()) < 60
    at_end = (positions.abs() == 1).double().mean(0)
    assert ((at_end > 0.05) & (at_end < 0.15)).all()


def test_accumulated_batches_have_positions_of_their_own(make_dials, make_data, tmp_path):
    module, seen = make_dials(), []
    inner = module.compute_losses
    module.compute_losses = lambda photos, positions: (
        seen.append(positions.double()) or inner(photos, positions)
    )
    fit(module, make_data(), tmp_path, steps=2, accumulate_grad_batches=2)
    torch.testing.assert_close(torch.cat(seen), positions_of(range(8)), rtol=0, atol=1e-6)


def test_previews_show_the_middle_and_the_corners_of_the_dials(make_dials, make_data, tmp_path):
    fit(make_dials(), make_data(), tmp_path, 1, callbacks=[Previews(1, count=2, size=24)])
    with Image.open(RunFolder(tmp_path).preview(1)) as made:
        assert made.size == (2 * 26 + 2, 6 * 26 + 2)
