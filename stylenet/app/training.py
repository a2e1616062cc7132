"""A training that a visitor started, and its options."""

import re
import secrets
import time
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from stylenet.app.run_report import RunReport, read_run

# Training steps by name; 420 is what `make demo` trains.
LENGTHS = {"Quick": 420, "Good": 1200, "Best": 3000}
# A day, after which trainings that are kept for their own visitor alone are deleted.
_KEPT_SECONDS = 24 * 3600.0


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

    def forget_pace(self) -> None:
        """Measure the pace anew, because it starts again."""
        self._paced = None

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
            # docs/methods/base-network.md has the figures.
            "init": "base",
            "schedule.warmup_steps": 10,
            "resume": True,
            "logger": "csv",
            "+logger.flush_logs_every_n_steps": 5,
            "trainer.log_every_n_steps": 5,
            "callbacks.previews.every_n_steps": every,
            "callbacks.previews.count": 3,
            "callbacks.checkpoints.every_n_steps": every,
        }


def slug(title: str) -> str:
    """Return a style's title as the name of a file: lower-case letters, digits and ``_``."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
