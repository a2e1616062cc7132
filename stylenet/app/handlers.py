"""Event handlers of the page and of its two tabs."""

import secrets
from typing import Any

import gradio as gr

from stylenet.app.gallery import show_gallery
from stylenet.app.studio import Studio
from stylenet.app.stylize_handlers import StylizeHandlers
from stylenet.app.train_handlers import TrainHandlers


class Handlers:
    """Event handlers of the page.

    Attributes:
        stylize: Handlers of the first tab.
        train: Handlers of the second tab.
    """

    def __init__(self, studio: Studio) -> None:
        """Initialize the handlers."""
        self._studio = studio
        self.stylize = StylizeHandlers(studio)
        self.train = TrainHandlers(studio)

    def open_page(self, owner: str | None) -> tuple[Any, ...]:
        """Greet a visitor: return the token of the browser, the gallery and the trainings."""
        owner = owner if isinstance(owner, str) and owner else secrets.token_hex(16)
        trainings = self.train.list_trainings(owner, None)
        return (owner, *show_gallery(self._studio, owner), trainings)

    def close_page(self, request: gr.Request) -> None:
        """Delete the files of a tab that was closed."""
        self._studio.visits.end(request.session_hash)
