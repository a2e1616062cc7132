import itertools

import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.optimization import OptimizationOptions
from stylenet.optimization.descent import Descent
from stylenet.perceptual import LiteEncoder, PerceptualLoss


def options(**changes):
    return OptimizationOptions(**{"steps": 20, **changes})


def test_the_gradient_equals_finite_differences(criterion, make_image):
    style = make_image(32, 40, seed=9, grid=12).double()
    exact = PerceptualLoss(LiteEncoder().double(), criterion.terms, [style])
    photo = make_image().double()
    start = make_image(seed=1).double().clamp(0.1, 0.9)

    def total(image):
        return exact(image, photo)["total"].item()

    # After three steps the image is neither the start nor the photo.
    descent = Descent(start, lambda image: exact(image, photo), options())
    for _ in range(3):
        descent.step()
    image, step = descent.image, 1e-6
    gradient = descent._gradient.view(image.shape)
    for pixel in [(0, 0, 0, 0), (0, 1, 7, 11), (0, 2, 23, 19), (0, 0, 12, 3)]:
        shift = torch.zeros_like(image)
        shift[pixel] = step
        slope = (total(image + shift) - total(image - shift)) / (2 * step)
        # The descent counts in levels and in sums over values.
        assert gradient[pixel].item() * 255 / image.numel() == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
@pytest.mark.parametrize("start", ["photo", "noise"])
def test_the_loss_decreases(criterion, make_image, method, start):
    photo = make_image()
    # The noise has no curvature at first: without longer steps it would not change.
    generator = torch.Generator().manual_seed(117)
    begin = photo if start == "photo" else torch.rand(photo.shape, generator=generator)
    descent = Descent(begin, lambda image: criterion(image, photo), options(method=method))
    totals = [descent.losses["total"]]
    for _ in range(20):
        descent.step()
        totals.append(descent.losses["total"])
    falls = sum(after < before for before, after in itertools.pairwise(totals))
    assert falls >= 17
    assert totals[-1] < (0.5 if method == "lbfgs" else 0.8) * totals[0]


def test_losses_belong_to_the_returned_image_whose_values_are_valid(criterion, make_image):
    photo = make_image()
    descent = Descent(photo, lambda image: criterion(image, photo), options())
    for _ in range(8):
        descent.step()
        image = descent.image
        assert image.shape == photo.shape
        assert 0 <= image.min() <= image.max() <= 1
        again = criterion(image, photo)
        for name, value in descent.losses.items():
            assert value == pytest.approx(again[name].item(), rel=1e-4)


def test_the_memory_format_does_not_matter(criterion, make_image):
    photo = make_image()
    results = []
    for layout in (torch.contiguous_format, torch.channels_last):
        start = photo.clone(memory_format=layout)
        descent = Descent(start, lambda image: criterion(image, photo), options())
        descent.step()
        results.append(descent.image)
    assert torch.equal(*results)


def test_a_step_too_far_is_undone_and_shortened(make_image):
    target = make_image(seed=3)

    def loss(image):
        total = (image - target).square().mean()
        walled = bool(total > 1.05 * (photo - target).square().mean())
        return {"total": total * (float("nan") if walled else 1)}

    photo = make_image()
    descent = Descent(photo, loss, options(method="adam", lr=200.0))
    before = descent.losses["total"]
    for _ in range(19):
        descent.step()
    assert descent.losses["total"] < 0.1 * before
    assert descent.state_dict()["share"] < 1


def test_a_loss_may_become_negative(make_image):
    target = make_image(seed=3)
    descent = Descent(
        make_image(), lambda image: {"total": (image - target).square().mean() - 0.02}, options()
    )
    assert descent.losses["total"] > 0
    for _ in range(10):
        descent.step()
    assert descent.losses["total"] == pytest.approx(-0.02, abs=1e-4)
    assert descent.state_dict()["share"] == 1


def test_divergence_ends_in_one_line(make_image):
    images = []

    def loss(image):
        images.append(image)
        return {"total": image.sum() * (1 if len(images) == 1 else float("inf"))}

    descent = Descent(make_image(), loss, options())
    with pytest.raises(StyleNetError, match=r"^the loss went from .* to inf .*smaller lr") as error:
        descent.step()
    assert "\n" not in str(error.value)


def test_a_start_without_a_finite_loss_ends_in_one_line(make_image):
    with pytest.raises(StyleNetError, match=r"^the loss of the image to start with is nan"):
        Descent(make_image(), lambda image: {"total": image.sum() * float("nan")}, options())


def test_an_image_that_cannot_improve_stays_unchanged(make_image):
    photo = make_image()
    descent = Descent(photo, lambda image: {"total": (image * 0).sum()}, options())
    descent.step()
    torch.testing.assert_close(descent.image, photo)


def test_an_optimal_image_stays_unchanged(make_image):
    photo = make_image()
    descent = Descent(photo, lambda image: {"total": (image - photo).square().mean()}, options())
    for _ in range(3):
        descent.step()
    torch.testing.assert_close(descent.image, photo)


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_the_image_size_does_not_change_the_steps(method):
    def loss(image):
        return {"total": (image - 0.6).square().mean()}

    images = []
    for side in (4, 64):
        descent = Descent(torch.full((1, 3, side, side), 0.2), loss, options(method=method))
        for _ in range(3):
            descent.step()
        images.append(descent.image[0, 0, 0, 0])
    torch.testing.assert_close(*images, rtol=1e-4, atol=1e-4)
