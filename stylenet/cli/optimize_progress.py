"""Progress of an optimization: a bar, previews, TensorBoard."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from omegaconf import DictConfig
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from stylenet.image import LoadedImage, save_image
from stylenet.optimization import Step


class OptimizeProgress:
    """Shows the steps of an optimization."""

    def __init__(
        self, config: DictConfig, target: Path, finish: Callable[..., LoadedImage]
    ) -> None:
        """Prepare; nothing is shown or written yet.

        Args:
            config: configs/optimize.yaml, composed; uses ``preview_every`` and ``tensorboard``.
            target: Path of the result; previews go into a folder beside it.
            finish: Turns an optimized image of any scale into an image to save.
        """
        self._every: int | None = config.preview_every
        self._log: str | None = config.tensorboard
        self._folder = target.with_name(f"{target.stem}_steps")
        self._finish = finish
        self._bar: tqdm | None = None
        self._writer: SummaryWriter | None = None
        self._open = ExitStack()

    def __enter__(self) -> "OptimizeProgress":
        """Open TensorBoard's file, if asked for."""
        if self._log is not None:
            self._writer = self._open.enter_context(SummaryWriter(str(self._log)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the bar, so that further output starts on a new line."""
        self._open.close()

    def show(self, step: Step) -> None:
        """Show a step.

        Args:
            step: The start, or a step just taken.
        """
        if self._bar is None:
            bar = tqdm(total=step.total, initial=step.number, unit="step", dynamic_ncols=True)
            self._bar = self._open.enter_context(bar)
        self._bar.update(step.number - self._bar.n)
        shown = {name: f"{step.losses[name]:.4g}" for name in step.losses if "/" not in name}
        self._bar.set_postfix(shown, refresh=False)
        if self._writer is not None:
            for name, value in step.losses.items():
                self._writer.add_scalar(name, value, step.number)
        if self._every is not None and step.number % self._every == 0:
            path = self._folder / f"step_{step.number:05}.png"
            save_image(self._finish(step.image), path)
