import pytest

from stylenet.evaluation import (
    Curve,
    Study,
    average_curve,
    compare_with_optimization,
    find_crossing,
)
from stylenet.optimization import OptimizationOptions, optimize_image


@pytest.mark.parametrize(
    ("values", "level", "index"),
    [
        ([9, 5, 3, 2], 3, 2),  # exactly
        ([9, 5, 3, 2], 4, 2),  # between two
        ([9, 5, 3, 2], 9, 0),  # the start is as low
        ([9, 5, 3, 2], 100, 0),
        ([9, 5, 3, 2], 1.9, None),  # never
        ([9, 2, 7, 1], 3, 1),  # the first time, although it rises again
        ([4], 4, 0),
        ([4], 3, None),
    ],
)
def test_a_crossing_is_the_first_index_below_the_level(values, level, index):
    assert find_crossing(values, level) == index


@pytest.mark.parametrize(("name", "start"), [("noise", "noise"), ("photo", "content")])
def test_a_curve_is_the_mean_of_single_optimizations(criterion, image, name, start):
    photos = [image(seed=1), image(seed=2)]
    options = OptimizationOptions(start=start, steps=3, seed=4)
    totals = []
    for photo in photos:
        history = []
        optimize_image(photo, [criterion], options, history.append)
        totals.append([step.losses["total"] for step in history])
    calls = []
    curve = average_curve(photos, criterion, name, 3, 4, lambda: calls.append(1))
    assert curve.values == pytest.approx([(a + b) / 2 for a, b in zip(*totals, strict=True)])
    assert len(curve.values) == 4
    assert curve.values[-1] < curve.values[0]
    assert curve.seconds > 0
    assert len(calls) == 6


def test_from_the_photo_the_first_value_is_the_loss_of_the_photo(criterion, image):
    photo = image(seed=1)
    curve = average_curve([photo], criterion, "photo", 1)
    assert curve.values[0] == pytest.approx(criterion(photo, photo)["total"].item(), rel=1e-5)


def test_several_checkpoints_are_compared_with_the_same_curves(criterion, image):
    photos = {"a.jpg": image(seed=1)}
    study = compare_with_optimization("blotches", photos, criterion, {"high": 1e9, "low": 1e-9}, 2)
    assert list(study.photos) == ["a.jpg"]
    assert study.crossings == {
        "high": {"noise": 0, "photo": 0},
        "low": {"noise": None, "photo": None},
    }
    assert {start: len(curve.values) for start, curve in study.curves.items()} == {
        "noise": 3,
        "photo": 3,
    }


def test_a_study_is_described_in_one_line_per_checkpoint():
    curves = {"noise": Curve([9, 5, 3], 0.5), "photo": Curve([4, 2, 1], 0.25)}
    crossings = {"mine": {"noise": None, "photo": 2}}
    (line,) = Study("s", ["a", "b"], curves, {"mine": 1.5}, crossings).describe()
    assert line == (
        "one pass of mine equals more than 2 iterations of L-BFGS from noise and "
        "2 iterations of L-BFGS (0.5 s) from the photo (objective 1.5, photos: 2)"
    )
