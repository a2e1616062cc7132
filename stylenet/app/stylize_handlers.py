"""Event handlers of the tab in which photos, videos and the camera are stylized."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from stylenet.app.messages import SECONDS, chosen_line, refusal, warn
from stylenet.app.region import canvas, painted_mask
from stylenet.app.studio import Studio
from stylenet.app.styles import Style
from stylenet.app.stylizing import (
    Upload,
    check_clip,
    make_options,
    preview_photo,
    stylize_clip,
    stylize_frame,
    stylize_photo,
)
from stylenet.app.work import Stopped, Work
from stylenet.errors import StyleNetError


class StylizeHandlers:
    """Event handlers of the tab; each returns updates of components."""

    def __init__(self, studio: Studio) -> None:
        """Initialize the handlers."""
        self._studio = studio

    def choose_photo(self, file: Upload | None, request: gr.Request) -> tuple[Any, ...]:
        """Check a photo and show it: return upload, preview, editor, mask, and an empty result."""
        hidden = gr.update(visible=False)
        empty = (None, None, None, None, gr.update(visible=True), hidden, hidden, "")
        if file is None:
            return empty
        upload = self._studio.visits.get(request.session_hash).take(file.path, file.name)
        try:
            preview = str(preview_photo(upload, self._studio.limits))
        except StyleNetError as error:
            warn(error)
            return empty
        picture = str(canvas(Path(preview)))
        editor: dict[str, Any] = {"background": picture, "layers": [], "composite": None}
        return upload, preview, editor, None, gr.skip(), hidden, hidden, ""

    def choose_region(self, editor: dict[str, Any] | None) -> Image.Image | None:
        """Return the mask of what is painted in the editor; ``None`` if nothing is."""
        mask = painted_mask(editor)
        if mask is None:
            gr.Info("Nothing is painted, so the whole photo is stylized.", SECONDS)
        return mask

    def choose_clip(self, file: Upload | None, request: gr.Request) -> tuple[Any, ...]:
        """Check a video: return the upload, and what the control shows."""
        if file is None:
            return None, None
        upload = self._studio.visits.get(request.session_hash).take(file.path, file.name)
        try:
            check_clip(upload, self._studio.limits)
        except StyleNetError as error:
            warn(error)
            return None, None
        return upload, gr.skip()

    def choose_style(self, styles: list[Style], event: gr.SelectData) -> tuple[Style, str]:
        """Choose a style of the gallery: return it and its title."""
        style = styles[int(event.index)]
        return style, chosen_line(style.title)

    def choose_painting(self, file: Upload | None, request: gr.Request) -> tuple[Any, ...]:
        """Use a painting as the style: return the style, its title, and the offer to train."""
        if file is None:
            return gr.skip(), gr.skip(), gr.update(visible=False)
        upload = self._studio.visits.get(request.session_hash).take(file.path, file.name)
        try:
            preview_photo(upload, self._studio.limits)
        except StyleNetError as error:
            warn(error)
            return gr.skip(), gr.skip(), gr.update(visible=False)
        style = self._studio.style_from(upload)
        return style, chosen_line(style.title), gr.update(visible=True)

    def stylize_photo(
        self,
        upload: Upload | None,
        style: Style | None,
        strength: float,
        strokes: str,
        colors: str,
        stroke: float,
        mask: Image.Image | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (how Gradio passes it)
    ) -> Iterator[tuple[Any, ...]]:
        """Stylize the chosen photo: yield before and after, the download, a line, and "Stop"."""
        if upload is None or style is None:
            yield (gr.skip(),) * 5
            return
        progress(0, desc="Stylizing")
        yield (*(gr.skip(),) * 4, gr.update(visible=True))

        def stylize(work: Work) -> tuple[Any, ...]:
            result = stylize_photo(
                self._studio.stylizers.load(style),
                upload,
                style.file_name,
                make_options(strength, strokes, colors, stroke),
                mask,
                work,
            )
            width, height = result.size
            line = f"{width} x {height} pixels"
            if result.left_out:
                line += f" · without {', '.join(result.left_out)}"
            return _result((str(result.before), str(result.after)), result.path, line)

        yield (*self._work(request, stylize), gr.update(visible=False))

    def stylize_clip(
        self,
        upload: Upload | None,
        style: Style | None,
        strength: float,
        strokes: str,
        colors: str,
        stroke: float,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (how Gradio passes it)
    ) -> tuple[Any, ...]:
        """Stylize the chosen video: return it, the download, a line, and the two buttons."""
        buttons = (gr.update(visible=True), gr.update(visible=False))
        if upload is None or style is None:
            warn("Choose a video and a style first.")
            return (*(gr.skip(),) * 4, *buttons)
        count = 0

        def show(done: int, total: int | None) -> None:
            nonlocal count
            count = done
            progress((done, total), desc="Stylizing", unit="frames")

        def stylize(work: Work) -> tuple[Any, ...]:
            path = stylize_clip(
                self._studio.stylizers.load(style),
                upload,
                style.file_name,
                make_options(strength, strokes, colors, stroke),
                work,
                show,
            )
            return _result(str(path), path, f"{count:,} frames")

        return (*self._work(request, stylize), *buttons)

    def stylize_frame(
        self, frame: np.ndarray | None, style: Style | None, strength: float, colors: str
    ) -> Any:
        """Stylize a frame of the camera."""
        if frame is None or style is None:
            return gr.skip(), gr.skip()
        try:
            stylized = stylize_frame(self._studio.stylizers.load(style), frame, strength, colors)
        except StyleNetError as error:
            raise refusal(error) from error
        return gr.update(visible=False), gr.update(value=stylized, visible=True)

    def _work(
        self, request: gr.Request, stylize: Callable[[Work], tuple[Any, ...]]
    ) -> tuple[Any, ...]:
        """Do the visitor's work; show on the page why it fails.

        A handler that raised an error instead would leave the button "Stop" on the page.

        Returns:
            The result of ``stylize``; after a failure four updates that leave the page as it is.
        """
        visit = self._studio.visits.get(request.session_hash)
        try:
            with visit.working(self._studio.limits.minutes) as work:
                return stylize(work)
        except (StyleNetError, Stopped) as error:
            warn(error)
            return (gr.skip(),) * 4

    def stop(self, request: gr.Request) -> None:
        """Stop the visitor's current work."""
        self._studio.visits.get(request.session_hash).stop()


def _result(shown: Any, path: Path, line: str) -> tuple[Any, ...]:
    """Return updates that show a result: no hint, the result, its download, and a line."""
    return (
        gr.update(visible=False),
        gr.update(value=shown, visible=True),
        gr.update(value=str(path), visible=True),
        line,
    )
