"""Callbacks for the progress bar and the throughput."""

import math
import sys
import threading
import time
from typing import Any

import pytorch_lightning as pl
import torch
from tqdm import tqdm

from stylenet.data import photos_of
from stylenet.errors import check_number
from stylenet.training.resumable import ResumableModule

# Between lines of a log file; a terminal is updated ten times per second (tqdm's default).
_SECONDS_BETWEEN_LINES = 30.0
_SECONDS_BETWEEN_TICKS = 0.5


class Progress(pl.Callback):
    """Shows a progress bar over all steps of the run, with losses and remaining time."""

    def __init__(self, every_n_steps: int) -> None:
        """Set how often to read the losses.

        Args:
            every_n_steps: Steps between two readings, each of which waits for the GPU.

        Raises:
            StyleNetError: The value is impossible.
        """
        check_number("callbacks.progress.every_n_steps", every_n_steps, minimum=1, integer=True)
        self.every_n_steps = every_n_steps
        self._bar: tqdm | None = None
        self._first_step = threading.Event()
        self._clock: threading.Thread | None = None
        self._read_at = -math.inf

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the bar; it starts at the step that the run resumes from."""
        if trainer.is_global_zero:
            self._bar = tqdm(
                total=trainer.max_steps,
                initial=trainer.global_step,
                desc="training",
                unit="step",
                mininterval=0.1 if sys.stderr.isatty() else _SECONDS_BETWEEN_LINES,
                dynamic_ncols=True,
                postfix="preparing the first step",
            )
            self._first_step.clear()
            if sys.stderr.isatty():
                self._clock = threading.Thread(
                    target=self._tick, args=(self._bar,), name="progress clock", daemon=True
                )
                self._clock.start()

    def _tick(self, bar: tqdm) -> None:
        """Update the bar's clock until the first step is done, which may take a minute."""
        while not self._first_step.wait(_SECONDS_BETWEEN_TICKS):
            bar.refresh()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """Update the bar."""
        if self._bar is None:
            return
        assert isinstance(pl_module, ResumableModule)
        if not self._first_step.is_set():
            self._first_step.set()
            self._bar.set_postfix_str("", refresh=False)
            self._bar.n = trainer.global_step
            self._bar.refresh()  # for log files, whose next line comes much later
        # At most once per update of the bar, because reading the losses waits for the GPU.
        due = time.monotonic() - self._read_at >= self._bar.mininterval
        if due and trainer.global_step % self.every_n_steps == 0:
            self._show_losses(pl_module)
        self._bar.update(trainer.global_step - self._bar.n)

    def _show_losses(self, module: ResumableModule) -> None:
        assert self._bar is not None
        self._read_at = time.monotonic()
        named = {name: value for name, value in module.losses.items() if "/" not in name}
        values = torch.stack([value.float() for value in named.values()]).tolist()
        shown = {name: f"{value:.4g}" for name, value in zip(named, values, strict=True)}
        self._bar.set_postfix(shown, refresh=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the last state of the bar on the screen."""
        assert isinstance(pl_module, ResumableModule)
        if self._bar is not None and pl_module.losses:
            self._show_losses(pl_module)
        self._close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """End the line of the bar before the error is printed."""
        self._close()

    def _close(self) -> None:
        """End the line of the bar."""
        self._first_step.set()
        if self._clock is not None:  # otherwise it could redraw the closed bar
            self._clock.join()
            self._clock = None
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Throughput(pl.Callback):
    """Logs the throughput in images/s, in total and per device."""

    def __init__(self, every_n_steps: int) -> None:
        """Set how often to log.

        Args:
            every_n_steps: Number of steps that each logged value is the mean of.

        Raises:
            StyleNetError: The value is impossible.
        """
        check_number("callbacks.throughput.every_n_steps", every_n_steps, minimum=1, integer=True)
        self.every_n_steps = every_n_steps
        self._since: tuple[int, float] | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Log every ``every_n_steps`` steps; the first step is a warm-up and does not count."""
        step, now = trainer.global_step, time.monotonic()
        if self._since is None:
            self._since = (step, now)
        elif step - self._since[0] >= self.every_n_steps:
            images = (step - self._since[0]) * len(photos_of(batch))
            images *= trainer.accumulate_grad_batches
            speed = images / (now - self._since[1])
            pl_module.log("images_per_second", speed * trainer.world_size)
            pl_module.log("images_per_second_per_device", speed)
            self._since = (step, now)
