import re
from pathlib import Path

import pytest

from stylenet.app.chart import describe_time, losses_chart, progress_card
from stylenet.app.run_report import RunReport
from stylenet.app.training import State, Training


def card(state, step=0, ahead=0, left=None, title="Mine", message=""):
    training = Training(title, "me", Path("runs/mine"), 100, state, message)
    return progress_card(training, RunReport(step), ahead, left)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((State.WAITING, 0, 2), "Waiting: 2 before it"),
        ((State.WAITING,), "Starts in a moment"),
        ((State.RUNNING,), "Preparing the first steps"),
        ((State.RUNNING, 40, 0, 61), "Training: step 40 of 100, 60 seconds left"),
        ((State.STOPPED, 40), "Stopped: step 40 of 100"),
        ((State.DONE, 95), "Done: step 100 of 100"),
    ],
)
def test_a_card_says_how_far_a_training_is(given, text):
    assert text in card(*given)


def test_what_visitors_write_is_no_html():
    shown = card(State.FAILED, title="<script>", message="<img src=x>")
    assert "<script>" not in shown
    assert "<img" not in shown


def test_the_chart_spans_its_height_for_each_loss():
    values = [(step, 100.0 / step) for step in range(1, 101)]
    chart = losses_chart(RunReport(100, {"style": values, "content": values[:2]}))
    assert chart.count("<polyline") == 1  # two values are no line
    heights = [float(y) for y in re.findall(r",([\d.]+)", chart)]
    assert heights[0] == 8.0
    assert heights == sorted(heights)
    assert "style loss 1" in chart
    assert losses_chart(RunReport()) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "5 seconds"), (42, "40 seconds"), (200, "3 minutes"), (8000, "2 h 13 min")],
)
def test_durations_are_words(seconds, text):
    assert describe_time(seconds) == text
