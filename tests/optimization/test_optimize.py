import pytest
import torch

from stylenet.errors import StyleNetError
from stylenet.optimization import (
    Optimization,
    OptimizationOptions,
    load_state,
    optimize_image,
    save_state,
)


def options(**changes):
    return OptimizationOptions(**{"steps": 6, **changes})


def test_the_start_and_every_step_are_reported(criterion, make_image):
    history, photo = [], make_image()
    image = optimize_image(photo, [criterion], options(), history.append)
    assert [step.number for step in history] == list(range(7))
    assert {step.total for step in history} == {6}
    assert {step.scale for step in history} == {0}
    assert history[0].losses["content"] < 1e-9
    assert torch.allclose(history[0].image, photo, atol=1e-6)
    assert torch.equal(history[-1].image, image)
    assert {"total", "content", "style", "tv", "style/relu2_2"} <= history[0].losses.keys()
    assert history[-1].losses["total"] < history[0].losses["total"]
    assert image.shape == photo.shape


def test_the_progress_callback_is_optional(criterion, make_image):
    assert optimize_image(make_image(), [criterion], options(steps=1)).shape == (1, 3, 24, 20)


def test_the_noise_is_white_and_depends_on_the_seed(criterion, make_image):
    photo = make_image(40, 40)

    def start(**changes):
        chosen = options(start="noise", **changes)
        return Optimization(photo, [criterion], chosen).now.image

    assert torch.equal(start(), start())
    assert not torch.equal(start(), start(seed=1))
    assert start().mean().item() == pytest.approx(0.5, abs=0.02)
    assert start().std().item() == pytest.approx(12**-0.5, abs=0.02)


def test_a_finer_scale_starts_with_the_result_of_the_coarser(criterion, make_image):
    history, photo = [], make_image(64, 80)
    optimize_image(photo, [criterion] * 3, options(steps=4), history.append)
    sizes = [tuple(step.image.shape[-2:]) for step in history]
    assert sizes == [(16, 20)] * 5 + [(32, 40)] * 5 + [(64, 80)] * 5
    assert [step.number for step in history] == [*range(5), *range(4, 9), *range(8, 13)]
    assert [step.scale for step in history] == [0] * 5 + [1] * 5 + [2] * 5
    for last, first in ((4, 5), (9, 10)):
        size = history[first].image.shape[-2:]
        larger = torch.nn.functional.interpolate(history[last].image, size, mode="bicubic")
        assert (larger - history[first].image).abs().max() < 0.05


def test_each_scale_has_its_own_criterion(make_image):
    seen = []

    def make_criterion(name):
        def criterion(images, photos):
            seen.append((name, tuple(images.shape[-2:]), tuple(photos.shape[-2:])))
            return {"total": (images - photos).square().mean()}

        return criterion

    start = options(steps=1, start="noise")
    optimize_image(make_image(64, 32), [make_criterion("coarse"), make_criterion("fine")], start)
    assert seen == [("coarse", (32, 16), (32, 16))] * 2 + [("fine", (64, 32), (64, 32))] * 2


def test_a_term_can_be_added_by_wrapping_the_criterion(criterion, make_image):
    photo, weight = make_image(), 200.0

    def grayer(images, photos):
        losses = criterion(images, photos)
        further = (images - images.mean(1, keepdim=True)).square().mean()
        return {**losses, "color": further, "total": losses["total"] + weight * further}

    def color(image):
        return (image - image.mean(1, keepdim=True)).square().mean()

    plain = optimize_image(photo, [criterion], options(steps=15))
    gray = optimize_image(photo, [grayer], options(steps=15))
    assert color(gray) < 0.5 * color(plain)


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
@pytest.mark.parametrize("start", ["content", "noise"])
@pytest.mark.parametrize("stop", [0, 3, 6, 7, 12])
def test_a_resumed_run_equals_an_uninterrupted_one(
    criterion, make_image, tmp_path, method, start, stop
):
    photo, chosen = make_image(40, 32), options(method=method, start=start, history=3)
    uninterrupted = []
    optimize_image(photo, [criterion] * 2, chosen, uninterrupted.append)
    first = Optimization(photo, [criterion] * 2, chosen)
    for _ in range(stop):
        first.advance()
    save_state(tmp_path / "state", first.state_dict())
    second = Optimization(photo, [criterion] * 2, chosen)
    second.load_state_dict(load_state(tmp_path / "state"))
    steps = [second.now]
    while not second.done:
        second.advance()
        steps.append(second.now)
    for ours, theirs in zip(steps, uninterrupted[stop:], strict=True):
        assert (ours.number, ours.scale, ours.losses) == (
            theirs.number,
            theirs.scale,
            theirs.losses,
        )
        assert torch.equal(ours.image, theirs.image)


def test_a_state_of_another_image_is_refused(criterion, make_image):
    state = Optimization(make_image(), [criterion], options()).state_dict()
    other = Optimization(make_image(32, 32), [criterion], options())
    with pytest.raises(StyleNetError, match="another optimization"):
        other.load_state_dict(state)
    with pytest.raises(StyleNetError, match="another optimization"):
        other.load_state_dict({})


def test_a_too_small_photo_is_refused(criterion, make_image):
    with pytest.raises(StyleNetError, match="20x12 pixels"):
        optimize_image(make_image(12, 20), [criterion], options())


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04"])
def test_a_damaged_state_ends_in_one_line(tmp_path, content):
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(StyleNetError, match=r"state is damaged,.*Delete it"):
        load_state(path)


def test_a_state_of_another_version_is_refused(tmp_path):
    path = tmp_path / "state"
    torch.save({"version": 0}, path)
    with pytest.raises(StyleNetError, match="another version"):
        load_state(path)


def test_loading_a_state_runs_no_code(tmp_path):
    path = tmp_path / "state"
    torch.save({"version": 1, "what": print}, path)
    with pytest.raises(StyleNetError, match="damaged"):
        load_state(path)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("method", "newton"),
        ("start", "style"),
        *[("steps", value) for value in (0, -1, 1.5, None, "many", True)],
        *[("lr", value) for value in (0, -1, float("nan"), "fast")],
        *[("history", value) for value in (0, None, 2.5)],
        *[("seed", value) for value in (-1, 0.5, 2**63)],
    ],
)
def test_an_invalid_option_is_named(option, value):
    with pytest.raises(StyleNetError) as error:
        options(**{option: value})
    assert str(error.value).startswith(f"{option}={value} is ")


def test_each_method_has_its_own_default_learning_rate():
    assert (options().rate, options(method="adam").rate, options(lr=3).rate) == (1, 10, 3)
