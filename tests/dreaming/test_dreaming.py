import itertools

import pytest
import torch
import torch.nn.functional as F

from stylenet.dreaming import (
    DreamObjective,
    DreamOptions,
    ZoomOptions,
    ascent,
    dream,
    dream_video,
    octave_sizes,
)
from stylenet.dreaming import octaves as octaves_module
from stylenet.dreaming.zoom import zoomed
from stylenet.errors import StyleNetError

QUICK = DreamOptions(steps=2, octaves=2, jitter=4)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def loss(encoder):
    return DreamObjective(encoder, ["relu2_1"])


@pytest.mark.parametrize(
    "options", [{}, {"channels": [1, 3]}, {"guide": torch.rand(1, 3, 40, 33, generator=seeded(5))}]
)
@pytest.mark.parametrize("bands", [0, 3])
def test_dreaming_amplifies_the_chosen_features(encoder, photo, options, bands):
    loss = DreamObjective(encoder, ["relu1_1", "relu2_1"], **options)
    photo = 0.3 + 0.4 * photo  # leaves room to brighten and darken
    before = loss(photo, photo)
    dreamt = dream(photo, loss, DreamOptions(steps=4, bands=bands), seeded())
    assert loss(dreamt, photo) < before - 0.05 * before.abs()
    assert 0 <= dreamt.min() < dreamt.max() <= 1


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 71), (60, 45)])
def test_the_size_is_kept(loss, height, width):
    image = torch.rand(1, 3, height, width, generator=seeded())
    assert dream(image, loss, QUICK, seeded()).shape == image.shape


def test_the_same_seed_gives_the_same_image(loss, photo):
    first, again, other = (dream(photo, loss, QUICK, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_octaves_grow_by_their_scale_up_to_the_image_size():
    options = DreamOptions(octaves=4, octave_scale=1.5)
    assert octave_sizes(162, 324, options) == [(48, 96), (72, 144), (108, 216), (162, 324)]
    # Octaves that would be too small are left out.
    assert octave_sizes(60, 300, options) == [(40, 200), (60, 300)]


@pytest.mark.parametrize("size", [(1, 1), (31, 500)])
def test_a_tiny_image_is_refused(loss, size):
    with pytest.raises(StyleNetError, match=f"{size[1]}x{size[0]} pixels is too small") as error:
        dream(torch.rand(1, 3, *size), loss, QUICK, seeded())
    enough = int(str(error.value).rpartition(" ")[2])
    factor = enough / max(size)
    assert octave_sizes(round(size[0] * factor), round(size[1] * factor), QUICK)


def test_octaves_below_the_minimum_size_are_skipped():
    assert octave_sizes(100, 100, DreamOptions(octaves=10**9, octave_scale=1e300)) == [(100, 100)]


def test_detail_is_carried_from_octave_to_octave(loss, photo, monkeypatch):
    seen = []

    def brighten_the_first(image, *_):
        seen.append(tuple(image.shape[2:]))
        return image + 0.25 if len(seen) == 1 else image

    monkeypatch.setattr(octaves_module, "ascend", brighten_the_first)
    options = DreamOptions(steps=1, octaves=3, octave_scale=1.25)
    dim = photo / 2
    steps = []
    dreamt = dream(dim, loss, options, seeded(), lambda: steps.append(1))
    assert seen == [(38, 51), (48, 64), (60, 80)]
    assert len(steps) == 3
    # The image also keeps its own detail, which the small octave lacked.
    torch.testing.assert_close(dreamt, dim + 0.25)


@pytest.mark.parametrize("jitter", [0, 7, 100])
def test_jitter_is_undone(loss, photo, monkeypatch, jitter):
    moved = []

    def itself(image, *_):
        moved.append(image)
        return image

    monkeypatch.setattr(ascent, "dream_gradient", itself)
    options = DreamOptions(jitter=jitter, bands=0, step_size=0.1)
    result = ascent.ascend(photo, loss, {}, options, seeded())
    torch.testing.assert_close(result, (photo * (1 + 0.1 / photo.mean())).clamp(0, 1))
    assert torch.equal(moved[0], photo) == (jitter == 0)


def test_a_step_changes_values_by_its_size_on_average(loss, photo):
    middle = 0.4 + photo / 5  # no value is clamped
    strengths = loss.strengths(middle)
    moved = ascent.ascend(middle, loss, strengths, DreamOptions(step_size=0.01), seeded())
    assert (moved - middle).abs().mean().item() == pytest.approx(0.01, rel=1e-3)


class Mean:
    """Loss with a known gradient that records the images it gets."""

    layers = ("only",)

    def __init__(self):
        self.sizes = []

    def energy(self, images, strengths):
        self.sizes.append(tuple(images.shape[2:]))
        return -3 * images.mean()


def test_a_large_image_is_encoded_in_tiles():
    image, loss = torch.rand(1, 3, 130, 64), Mean()
    gradient = ascent.dream_gradient(image, loss, {}, tile=64)
    assert loss.sizes == [(43, 64), (43, 64), (44, 64)]
    torch.testing.assert_close(gradient, torch.full_like(image, 3 / image.numel()))


def test_tiles_are_scaled_like_the_complete_image(encoder, photo):
    loss = DreamObjective(encoder, ["point"])  # without a border that differs in tiles
    photo = photo * torch.linspace(0, 1, 80)
    tiles = ascent.measure_strengths(photo, loss, tile=33)
    torch.testing.assert_close(tiles, loss.strengths(photo))


def test_tiles_change_little(encoder, photo):
    loss = DreamObjective(encoder, ["relu2_1"])
    strengths = loss.strengths(photo)
    complete, tiles = (ascent.dream_gradient(photo, loss, strengths, tile) for tile in (80, 40))
    assert F.cosine_similarity(complete.flatten(), tiles.flatten(), dim=0) > 0.9


@pytest.mark.parametrize("layers", [["relu2_1"], ["relu1_1", "relu2_1"]])
def test_a_flat_tile_is_amplified_no_more_than_in_the_complete_image(encoder, photo, layers):
    loss = DreamObjective(encoder, layers)
    photo = photo.clone()
    photo[..., 40:] = 0.5 + (photo[..., 40:] - 0.5) / 50  # a sky
    strengths = loss.strengths(photo)
    complete, tiles = (ascent.dream_gradient(photo, loss, strengths, tile) for tile in (80, 40))
    fractions = [
        g[..., 44:].norm() / g[..., :36].norm() for g in (complete, tiles)
    ]  # away from the seam
    assert fractions[1].item() == pytest.approx(fractions[0].item(), rel=0.1)
    assert F.cosine_similarity(complete.flatten(), tiles.flatten(), dim=0) > 0.9


def roughness(image):
    return (image[..., 1:] - image[..., :-1]).square().mean() / image.square().mean()


def test_smoothing_makes_a_gradient_less_rough():
    noise = torch.randn(1, 3, 64, 50, generator=seeded())
    plain, balanced, smooth = (ascent.smoothed(noise, *how) for how in [(0, 1), (4, 1), (4, 2)])
    assert torch.equal(plain, noise)
    assert balanced.shape == noise.shape
    assert roughness(plain) > 1.5 * roughness(balanced) > 2 * roughness(smooth)


@pytest.mark.parametrize("side", [64, 63, 37])
def test_smoothing_does_not_shift_the_image(side):
    noise = torch.randn(1, 3, side, 50, generator=seeded())
    mirrored = ascent.smoothed(noise.flip(2), 4, 0.7).flip(2)
    torch.testing.assert_close(ascent.smoothed(noise, 4, 0.7), mirrored, rtol=1e-4, atol=1e-4)


def test_smoothing_removes_a_change_of_all_colors():
    waves = torch.sin(torch.arange(64) * 2).expand(1, 3, 64, 64)
    shifted = ascent.smoothed(waves + 5, 3, 1.0)
    torch.testing.assert_close(shifted, ascent.smoothed(waves, 3, 1.0), atol=1e-4, rtol=1e-3)
    assert abs(shifted.mean()) < 0.1


@pytest.mark.parametrize("size", [(1, 1), (7, 200), (8, 8)])
def test_smoothing_accepts_any_size(size):
    noise = torch.randn(1, 3, *size, generator=seeded())
    result = ascent.smoothed(noise, 4, 0.7)
    assert result.shape == noise.shape
    assert bool(result.isfinite().all())


def test_a_video_starts_with_the_dream_and_zooms_into_it(loss, photo):
    video = ZoomOptions(frames=3, zoom=1.1, steps=1)
    steps = []
    frames = list(dream_video(photo, loss, QUICK, video, seeded(), lambda: steps.append(1)))
    assert [frame.shape for frame in frames] == [photo.shape] * 3
    assert torch.equal(frames[0], dream(photo, loss, QUICK, seeded()))
    # Octaves and steps of the first frame, then of the others.
    assert len(steps) == 2 * 2 + 2 * 2 * 1
    # Each frame is closer to its zoomed predecessor than to the predecessor itself.
    for before, after in itertools.pairwise(frames):
        assert (after - zoomed(before, 1.1)).abs().mean() < (after - before).abs().mean()


def test_a_video_keeps_its_contrast(loss, photo):
    frames = list(dream_video(photo, loss, QUICK, ZoomOptions(12, 1.02), seeded()))
    assert frames[-1].std().item() == pytest.approx(frames[0].std().item(), rel=0.1)


def test_zooming_enlarges_the_center():
    ramp = torch.linspace(0, 1, 40).expand(1, 3, 30, 40)
    nearer = zoomed(ramp, 2.0)
    assert nearer.shape == ramp.shape
    assert nearer.aminmax() == (pytest.approx(0.25, abs=0.01), pytest.approx(0.75, abs=0.01))
    assert bool((nearer.diff(dim=3) > 0).all())
    assert torch.equal(zoomed(ramp, 1), ramp)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("steps", value) for value in (0, 1.5, None)],
        ("octaves", 0),
        ("octave_scale", 1),
        ("step_size", 0),
        ("smoothing", -1),
        ("jitter", -1),
        ("jitter", 10**20),
        ("smoothing", 2000),
        ("step_size", 2),
        ("bands", -1),
        ("tile", 32),
    ],
)
def test_an_invalid_option_is_named(name, value):
    with pytest.raises(StyleNetError, match=f"^{name}={value} is not a"):
        DreamOptions(**{name: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [((0,), "zoom_frames=0"), ((2, 0.9), "zoom=0.9"), ((2, 1.1, 0), "zoom_steps=0")],
)
def test_an_invalid_video_option_is_named(values, message):
    with pytest.raises(StyleNetError, match=message):
        ZoomOptions(*values)
