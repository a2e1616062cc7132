"""The queue of trainings: one runs in a process of its own, the others wait."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from stylenet.app.limits import Limits
from stylenet.app.run_report import find_networks
from stylenet.app.training import State, Training, slug
from stylenet.errors import StyleNetError
from stylenet.files import atomic_path
from stylenet.image import flatten, load_image, resize_short_side

# Short side, in pixels, that a larger painting is reduced to; training itself uses 512 of them.
_PAINTING = 1024
_SECONDS_BETWEEN_LOOKS = 0.2
# Time for a step and a checkpoint before a stopping process is killed.
_PATIENCE = 60.0
_RECORD, _LOG = "app.json", "app.log"


class TrainingQueue:
    """Runs trainings one after the other, each in a process of its own."""

    def __init__(
        self, folder: Path, limits: Limits, photos: Path | None = None, shared: bool = False
    ) -> None:
        """Start the thread that runs the trainings.

        Args:
            folder: Folder of the run directories.
            limits: Limits on time and on waiting trainings.
            photos: Folder of photos to train on; ``None`` for the sample photos.
            shared: Whether every visitor sees all trainings, and the runs of earlier starts.
        """
        self.folder, self.limits, self.photos, self.shared = folder, limits, photos, shared
        self._trainings = list(_earlier(folder)) if shared else []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="trainings", daemon=True)
        self._thread.start()

    def of(self, owner: str) -> list[Training]:
        """Return the trainings that a visitor sees, the newest first."""
        with self._changed:
            return [t for t in reversed(self._trainings) if self.shared or t.owner == owner]

    def find(self, key: str | None, owner: str) -> Training | None:
        """Return a training that a visitor sees, by its key."""
        return next((t for t in self.of(owner) if t.key == key), None)

    def position(self, training: Training) -> int:
        """Return how many trainings run or wait before one that waits."""
        with self._changed:
            active = [t for t in self._trainings if t.is_active]
        before = [t for t in active if t.state is not State.WAITING]
        waiting = [t for t in active if t.state is State.WAITING]
        return len(before) + waiting.index(training) if training in waiting else 0

    def submit(self, painting: Path, title: str, steps: int, owner: str) -> Training:
        """Add a training.

        Args:
            painting: The style image.
            title: Name of the style.
            steps: Number of training steps.
            owner: Token of the visitor's browser.

        Raises:
            StyleNetError: The painting is unreadable or has no name, too many trainings wait, or
                the run directory cannot be written.
        """
        title = " ".join(title.split())[:40]
        if not slug(title):
            raise StyleNetError("The style has no name. Give it one of letters or digits.")
        image = flatten(load_image(painting))
        self.limits.check_photo(*image.size)
        self._forget()
        with self._changed:
            if sum(t.is_active for t in self._trainings) > self.limits.waiting:
                raise StyleNetError(
                    f"{self.limits.waiting} trainings are waiting already. Try again later."
                )
            training = Training(title, owner, _free_folder(self.folder, slug(title)), steps)
            training.folder.mkdir(parents=True)
            self._trainings.append(training)
        if min(image.size) > _PAINTING:
            image = resize_short_side(image, _PAINTING)
        with atomic_path(training.painting) as temporary:
            image.save(temporary, "PNG")
        with atomic_path(training.folder / _RECORD) as temporary:
            temporary.write_text(json.dumps({"title": title, "steps": steps}), encoding="utf-8")
        with self._changed:
            self._changed.notify_all()
        return training

    def _forget(self) -> None:
        """Delete what visitors trained for themselves and left long ago."""
        with self._changed:
            old = [] if self.shared else [t for t in self._trainings if t.is_forgotten]
        for training in old:
            self.remove(training)

    def stop(self, training: Training) -> None:
        """Stop a training after its current step; it can go on later."""
        with self._changed:
            if training.state is State.WAITING:
                training.set_state(State.STOPPED)
            elif training.state is State.RUNNING:
                training.set_state(State.STOPPING)
            self._changed.notify_all()

    def go_on(self, training: Training) -> None:
        """Put a training that was stopped or failed back into the queue."""
        with self._changed:
            if training.state in (State.STOPPED, State.FAILED):
                training.set_state(State.WAITING)
                self._trainings.remove(training)
                self._trainings.append(training)
                self._changed.notify_all()

    def remove(self, training: Training) -> None:
        """Forget a training that neither runs nor waits, and delete its run directory."""
        with self._changed:
            if not training.is_active and training in self._trainings:
                self._trainings.remove(training)
                shutil.rmtree(training.folder, ignore_errors=True)

    def close(self) -> None:
        """Stop the running training, saved, and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _next(self) -> Training | None:
        """Wait for the next training; ``None`` when the queue is closed."""

        def ready() -> bool:
            return self._closed or any(map(_can_start, self._trainings))

        with self._changed:
            self._changed.wait_for(ready)
            if self._closed:
                return None
            training = next(filter(_can_start, self._trainings))
            training.set_state(State.RUNNING)
            training.forget_pace()
            return training

    def _work(self) -> None:
        while (training := self._next()) is not None:
            try:
                self._run(training)
            except OSError as error:
                training.set_state(State.FAILED, str(error))

    def _run(self, training: Training) -> None:
        """Run a training until it ends or is stopped."""
        options = json.dumps(training.options(self.photos))
        end = time.monotonic() + 60 * self.limits.training
        with (training.folder / _LOG).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "stylenet.app.train_run", options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            late = False
            while process.poll() is None:
                late = time.monotonic() > end
                if self._closed or late or training.state is State.STOPPING:
                    _end(process)
                else:
                    time.sleep(_SECONDS_BETWEEN_LOOKS)
        with self._changed:
            training.set_state(*_outcome(training, process.returncode, late))
        if late:
            training.message = (
                f"A training may take {self.limits.training:g} minutes here. Go on to add as many."
            )


def _can_start(training: Training) -> bool:
    # The record is written last.
    return training.state is State.WAITING and (training.folder / _RECORD).is_file()


def _outcome(training: Training, status: int, late: bool) -> tuple[State, str]:
    """Return the state of a training whose process ended, and the reason for the visitor."""
    if status == 0:
        return State.DONE, ""
    if late or training.state is State.STOPPING or status < 0 or status >= 128:
        return State.STOPPED, ""
    with (training.folder / _LOG).open("rb") as log:
        return State.FAILED, _last_error(log).replace(f"{training.folder}/", "")


def _last_error(log: IO[bytes]) -> str:
    """Return the last line of a log that tells an error."""
    lines = [line.strip() for line in log.read().decode("utf-8", "replace").splitlines()]
    told = [line for line in lines if line.startswith("error: ")] or [
        line for line in lines if line
    ]
    return told[-1].removeprefix("error: ") if told else "The training ended without a word."


def _end(process: subprocess.Popen) -> None:
    """End a process in an orderly way: it finishes its step and saves."""
    process.terminate()
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_folder(parent: Path, name: str) -> Path:
    """Return a folder that does not exist yet, such as ``name`` or ``name_2``."""
    number = 1
    while (folder := parent / (name if number == 1 else f"{name}_{number}")).exists():
        number += 1
    return folder


def _earlier(folder: Path) -> Iterable[Training]:
    """Yield the trainings of earlier starts of the page, the oldest first."""
    records = sorted(folder.glob(f"*/{_RECORD}"), key=lambda path: path.stat().st_mtime)
    for record in records:
        try:
            known = json.loads(record.read_text(encoding="utf-8"))
            training = Training(str(known["title"]), "", record.parent, int(known["steps"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a folder that was half deleted or edited
        done = any(path.parent == record.parent for path in find_networks(record.parent))
        training.state = State.DONE if done else State.STOPPED
        yield training
