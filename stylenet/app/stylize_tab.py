"""The tab in which photos, videos and the camera are stylized."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component

from stylenet.app.controls import Shared, keep_file, listen, picture
from stylenet.app.limits import Limits
from stylenet.app.stylize_handlers import StylizeHandlers
from stylenet.app.stylizing import COLORS, LAYERED, STROKES

# Seconds between two frames of a camera, which Gradio sends one by one.
_FRAME = 0.1
# Seconds after which the camera's turn ends, for other visitors.
_CAMERA_TURN = 120
_BRUSH = "rgba(212, 85, 58, 0.55)"
_HEIGHT = 230
# Options of what shows a result, which appears with the first one.
_RESULT: dict[str, Any] = {
    "show_label": False,
    "interactive": False,
    "visible": False,
    "render": False,
}

_EMPTY = """<div class="empty"><div><svg viewBox="0 0 72 56" fill="none" stroke="currentColor"
stroke-width="2.5" stroke-linejoin="round" aria-hidden="true"><circle cx="22" cy="19" r="5.5"/>
<rect x="2" y="2" width="68" height="52" rx="8"/><path d="M3 46l20-16 13 10 14-15 19 18"/></svg>
<b>Your result appears here</b>{line}</div></div>"""


@dataclass(frozen=True)
class _Result:
    """The result of one medium.

    Attributes:
        column: Holds the others; visible while the medium is chosen.
        empty: Stands there before there is a result.
        shown: The result.
        download: Button for the result in full resolution.
        about: A line about the result.
    """

    column: gr.Column
    empty: gr.HTML
    shown: Component
    download: gr.DownloadButton
    about: gr.Markdown

    @property
    def parts(self) -> list[Component]:
        """Return what changes with a result."""
        return [self.empty, self.shown, self.download, self.about]


def add_stylize_tab(handlers: StylizeHandlers, limits: Limits, shared: Shared) -> None:
    """Fill the tab that is being built.

    Args:
        handlers: What its controls do.
        limits: For hints.
        shared: Controls that it shares with the other tab.
    """
    with gr.Row(elem_id="work"):
        with gr.Column(scale=5, min_width=320, elem_id="controls"):
            with gr.Tabs(elem_id="media"):
                with gr.Tab("Photo", id="photo") as photo_tab:
                    hint = (
                        f"Drop a photo here\n- or -\nclick to choose one (≤ {limits.upload:g} MB)"
                    )
                    photo = picture("photo", hint, _HEIGHT)
                    photo.render()
                    stop_photo = gr.Button("Stop", visible=False, elem_id="stop-photo")
                with gr.Tab("Video", id="video") as clip_tab:
                    clip = gr.Video(
                        show_label=False,
                        sources=["upload"],
                        height=_HEIGHT,
                        buttons=[],
                        elem_id="clip",
                    )
                    keep_file(clip)
                    start = gr.Button("Stylize the video", variant="primary", elem_id="start")
                    stop = gr.Button("Stop", visible=False, elem_id="stop")
                with gr.Tab("Camera", id="camera") as camera_tab:
                    camera = gr.Image(
                        show_label=False,
                        sources=["webcam"],
                        streaming=True,
                        height=_HEIGHT,
                        buttons=[],
                        elem_id="camera",
                    )
            gr.HTML("<h2>Style</h2>", elem_id="style-title", elem_classes="title")
            shared.gallery.render()
            shared.chosen.render()
            with gr.Accordion("A painting of your own", open=False, elem_id="own"):
                own = picture("own-painting", "Drop a painting here", 160)
                own.render()
                to_training = gr.Button("Train this style", visible=False, elem_id="to-training")
            strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", elem_id="strength")
            strokes = gr.Radio(
                [*STROKES, LAYERED], value="Medium", label="Strokes", elem_id="strokes"
            )
            stroke = gr.Slider(
                0.5, 2, value=1, step=0.1, label="Size of the strokes", elem_id="stroke"
            )
            colors = gr.Radio(
                list(COLORS), value=next(iter(COLORS)), label="Colors", elem_id="colors"
            )
            choices = [strength, strokes, colors, stroke]
            with gr.Accordion("Only a part of the photo", open=False, elem_id="part") as part:
                editor = gr.ImageEditor(
                    show_label=False,
                    sources=[],
                    transforms=[],
                    layers=False,
                    buttons=[],
                    brush=gr.Brush(colors=[_BRUSH], color_mode="fixed", default_size=60),
                    height=340,
                    elem_id="editor",
                )
                region = gr.Button("Stylize what is painted", elem_id="region")
        with gr.Column(scale=7, min_width=320, elem_id="result"):
            photos = _add_result(
                "Choose a photo and a style.",
                gr.ImageSlider(
                    type="filepath",
                    buttons=["fullscreen"],
                    max_height=720,
                    elem_id="before-after",
                    **_RESULT,
                ),
                visible=True,
            )
            clips = _add_result(
                "Choose a video and a style.", gr.Video(buttons=[], elem_id="film", **_RESULT)
            )
            frames = _add_result(
                "Choose a style and start the camera.",
                gr.Image(
                    format="jpeg",
                    buttons=["download", "fullscreen"],
                    elem_id="live",
                    **_RESULT,
                ),
            )

    photo_file, clip_file, mask = gr.State(None), gr.State(None), gr.State(None)
    columns = [photos.column, clips.column, frames.column]
    for index, tab in enumerate((photo_tab, clip_tab, camera_tab)):
        updates = [gr.update(visible=other == index) for other in (*range(len(columns)), 0)]
        listen(tab.select, lambda updates=updates: updates, [], [*columns, part])

    # Photos are stylized at once, whatever is chosen last.
    again = {
        "fn": handlers.stylize_photo,
        "inputs": [photo_file, shared.style, *choices, mask],
        "outputs": [*photos.parts, stop_photo],
        "concurrency_id": "stylize",
        "concurrency_limit": 1,
        "trigger_mode": "always_last",
        "show_progress_on": [photos.empty, photos.shown],
        "api_visibility": "private",
    }
    chosen = [photo_file, photo, editor, mask, *photos.parts]
    listen(photo.upload, handlers.choose_photo, [photo], chosen).then(**again)
    listen(photo.clear, handlers.choose_photo, [photo], chosen)
    listen(
        shared.gallery.select, handlers.choose_style, [shared.styles], [shared.style, shared.chosen]
    )
    changes = [shared.style.change, strength.release, strokes.input, stroke.release, colors.input]
    gr.on(changes, **again)
    listen(region.click, handlers.choose_region, [editor], [mask]).then(**again)

    style_and_offer = [shared.style, shared.chosen, to_training]
    listen(own.upload, handlers.choose_painting, [own], style_and_offer)
    listen(own.clear, handlers.choose_painting, [own], style_and_offer)
    listen(
        to_training.click,
        lambda painting: (painting and str(painting.path), gr.update(selected="train")),
        [own],
        [shared.painting, shared.tabs],
    )

    listen(clip.upload, handlers.choose_clip, [clip], [clip_file, clip])
    listen(clip.clear, handlers.choose_clip, [clip], [clip_file, clip])
    listen(
        start.click, lambda: (gr.update(visible=False), gr.update(visible=True)), [], [start, stop]
    ).then(
        handlers.stylize_clip,
        [clip_file, shared.style, *choices],
        [*clips.parts, start, stop],
        concurrency_id="stylize",
        concurrency_limit=1,
        show_progress_on=[clips.empty, clips.shown],
        api_visibility="private",
    )
    for button in (stop, stop_photo):
        listen(button.click, handlers.stop, queue=False)

    listen(
        camera.stream,
        handlers.stylize_frame,
        [camera, shared.style, strength, colors],
        [frames.empty, frames.shown],
        stream_every=_FRAME,
        time_limit=_CAMERA_TURN,
        concurrency_id="camera",
        concurrency_limit=1,
        show_progress="hidden",
    )


def _add_result(line: str, shown: Component, visible: bool = False) -> _Result:
    """Add the column of one medium's result.

    Args:
        line: What to do before there is a result.
        shown: Shows the result.
        visible: Whether the medium is the one that is chosen at first.
    """
    with gr.Column(visible=visible) as column:
        empty = gr.HTML(_EMPTY.format(line=line))
        shown.render()
        download = gr.DownloadButton(
            "Download in full resolution", variant="primary", visible=False, elem_classes="download"
        )
        about = gr.Markdown("", elem_classes="about")
    return _Result(column, empty, shown, download, about)
