"""Controls that both tabs of the page use, and how they start work."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from stylenet.app.stylizing import Upload


@dataclass(frozen=True)
class Shared:
    """Controls and values that both tabs use.

    Attributes:
        tabs: The tabs of the page.
        owner: Token of the browser, kept there.
        style: The chosen style.
        styles: Styles in the order of the gallery.
        gallery: Pictures of the styles.
        chosen: Line with the name of the chosen style.
        painting: Painting to train.
        trainings: List of the visitor's trainings.
    """

    tabs: gr.Tabs
    owner: gr.BrowserState
    style: gr.State
    styles: gr.State
    gallery: gr.Gallery
    chosen: gr.Markdown
    painting: gr.Image
    trainings: gr.Radio

    @classmethod
    def make(cls) -> "Shared":
        """Make the controls; each tab shows its own by ``render()``."""
        return cls(
            gr.Tabs(elem_id="tabs", render=False),
            gr.BrowserState(storage_key="stylenet_owner"),
            gr.State(None),
            gr.State([]),
            gr.Gallery(
                show_label=False,
                columns=4,
                allow_preview=False,
                interactive=False,
                buttons=[],
                object_fit="cover",
                height="auto",
                elem_id="gallery",
                render=False,
            ),
            gr.Markdown("Choose a style.", elem_id="chosen", render=False),
            picture("painting", "Drop a painting here\n- or -\nclick to choose one", 260),
            gr.Radio([], label="Your styles", visible=False, elem_id="trainings", render=False),
        )


def picture(name: str, placeholder: str, height: int) -> gr.Image:
    """Make a control for an image file, which reaches handlers as an :class:`Upload`.

    Args:
        name: Its name in the page, for looks and tests.
        placeholder: Text before a file is chosen.
        height: Height in pixels.
    """
    control = gr.Image(
        label=name.capitalize(),
        show_label=False,
        sources=["upload"],
        type="filepath",
        image_mode=None,
        height=height,
        buttons=[],
        placeholder=placeholder,
        elem_id=name,
        render=False,
    )
    keep_file(control)
    return control


def keep_file(control: Component) -> None:
    """Make a control pass on the visitor's file as it is, with its name.

    Gradio would decode it, lose its metadata, and answer a damaged one with a message of its own.
    That the file is one which the visitor uploaded was checked before.
    """

    def pass_on(payload: Any) -> Upload | None:
        if payload is None or not payload.path:
            return None
        path = Path(payload.path)
        return Upload(path, payload.orig_name or path.name)

    control.preprocess = pass_on  # type: ignore[method-assign, unused-ignore]  # without Gradio


def listen(
    event: Callable[..., Any],
    handler: Callable[..., Any],
    inputs: list[Any] | None = None,
    outputs: list[Any] | None = None,
    **options: Any,
) -> Any:
    """Connect an event of a control to a handler, out of reach of Gradio's public interface.

    Args:
        event: Such as ``button.click``.
        handler: The function to call.
        inputs: Controls whose values it gets.
        outputs: Controls that it updates.
        **options: Of Gradio's events. Without ``concurrency_id`` the work is light: it shows no
            progress.
    """
    if "concurrency_id" not in options:
        options.setdefault("show_progress", "hidden")
    return event(handler, inputs, outputs, api_visibility="private", **options)
