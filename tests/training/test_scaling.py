import pytest

from stylenet.training.scaling import Pace


@pytest.mark.parametrize(
    ("devices", "pace"),
    [
        (1, Pace(40000, 100, 1e-3)),
        (4, Pace(10000, 25, 2e-3)),
        (3, Pace(13334, 34, 1e-3 * 3**0.5)),
    ],
)
def test_more_devices_take_fewer_steps_with_a_learning_rate_scaled_by_the_root(devices, pace):
    assert Pace(40000, 100, 1e-3).on(devices) == pace
