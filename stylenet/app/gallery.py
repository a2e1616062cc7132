"""Pictures of a visitor's styles."""

from typing import Any

import gradio as gr

from stylenet.app.studio import Studio
from stylenet.app.styles import Style


def show_gallery(
    studio: Studio, owner: str, chosen: Style | None = None
) -> tuple[Any, list[Style]]:
    """Return the pictures of a visitor's styles, one of them chosen, and the styles."""
    offered = studio.offer(owner)
    pictures = [(str(picture), style.title) for style, picture in offered]
    styles = [style for style, _ in offered]
    index = styles.index(chosen) if chosen in styles else None
    return gr.update(value=pictures, selected_index=index), styles
