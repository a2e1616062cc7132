"""Event handlers of the tab in which styles are trained."""

from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from stylenet.app.chart import NO_TRAINING, losses_chart, progress_card
from stylenet.app.gallery import show_gallery
from stylenet.app.messages import chosen_line, label_training, refusal
from stylenet.app.studio import Studio
from stylenet.app.stylizing import Upload
from stylenet.app.training import LENGTHS, State, Training
from stylenet.errors import StyleNetError
from stylenet.image import load_image
from stylenet.pretrained import make_title


class TrainHandlers:
    """Event handlers of the tab; each returns updates of components."""

    def __init__(self, studio: Studio) -> None:
        """Initialize the handlers."""
        self._studio = studio

    def start_training(
        self, file: Upload | None, title: str, length: str, owner: str
    ) -> tuple[Any, ...]:
        """Put a training into the queue: return the list of trainings, and an empty name."""
        if file is None:
            raise refusal("Drop a painting first.")
        name = title or make_title(Path(file.name).stem)
        try:
            training = self._studio.trainings.submit(Path(file.path), name, LENGTHS[length], owner)
        except (StyleNetError, KeyError) as error:
            text = str(error).replace(str(file.path), file.name)
            raise refusal(text) from error
        return self.list_trainings(owner, training.key), None, ""

    def list_trainings(self, owner: str, key: str | None) -> Any:
        """Return the list of a visitor's trainings with one of them chosen."""
        trainings = self._studio.trainings.of(owner)
        choices = [(label_training(training), training.key) for training in trainings]
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
        labels = tuple(map(label_training, trainings))
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
            # As pixels, because the server shows no files of the run directory.
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
        return (
            self._change(self._studio.trainings.remove, key, owner),
            *show_gallery(self._studio, owner),
        )

    def use_training(self, key: str | None, owner: str) -> tuple[Any, ...]:
        """Choose the style of a training: return it, its title, the gallery, and the tab."""
        training = self._studio.trainings.find(key, owner)
        if training is None:
            return (gr.skip(),) * 5
        style = self._studio.style_of(training)
        gallery, styles = show_gallery(self._studio, owner, style)
        return style, chosen_line(style.title), gallery, styles, gr.update(selected="stylize")

    def prepare_download(self, key: str | None, owner: str, request: gr.Request) -> Any:
        """Return a copy of the network of the chosen training."""
        training = self._studio.trainings.find(key, owner)
        visit = self._studio.visits.get(request.session_hash)
        network = None if training is None else self._studio.network_of(training, visit.folder)
        if network is None:
            raise refusal("This training has no network yet.")
        return str(network)

    def _change(self, change: Any, key: str | None, owner: str) -> Any:
        training: Training | None = self._studio.trainings.find(key, owner)
        if training is not None:
            change(training)
        return self.list_trainings(owner, key)
