"""The tab in which styles are trained from paintings."""

import gradio as gr

from stylenet.app.chart import NO_TRAINING
from stylenet.app.controls import Shared, listen
from stylenet.app.train_handlers import TrainHandlers
from stylenet.app.training import LENGTHS

# Seconds between two looks at the trainings.
_LOOK = 1.5


def add_train_tab(handlers: TrainHandlers, shared: Shared) -> None:
    """Fill the tab that is being built.

    Args:
        handlers: What its controls do.
        shared: Controls that it shares with the other tab.
    """
    with gr.Row(elem_id="training-work"):
        with gr.Column(scale=5, min_width=320, elem_id="trainer"):
            gr.HTML(
                "<h2>A network of your own</h2><p>Drop a painting. StyleNet trains a small network "
                "on it, which then stylizes photos, videos and the camera.</p>",
                elem_classes="title",
            )
            shared.painting.render()
            title = gr.Textbox(
                label="Name of the style",
                placeholder="Name of the painting",
                max_lines=1,
                elem_id="title",
            )
            length = gr.Radio(
                list(LENGTHS),
                value=next(iter(LENGTHS)),
                label="Training",
                info=f"{_steps()} steps: minutes for the first on a laptop",
                elem_id="length",
            )
            train = gr.Button("Start the training", variant="primary", size="lg", elem_id="train")
        with gr.Column(scale=7, min_width=320, elem_id="training"):
            shared.trainings.render()
            card = gr.HTML(NO_TRAINING, elem_id="card")
            preview = gr.Image(
                show_label=False,
                interactive=False,
                buttons=["fullscreen"],
                visible=False,
                elem_id="preview",
            )
            chart = gr.HTML(elem_id="chart")
            with gr.Row():
                stop = gr.Button("Stop", visible=False, elem_id="stop-training")
                go_on = gr.Button("Go on", visible=False, elem_id="go-on")
                use = gr.Button("Use this style", variant="primary", visible=False, elem_id="use")
                save = gr.Button("Download", visible=False, elem_id="save")
                delete = gr.Button("Delete", visible=False, elem_id="delete")

    network = gr.DownloadButton(elem_id="network", visible="hidden")
    shown = gr.State(())
    chosen = [shared.trainings, shared.owner]
    listen(
        train.click,
        handlers.start_training,
        [shared.painting, title, length, shared.owner],
        [shared.trainings, shared.painting, title],
    )
    looks = [shown, shared.trainings, card, chart, preview, stop, go_on, use, save, delete]
    timer = gr.Timer(_LOOK)
    listen(timer.tick, handlers.show_trainings, [*chosen, shown], looks)
    listen(shared.trainings.change, handlers.show_trainings, [*chosen, shown], looks)
    listen(stop.click, handlers.stop_training, chosen, [shared.trainings])
    listen(go_on.click, handlers.go_on_training, chosen, [shared.trainings])
    listen(
        delete.click,
        handlers.delete_training,
        chosen,
        [shared.trainings, shared.gallery, shared.styles],
    )
    listen(
        use.click,
        handlers.use_training,
        chosen,
        [shared.style, shared.chosen, shared.gallery, shared.styles, shared.tabs],
    )
    # A button that downloads needs its file beforehand, which a training has only at its end.
    listen(save.click, handlers.prepare_download, chosen, [network]).then(
        None, js="() => document.querySelector('#network').click()", api_visibility="private"
    )


def _steps() -> str:
    """Return the numbers of steps in words: ``420, 1,200 or 3,000``."""
    *others, last = (f"{steps:,}" for steps in LENGTHS.values())
    return f"{', '.join(others)} or {last}"
