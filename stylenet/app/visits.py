"""Folders and current work of the browser tabs that have the page open."""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from stylenet.app.stylizing import Upload
from stylenet.app.work import Stopped, Work

_IDLE_SECONDS = 6 * 3600.0


@dataclass(eq=False)
class Visit:
    """A browser tab.

    Attributes:
        folder: Its uploads and results; deleted when the tab is closed.
        seen: Time of its last request, by ``time.monotonic()``.
    """

    folder: Path
    seen: float = field(default_factory=time.monotonic)
    _work: Work | None = None
    _ended: bool = False

    def take(self, path: Path, name: str) -> Upload:
        """Move an uploaded file into a folder of its own.

        Args:
            path: Where the server put the file.
            name: Its name on the visitor's device; may contain anything.

        Returns:
            The file with a harmless name and its suffix, and its name for messages and results.
        """
        name = Path(name.replace("\\", "/")).name or "upload"
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        suffix = Path(name).suffix.lower()
        source = folder / f"upload{suffix if suffix.isascii() and len(suffix) < 8 else ''}"
        # A copy: the page shows the server's file.
        shutil.copyfile(path, source)
        return Upload(source, name)

    @property
    def is_idle(self) -> bool:
        """Return whether nothing was asked for hours, as of programs that close no tab."""
        return self._work is None and time.monotonic() - self.seen > _IDLE_SECONDS

    @contextmanager
    def working(self, minutes: float) -> Iterator[Work]:
        """Do some work, which ends early if the visitor stops it or leaves.

        Args:
            minutes: Longest duration.

        Raises:
            Stopped: The visitor left, whose files are gone.
        """
        self._work = Work(minutes)
        try:
            yield self._work
        except OSError as error:
            if not self._ended:
                raise
            raise Stopped("The page was closed.") from error
        finally:
            self._work = None
            if self._ended:  # the work may have made files anew
                self._delete()

    def stop(self) -> None:
        """Stop the current work, if any."""
        if self._work is not None:
            self._work.stop.set()

    def end(self) -> None:
        """Stop the current work and delete the files."""
        self._ended = True
        self.stop()
        self._delete()

    def _delete(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Visits:
    """All visits, by the random name that Gradio gives to a tab."""

    def __init__(self, folder: Path) -> None:
        """Set the folder in which each visit gets one."""
        self._folder = folder
        self._visits: dict[str, Visit] = {}
        self._lock = threading.Lock()

    def get(self, name: str | None) -> Visit:
        """Return a visit; it begins with its first call."""
        with self._lock:
            idle = [key for key, visit in self._visits.items() if visit.is_idle]
            ended = [self._visits.pop(key) for key in idle if key != str(name)]
            if str(name) not in self._visits:
                # The name comes from the browser, so it is not part of a path.
                self._visits[str(name)] = Visit(Path(tempfile.mkdtemp(dir=self._folder)))
            visit = self._visits[str(name)]
            visit.seen = time.monotonic()
        for other in ended:
            other.end()
        return visit

    def end(self, name: str | None) -> None:
        """Stop a visit's work and delete its files."""
        with self._lock:
            visit = self._visits.pop(str(name), None)
        if visit is not None:
            visit.end()
