"""The state of a training as HTML: a card with its progress, and a chart of its losses."""

import html

from stylenet.app.run_report import RunReport
from stylenet.app.training import State, Training

# Stands where the state of a training appears.
NO_TRAINING = (
    "<div class='empty'><div><b>Your trainings appear here</b>With live previews, losses and the "
    "time left. You can stop and go on at any time.</div></div>"
)

_WIDTH, _HEIGHT = 560, 150
# The early losses, of a network that has learned nothing, would flatten the rest of the chart.
_SKIPPED = 0.05


def progress_card(
    training: Training, report: RunReport, ahead: int, seconds_left: float | None
) -> str:
    """Return the card of a training.

    Args:
        training: The training.
        report: How far it has come.
        ahead: Number of trainings before it, if it waits.
        seconds_left: Estimated time to its last step; ``None`` if unknown.
    """
    done = training.steps if training.state is State.DONE else min(report.step, training.steps)
    percent = 100 * done / training.steps
    if training.state is State.WAITING:
        line = f"Waiting: {ahead} before it" if ahead else "Starts in a moment"
    elif training.state is State.RUNNING and not report.step:
        line = "Preparing the first steps"
    else:
        line = f"{training.state.value.capitalize()}: step {done:,} of {training.steps:,}"
        if seconds_left is not None:
            line += f", {describe_time(seconds_left)} left"
    message = f"<p class='message'>{html.escape(training.message)}</p>" if training.message else ""
    return (
        f"<div class='card {training.state.name.lower()}'>"
        f"<h3>{html.escape(training.title)}</h3><p>{html.escape(line)}</p>"
        f"<div class='bar' role='progressbar' aria-valuenow='{percent:.0f}'>"
        f"<i style='width:{percent:.1f}%'></i></div>{message}</div>"
    )


def losses_chart(report: RunReport) -> str:
    """Return the losses of a run as an SVG chart, each relative to its largest value shown.

    Args:
        report: How far the run has come.

    Returns:
        An ``<svg>`` with one line for each loss; empty before there are three values.
    """
    first = _SKIPPED * report.step
    lines = []
    for name, values in report.losses.items():
        shown = [(step, loss) for step, loss in values if step > first]
        if len(shown) < 3:
            continue
        top = max(loss for _, loss in shown) or 1.0
        begin, end = shown[0][0], shown[-1][0]
        points = " ".join(
            f"{_WIDTH * (step - begin) / max(1, end - begin):.1f},"
            f"{_HEIGHT - (_HEIGHT - 8) * loss / top:.1f}"
            for step, loss in shown
        )
        lines.append((name, shown[-1][1], points))
    if not lines:
        return ""
    drawn = "".join(
        f"<polyline class='{name}' points='{points}' vector-effect='non-scaling-stroke'/>"
        for name, _, points in lines
    )
    legend = "".join(
        f"<span class='{name}'>{name} loss {value:.3g}</span>" for name, value, _ in lines
    )
    return (
        f"<figure class='losses'><svg viewBox='0 0 {_WIDTH} {_HEIGHT}' "
        f"preserveAspectRatio='none' role='img' aria-label='Losses'>{drawn}</svg>"
        f"<figcaption>{legend}</figcaption></figure>"
    )


def describe_time(seconds: float) -> str:
    """Return a duration in words: ``40 seconds``, ``3 minutes``, ``1 h 20 min``."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} seconds"
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
