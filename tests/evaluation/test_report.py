import dataclasses
import json

import pytest
from PIL import Image

from stylenet.errors import StyleNetError
from stylenet.evaluation import Curve, Row, Study, Summary, format_table, summarize, write_report
from stylenet.evaluation.plot import draw_iterations

ROWS = [
    Row("a", "1.jpg", {"total": 3.0, "style": 0.5, "style/relu1_2": 0.5}, 0.2, 0.6),
    Row("b", "1.jpg", {"total": 9.0, "style": 9.0, "style/relu1_2": 9.0}, 0.9, None),
    Row("a", "2.jpg", {"total": 5.0, "style": 1.5, "style/relu1_2": 1.5}, 0.4, 0.8),
]
CURVES = {"noise": Curve([9.0, 6.0, 3.0], 0.5), "photo": Curve([5.0, 4.0, 2.0], 0.5)}
STUDY = Study(
    "sky",
    ["1.jpg"],
    CURVES,
    {"a": 4.0, "b": 1.0},
    {"a": {"noise": 2, "photo": 1}, "b": {"noise": None, "photo": None}},
)


@pytest.fixture
def summary():
    means = {"total": 4.0, "content": 1.0, "style": 1.0, "style/relu1_2": 1.0, "tv": 0.1}
    means |= {"ssim": 0.3, "ms_ssim": None, "grid": 1.234, "grid/photos": None, "halo": 20.0}
    return Summary("a", ["sky.jpg"], 2, means, 1234567, "float32", 2.5, (0.3, 0.5), {})


def test_means_use_the_rows_of_the_checkpoint():
    assert summarize(ROWS, "a") == pytest.approx(
        {"total": 4.0, "style": 1.0, "style/relu1_2": 1.0, "ssim": 0.3, "ms_ssim": 0.7}
    )
    assert summarize(ROWS, "b")["ms_ssim"] is None


def test_flicker_is_averaged_over_videos_with_a_value(summary):
    assert summary.mean_flicker() is None
    videos = {
        "x.mp4": {"pairs": 1, "source": 0.0, "plain": 0.5, "stylized": 0.1},
        "y.mp4": {"pairs": 1, "source": 0.0, "plain": 0.5, "stylized": 0.3},
        "still.mp4": None,
    }
    assert dataclasses.replace(summary, flicker=videos).mean_flicker() == pytest.approx(0.2)


def test_the_table_leaves_out_empty_columns(summary):
    head, line = format_table([summary]).splitlines()
    assert head.split() == ["checkpoint", "photos", "total", "content", "style", "style/relu1_2",
                            "tv", "SSIM", "grid", "halo", "images/s", "parameters"]  # fmt: skip
    assert line.split()[0] == "a"
    assert line.split()[-4:] == ["1.23", "20.00", "2.50", "1,234,567"]


def test_the_table_shows_the_iterations_that_a_pass_equals(summary):
    both = [summary, dataclasses.replace(summary, checkpoint="b")]
    head, first, second = format_table(both, [STUDY]).splitlines()
    assert head.endswith("from noise  from photo")
    assert first.split()[-2:] == ["2", "1"]
    assert second.split()[-2:] == [">2", ">2"]


def test_the_report_is_valid_json(summary, tmp_path):
    path = tmp_path / "new" / "report.json"
    write_report(path, ROWS, [summary], [STUDY], options={"size": 32})
    report = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert report["options"] == {"size": 32}
    assert report["rows"][0] == {"checkpoint": "a", "photo": "1.jpg", "total": 3.0, "style": 0.5,
                                 "style/relu1_2": 0.5, "ssim": 0.2, "ms_ssim": 0.6}  # fmt: skip
    assert report["means"][0]["parameters"] == 1234567
    assert report["means"][0]["flicker_mean"] is None
    assert report["iterations"][0]["crossings"] == STUDY.crossings
    assert report["iterations"][0]["curves"]["photo"]["values"] == [5.0, 4.0, 2.0]
    assert [entry.name for entry in path.parent.iterdir()] == ["report.json"]


def test_a_report_that_cannot_be_written_is_one_line(summary, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StyleNetError, match="cannot write"):
        write_report(tmp_path / "file" / "report.json", ROWS, [summary], [])


@pytest.mark.parametrize("dream", [False, True])
def test_the_plot_is_a_png(tmp_path, dream):
    pytest.importorskip("matplotlib")
    below = {**CURVES, "photo": Curve([1.0, 0.0, -2.0], 0.5)}
    studies = [STUDY, dataclasses.replace(STUDY, curves=below) if dream else STUDY]
    draw_iterations(tmp_path / "plot.png", studies)
    with Image.open(tmp_path / "plot.png") as plot:
        assert plot.format == "PNG"
        assert plot.width > 1000
    assert [entry.name for entry in tmp_path.iterdir()] == ["plot.png"]
