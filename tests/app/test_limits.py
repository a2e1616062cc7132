import pytest

from stylenet.app.limits import Limits
from stylenet.errors import StyleNetError


def test_a_file_above_the_limit_is_refused_with_both_numbers(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(bytes(1_000_001))
    Limits(upload=1.1).check_upload(path)
    with pytest.raises(StyleNetError, match=r"1 MB, more than the 0.9 MB .* Choose a smaller one"):
        Limits(upload=0.9).check_upload(path)


def test_a_photo_is_measured_in_megapixels():
    Limits(pixels=1).check_photo(1000, 1000)
    with pytest.raises(StyleNetError, match="2 megapixels, more than the 1 "):
        Limits(pixels=1).check_photo(2000, 1000)


def test_a_video_of_unknown_length_passes():
    Limits(video=10).check_video(None)
    Limits(video=10).check_video(10)
    with pytest.raises(StyleNetError, match="lasts 11 seconds, longer than the 10"):
        Limits(video=10).check_video(11)


@pytest.mark.parametrize("value", [0, -1, float("inf"), "many"])
def test_a_limit_is_a_number_above_0(value):
    with pytest.raises(StyleNetError, match="upload"):
        Limits(upload=value)
