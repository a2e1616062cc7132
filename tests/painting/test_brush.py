import numpy as np
import pytest

from stylenet.painting.brush import Brush, Canvas, arcs
from stylenet.painting.fields import flow_along, grid, mix, noise, palette, turn


@pytest.fixture
def canvas():
    return Canvas(64, "000000", np.random.default_rng(0))


def test_strokes_follow_the_field(canvas):
    points = np.full((1, 2), 32.0)
    lines = canvas.trace(points, np.full((64, 64), np.pi / 4), length=80)
    assert lines.shape[::2] == (1, 2)
    steps = np.diff(lines[0], axis=0)
    np.testing.assert_allclose(steps[:, 0], steps[:, 1])
    assert np.abs(steps).min() > 0
    np.testing.assert_allclose(lines[0].mean(0), 32)


def test_a_stroke_continues_where_the_angle_jumps_by_half_a_turn(canvas):
    angles = np.where(np.arange(64) < 32, 0.0, np.pi) * np.ones((64, 1))
    line = canvas.trace(np.array([[30.0, 32.0]]), angles, length=80)[0]
    assert (np.diff(line[:, 0]) > 0).all() or (np.diff(line[:, 0]) < 0).all()


def test_strokes_stay_in_their_region(canvas):
    white = np.full((64, 64, 3), 255.0)
    left = np.zeros((64, 64))
    left[:, :20] = 1
    canvas.fill(white, np.full((64, 64), np.pi / 2), Brush(6, 20, cover=6), left)
    pixels = canvas.pixels()
    assert pixels[:, :16].mean() > 150
    assert pixels[:, 30:].max() == 0


def test_a_density_of_zero_paints_nothing(canvas):
    canvas.fill(np.ones((64, 64, 3)), np.zeros((64, 64)), Brush(6, 20), np.zeros((64, 64)))
    assert canvas.pixels().max() == 0


def test_arcs_lie_on_their_circles(canvas):
    lines = arcs(canvas, (10.0, 20.0), np.array([5.0, 9.0]), 20)
    distances = np.hypot(lines[..., 0] - 10, lines[..., 1] - 20)
    np.testing.assert_allclose(distances, np.array([[5.0], [9.0]]) * np.ones(9))


def test_flow_runs_along_contours_even_where_the_phase_jumps():
    x, y = grid(32)
    around = np.arctan2(y - 0.5, x - 0.5)  # jumps by 2π on the left
    angles = flow_along(around)
    # The contour lines of the angle are rays from the center.
    radial = np.abs(np.cos(angles) * np.cos(around) + np.sin(angles) * np.sin(around))
    far = np.hypot(x - 0.5, y - 0.5) > 0.2
    assert radial[far].min() > 0.95


def test_directions_turn_the_short_way():
    half = turn(np.array([[0.1]]), np.array([[np.pi - 0.1]]), np.array([[0.5]]))
    assert np.abs(np.sin(half)) < 1e-9


def test_colors_are_interpolated_and_blended():
    assert palette(np.array([0, 0.5, 2]), "000000", "ff0000").tolist() == [
        [0, 0, 0],
        [127.5, 0, 0],
        [255, 0, 0],
    ]
    assert mix(np.zeros((1, 1, 3)), np.full(3, 8.0), 0.25).tolist() == [[[2, 2, 2]]]


def test_noise_has_mean_0_and_deviation_1():
    field = noise(np.random.default_rng(0), 32, 4)
    assert field.shape == (32, 32)
    assert abs(field.mean()) < 1e-9
    assert abs(field.std() - 1) < 1e-9
