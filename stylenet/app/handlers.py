"""Event handlers of the controls of the page."""

import html
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from stylenet.app.chart import NO_TRAINING, losses_chart, progress_card
from stylenet.app.region import canvas, painted_mask
from stylenet.app.studio import Studio
from stylenet.app.styles import Style
from stylenet.app.stylizing import (
    Stopped,
    Upload,
    Work,
    check_clip,
    make_options,
    preview_photo,
    stylize_clip,
    stylize_frame,
    stylize_photo,
)
from stylenet.app.training import LENGTHS, State, Training
from stylenet.errors import StyleNetError
from stylenet.image import load_image
from stylenet.pretrained import make_title

# Seconds for which a message stays on the page.
_SECONDS = 12


class Handlers:
    """Event handlers of the controls; each returns updates of components."""

    def __init__(self, studio: Studio) -> None:
        """Initialize the handlers."""
        self._studio = studio

    def open_page(self, owner: str | None) -> tuple[Any, ...]:
        """Greet a visitor: return the token of the browser, the gallery and the trainings."""
        owner = owner if isinstance(owner, str) and owner else secrets.token_hex(16)
        return (owner, *self._gallery(owner), self.list_trainings(owner, None))

    def _gallery(self, owner: str, chosen: Style | None = None) -> tuple[Any, list[Style]]:
        """Return the pictures of a visitor's styles, one of them chosen, and the styles."""
        offered = self._studio.offer(owner)
        pictures = [(str(picture), style.title) for style, picture in offered]
        styles = [style for style, _ in offered]
        index = styles.index(chosen) if chosen in styles else None
        return gr.update(value=pictures, selected_index=index), styles

    def close_page(self, request: gr.Request) -> None:
        """Delete the files of a tab that was closed."""
        self._studio.visits.end(request.session_hash)

    # Stylizing

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
            gr.Warning(html.escape(str(error)), _SECONDS)
            return empty
        picture = str(canvas(Path(preview)))
        editor: dict[str, Any] = {"background": picture, "layers": [], "composite": None}
        return upload, preview, editor, None, gr.skip(), hidden, hidden, ""

    def choose_region(self, editor: dict[str, Any] | None) -> Image.Image | None:
        """Return the mask of what is painted in the editor; ``None`` if nothing is."""
        mask = painted_mask(editor)
        if mask is None:
            gr.Info("Nothing is painted, so the whole photo is stylized.", _SECONDS)
        return mask

    def choose_clip(self, file: Upload | None, request: gr.Request) -> tuple[Any, ...]:
        """Check a video: return the upload, and what the control shows."""
        if file is None:
            return None, None
        upload = self._studio.visits.get(request.session_hash).take(file.path, file.name)
        try:
            check_clip(upload, self._studio.limits)
        except StyleNetError as error:
            gr.Warning(html.escape(str(error)), _SECONDS)
            return None, None
        return upload, gr.skip()

    def choose_style(self, styles: list[Style], event: gr.SelectData) -> tuple[Style, str]:
        """Choose a style of the gallery: return it and its title."""
        style = styles[int(event.index)]
        return style, _chosen(style.title)

    def choose_painting(self, file: Upload | None, request: gr.Request) -> tuple[Any, ...]:
        """Use a painting as the style: return the style, its title, and the offer to train."""
        if file is None:
            return gr.skip(), gr.skip(), gr.update(visible=False)
        upload = self._studio.visits.get(request.session_hash).take(file.path, file.name)
        try:
            preview_photo(upload, self._studio.limits)
        except StyleNetError as error:
            gr.Warning(html.escape(str(error)), _SECONDS)
            return gr.skip(), gr.skip(), gr.update(visible=False)
        style = self._studio.style_from(upload)
        return style, _chosen(style.title), gr.update(visible=True)

    def stylize_photo(
        self,
        upload: Upload | None,
        style: Style | None,
        strength: float,
        strokes: str,
        colors: str,
        mask: Image.Image | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (how Gradio passes it)
    ) -> tuple[Any, ...]:
        """Stylize the chosen photo: return before and after, the download, and a line about it."""
        if upload is None or style is None:
            return (gr.skip(),) * 4
        progress(0, desc="Stylizing")
        with self._working(request) as work:
            result = stylize_photo(
                self._studio.stylizers.load(style),
                upload,
                style.file_name,
                make_options(strength, strokes, colors),
                mask,
                work,
            )
        width, height = result.size
        line = f"{width} x {height} pixels"
        if result.left_out:
            line += f" · without {', '.join(result.left_out)}"
        return (
            gr.update(visible=False),
            gr.update(value=(str(result.before), str(result.after)), visible=True),
            gr.update(value=str(result.path), visible=True),
            line,
        )

    def stylize_clip(
        self,
        upload: Upload | None,
        style: Style | None,
        strength: float,
        strokes: str,
        colors: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (how Gradio passes it)
    ) -> tuple[Any, ...]:
        """Stylize the chosen video: return it, the download, and a line about it."""
        if upload is None or style is None:
            raise _refusal("Choose a video and a style first.")
        count = 0

        def show(done: int, total: int | None) -> None:
            nonlocal count
            count = done
            progress((done, total), desc="Stylizing", unit="frames")

        with self._working(request) as work:
            result = stylize_clip(
                self._studio.stylizers.load(style),
                upload,
                style.file_name,
                make_options(strength, strokes, colors),
                work,
                show,
            )
        return (
            gr.update(visible=False),
            gr.update(value=str(result), visible=True),
            gr.update(value=str(result), visible=True),
            f"{count:,} frames",
        )

    def stylize_frame(
        self, frame: np.ndarray | None, style: Style | None, strength: float, colors: str
    ) -> Any:
        """Stylize a frame of the camera."""
        if frame is None or style is None:
            return gr.skip(), gr.skip()
        try:
            stylized = stylize_frame(self._studio.stylizers.load(style), frame, strength, colors)
        except StyleNetError as error:
            raise _refusal(error) from error
        return gr.update(visible=False), gr.update(value=stylized, visible=True)

    @contextmanager
    def _working(self, request: gr.Request) -> Iterator[Work]:
        """Begin the visitor's work; show on the page why it fails."""
        visit = self._studio.visits.get(request.session_hash)
        try:
            with visit.working(self._studio.limits.minutes) as work:
                yield work
        except (StyleNetError, Stopped) as error:
            raise _refusal(error) from error

    def stop(self, request: gr.Request) -> None:
        """Stop the visitor's current work."""
        self._studio.visits.get(request.session_hash).stop()

    # Training

    def start_training(
        self, file: Upload | None, title: str, length: str, owner: str
    ) -> tuple[Any, ...]:
        """Put a training into the queue: return the list of trainings, and an empty name."""
        if file is None:
            raise _refusal("Drop a painting first.")
        name = title or make_title(Path(file.name).stem)
        try:
            training = self._studio.trainings.submit(Path(file.path), name, LENGTHS[length], owner)
        except (StyleNetError, KeyError) as error:
            text = str(error).replace(str(file.path), file.name)
            raise _refusal(text) from error
        return self.list_trainings(owner, training.key), None, ""

    def list_trainings(self, owner: str, key: str | None) -> Any:
        """Return the list of a visitor's trainings with one of them chosen."""
        trainings = self._studio.trainings.of(owner)
        choices = [(_label(training), training.key) for training in trainings]
        keys = [key for _, key in choices]
        chosen = key if key in keys else next(iter(keys), None)
        return gr.update(choices=choices, value=chosen, visible=bool(choices))

    def show_trainings(
        self, key: str | None, owner: str, shown: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        """Show the list of trainings and the chosen one, if anything changed since.

        Args:
            key: Key of the training.
            owner: Token of the browser.
            shown: What the page shows now.

        Returns:
            What is shown, the list, card, chart, preview, and the buttons stop, go on, use,
            download and delete.
        """
        trainings = self._studio.trainings.of(owner)
        labels = tuple(map(_label, trainings))
        training = next((t for t in trainings if t.key == key), None)
        if training is None:
            now: tuple[Any, ...] = (labels,)
            hidden = gr.update(visible=False)
            update = (now, self.list_trainings(owner, key), NO_TRAINING, "", *[hidden] * 6)
            return (gr.skip(),) * 10 if now == shown else update
        report = training.report()
        ahead = self._studio.trainings.position(training)
        left = training.seconds_left(report.step) if training.state is State.RUNNING else None
        card = progress_card(training, report, ahead, left)
        now = (labels, key, report.preview, card)
        if now == shown:
            return (gr.skip(),) * 10
        preview: Any = gr.skip()
        if report.preview is None:
            preview = gr.update(visible=False)
        elif now[1:3] != shown[1:3]:
            # As pixels, because the run directory is no folder that the server shows files of.
            preview = gr.update(value=np.asarray(load_image(report.preview).rgb), visible=True)
        usable = training.state in (State.DONE, State.STOPPED) and report.has_checkpoint
        buttons = (
            training.state in (State.RUNNING, State.WAITING),
            training.state in (State.STOPPED, State.FAILED),
            usable,
            usable,
            not training.is_active,
        )
        return (
            now,
            self.list_trainings(owner, key),
            card,
            losses_chart(report),
            preview,
            *(gr.update(visible=visible) for visible in buttons),
        )

    def stop_training(self, key: str | None, owner: str) -> Any:
        """Stop the chosen training after its current step."""
        return self._change(self._studio.trainings.stop, key, owner)

    def go_on_training(self, key: str | None, owner: str) -> Any:
        """Put the chosen training back into the queue."""
        return self._change(self._studio.trainings.go_on, key, owner)

    def delete_training(self, key: str | None, owner: str) -> tuple[Any, ...]:
        """Delete the chosen training: return the list of trainings and the gallery."""
        return (self._change(self._studio.trainings.remove, key, owner), *self._gallery(owner))

    def use_training(self, key: str | None, owner: str) -> tuple[Any, ...]:
        """Choose the style of a training: return it, its title, the gallery, and the tab."""
        training = self._studio.trainings.find(key, owner)
        if training is None:
            return (gr.skip(),) * 5
        style = self._studio.style_of(training)
        gallery, styles = self._gallery(owner, style)
        return style, _chosen(style.title), gallery, styles, gr.update(selected="stylize")

    def prepare_download(self, key: str | None, owner: str, request: gr.Request) -> Any:
        """Return a copy of the network of the chosen training."""
        training = self._studio.trainings.find(key, owner)
        visit = self._studio.visits.get(request.session_hash)
        network = None if training is None else self._studio.network_of(training, visit.folder)
        if network is None:
            raise _refusal("This training has no network yet.")
        return str(network)

    def _change(self, change: Any, key: str | None, owner: str) -> Any:
        training: Training | None = self._studio.trainings.find(key, owner)
        if training is not None:
            change(training)
        return self.list_trainings(owner, key)


def _refusal(reason: object) -> gr.Error:
    """Return the error that tells a visitor the reason; Gradio would show HTML in it as such."""
    return gr.Error(html.escape(str(reason)), _SECONDS, print_exception=False)


def _chosen(title: str) -> str:
    # Letters alone, because Markdown would take other signs for its own.
    plain = re.sub(r"[^\w ().,-]|_", " ", title)
    return f"Style: **{plain}**"


def _label(training: Training) -> str:
    return f"{training.title} · {training.state.value}"
