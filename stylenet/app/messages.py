"""What the page tells visitors: errors, the chosen style, names of trainings."""

import html
import re

import gradio as gr

from stylenet.app.training import Training

# Seconds for which a message stays on the page.
SECONDS = 12


def warn(reason: object) -> None:
    """Show a warning, which ends nothing; Gradio would show HTML in it as such."""
    gr.Warning(html.escape(str(reason)), SECONDS)


def refusal(reason: object) -> gr.Error:
    """Return the error that tells a visitor the reason; Gradio would show HTML in it as such."""
    return gr.Error(html.escape(str(reason)), SECONDS, print_exception=False)


def chosen_line(title: str) -> str:
    """Return the line that names the chosen style."""
    # Letters alone, because Markdown would take other signs for its own.
    plain = re.sub(r"[^\w ().,-]|_", " ", title)
    return f"Style: **{plain}**"


def label_training(training: Training) -> str:
    """Return the name of a training in the list, with its state."""
    return f"{training.title} · {training.state.value}"
