import pytest
import torch
import torch.nn.functional as F

from stylenet.evaluation import GridMeter, measure_defects
from stylenet.evaluation.charts import flat_chart, graded_chart
from stylenet.evaluation.halo import halo_level

CPU = torch.device("cpu")
STRIPES = torch.tensor([2.0, 2.0, -2.0, -2.0]).div(255).repeat(96)


def test_the_identity_has_no_defects():
    defects = measure_defects(lambda image: image, CPU, GridMeter())
    assert defects == pytest.approx(
        {"grid": 0, "grid/flat": 0, "grid/graded": 0, "grid/photos": None, "halo": 0}, abs=0.02
    )


def test_a_grid_is_reported_for_the_images_that_have_it():
    photos = GridMeter()
    photos.add(0.5 + 2 * STRIPES[:64].expand(1, 3, 64, -1))

    def stylize(image):
        return image + STRIPES if torch.equal(image, flat_chart()) else image

    defects = measure_defects(stylize, CPU, photos)
    expected = {"grid/flat": 2.0, "grid/graded": 0.0, "grid/photos": 4.0, "halo": 0.0}
    assert defects == pytest.approx({**expected, "grid": (20 / 3) ** 0.5}, abs=0.02)


def test_the_graded_chart_has_gentle_gradients():
    chart = graded_chart() * 255
    assert chart.shape == flat_chart().shape
    assert 0 <= chart.min() < chart.max() <= 255
    steps = [chart.diff(dim=dim).abs().max() for dim in (2, 3)]
    assert 0.2 < max(steps) < 0.6


def glow(chart, levels, width):
    """Brighten all pixels of the flat chart that are nearer than ``width`` to an edge."""
    near = torch.ones(128, 128)
    near[width:-width, width:-width] = 0
    return chart + levels / 255 * near.repeat(3, 3)


def test_a_halo_is_a_color_change_beside_edges():
    assert halo_level(flat_chart()) == pytest.approx(0, abs=1e-3)
    assert halo_level(glow(flat_chart(), 10, 24)) == pytest.approx(10, abs=1e-3)
    assert halo_level(glow(flat_chart(), -10, 16)) == pytest.approx(5, abs=1e-3)  # half as wide
    assert halo_level(glow(flat_chart(), 50, 8)) == pytest.approx(0, abs=1e-3)  # an outline
    assert halo_level(F.avg_pool2d(flat_chart(), 9, 1, 4)) < 1  # soft edges
    single = flat_chart()
    single[:, 0, 8:24, 24:104] += 16 / 255  # in one channel, along one edge of one patch
    assert halo_level(single) == pytest.approx((16**2 / (9 * 4 * 3)) ** 0.5, abs=1e-3)


def test_a_texture_is_not_a_halo():
    noise = torch.rand(1, 3, 384, 384, generator=torch.Generator().manual_seed(0))
    assert halo_level(flat_chart() + (noise - 0.5) * 0.2) < 1
