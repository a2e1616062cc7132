"""The page without its looks: styles, thumbnails, visits and trainings."""

import re
import shutil
from pathlib import Path

from stylenet.app.limits import Limits
from stylenet.app.styles import Style, Stylizers, list_pretrained, thumbnail
from stylenet.app.stylizing import Upload
from stylenet.app.training import State, Training, slug
from stylenet.app.training_queue import TrainingQueue
from stylenet.app.visits import Visits
from stylenet.checkpoint import find_checkpoint
from stylenet.errors import StyleNetError
from stylenet.pretrained import ANY_STYLE


class Studio:
    """The server's side of the page, without its looks.

    Attributes:
        limits: Limits for each visitor.
        stylizers: Loaded networks.
        visits: Open browser tabs.
        trainings: Trainings of all visitors.
    """

    def __init__(self, work: Path, runs: Path | None, photos: Path | None, limits: Limits) -> None:
        """Load the pretrained styles and render their thumbnails.

        Args:
            work: Folder for temporary files, which the caller deletes.
            runs: Folder in which trained styles are kept, for every visitor; ``None`` keeps each
                visitor's own until the server ends.
            photos: Folder of photos to train on; ``None`` for the sample photos.
            limits: Limits for each visitor.
        """
        self.limits = limits
        self.stylizers = Stylizers()
        self._thumbnails = work / "thumbnails"
        self._thumbnails.mkdir()
        (work / "visits").mkdir()
        self.visits = Visits(work / "visits")
        self._pretrained = list_pretrained()
        for style in self._pretrained:
            self.picture(style)
        folder = work / "runs" if runs is None else runs
        self.trainings = TrainingQueue(folder, limits, photos, shared=runs is not None)

    def offer(self, owner: str) -> list[tuple[Style, Path]]:
        """Return the styles for a visitor, own ones first, each with its thumbnail."""
        offered = []
        for style in [*map(self.style_of, self.usable(owner)), *self._pretrained]:
            try:
                offered.append((style, self.picture(style)))
            except StyleNetError:  # a run directory that was deleted or damaged meanwhile
                continue
        return offered

    def usable(self, owner: str) -> list[Training]:
        """Return a visitor's trainings that have ended or paused with a network."""
        return [
            training
            for training in self.trainings.of(owner)
            if training.state is State.DONE
            or (training.state is State.STOPPED and training.report().has_checkpoint)
        ]

    def style_of(self, training: Training) -> Style:
        """Return the style of a training."""
        return Style(training.title, training.folder)

    def network_of(self, training: Training, folder: Path) -> Path | None:
        """Copy the network of a training into a folder; ``None`` if it has none."""
        if not training.report().has_checkpoint:
            return None
        copy = folder / f"{slug(training.title)}.safetensors"
        shutil.copyfile(find_checkpoint(training.folder), copy)
        return copy

    def style_from(self, painting: Upload) -> Style:
        """Return the style of a painting without training, by the network for arbitrary styles."""
        title = " ".join(re.findall(r"\w+", Path(painting.name).stem)) or "painting"
        return Style(title, ANY_STYLE, str(painting.path))

    def picture(self, style: Style) -> Path:
        """Return the thumbnail of a style, among the temporary files."""
        source = thumbnail(style, self.stylizers)
        copy = self._thumbnails / source.name
        if not copy.exists():
            shutil.copyfile(source, copy)
        return copy

    def close(self) -> None:
        """Stop the running training, saved."""
        self.trainings.close()
