"""Trainings that visitors start: one runs, the others wait."""

import json
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import IO, Any

from stylenet.app.limits import Limits
from stylenet.app.run_report import RunReport, find_networks, read_run
from stylenet.errors import StyleNetError
from stylenet.files import atomic_path
from stylenet.image import flatten, load_image, resize_short_side

# Training steps by name. On two CPU cores a step takes 0.4 s; 420 is what `make demo` trains.
LENGTHS = {"Quick": 420, "Good": 1200, "Best": 3000}
# Short side, in pixels, that a larger painting is reduced to; training itself uses 512 of them.
_PAINTING = 1024
_SECONDS_BETWEEN_LOOKS = 0.2
# Time for a step and a checkpoint before a stopping process is killed.
_PATIENCE = 60.0
# A day, after which trainings that are kept for their own visitor alone are deleted.
_KEPT_SECONDS = 24 * 3600.0
_RECORD, _LOG = "app.json", "app.log"


class State(Enum):
    """State of a training, in words for the page."""

    WAITING = "waiting"
    RUNNING = "training"
    STOPPING = "stopping"
    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"


@dataclass(eq=False)
class Training:
    """A training of one visitor.

    Attributes:
        title: Name of the style on the page.
        owner: Token of the visitor's browser; empty for a run of an earlier start.
        folder: The run directory.
        steps: Number of steps in all.
        state: Current state.
        message: Reason of the state, for the visitor; may be empty.
        key: Random name, for the page.
    """

    title: str
    owner: str
    folder: Path
    steps: int
    state: State = State.WAITING
    message: str = ""
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    # Time of its last change of state.
    _changed: float = field(default_factory=time.monotonic)
    # Seconds and step at which the first loss of this start was seen, for the time left.
    _paced: tuple[float, int] | None = None

    @property
    def painting(self) -> Path:
        """Return the painting's file in the run directory."""
        return self.folder / f"{slug(self.title)}.png"

    @property
    def is_active(self) -> bool:
        """Return whether it runs or waits."""
        return self.state in (State.WAITING, State.RUNNING, State.STOPPING)

    def report(self) -> RunReport:
        """Return how far it has come."""
        report = read_run(self.folder)
        if self.state is State.RUNNING and report.step and self._paced is None:
            self._paced = (time.monotonic(), report.step)
        return report

    def seconds_left(self, step: int) -> float | None:
        """Return the estimated seconds to the last step; ``None`` before there is a pace.

        Args:
            step: Step that it has reached.
        """
        if self._paced is None or step <= self._paced[1]:
            return None
        pace = (time.monotonic() - self._paced[0]) / (step - self._paced[1])
        return max(0, self.steps - step) * pace

    def set_state(self, state: State, message: str = "") -> None:
        """Change the state, and the reason for the visitor."""
        self.state, self.message, self._changed = state, message, time.monotonic()

    @property
    def is_forgotten(self) -> bool:
        """Return whether it ended or stopped long ago."""
        return not self.is_active and time.monotonic() - self._changed > _KEPT_SECONDS

    def options(self, photos: Path | None) -> dict[str, Any]:
        """Return the arguments of :func:`stylenet.train`."""
        every = max(10, self.steps // 20)
        return {
            "style": str(self.painting),
            "photos": None if photos is None else str(photos),
            "run_dir": str(self.folder),
            "max_steps": self.steps,
            "experiment": "quickstart",
            # The start of `make demo`, whose Makefile gives the figures: it needs half the steps of
            # fresh weights.
            "init": "mosaic",
            "network.width": 24,
            "schedule.warmup_steps": 50,
            "resume": True,
            "logger": "csv",
            "+logger.flush_logs_every_n_steps": 5,
            "trainer.log_every_n_steps": 5,
            "callbacks.previews.every_n_steps": every,
            "callbacks.previews.count": 3,
            "callbacks.checkpoints.every_n_steps": every,
        }


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
            training._paced = None
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


def slug(title: str) -> str:
    """Return a style's title as the name of a file: lower-case letters, digits and ``_``."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


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
