"""Leaving in good order when asked to."""

import signal
import threading
from types import FrameType
from typing import Any

import pytorch_lightning as pl


class StopOnSignal(pl.Callback):
    """Lets the step at hand finish on Ctrl-C or SIGTERM, so that what is saved is exact.

    A second Ctrl-C ends the program at once.

    Attributes:
        received: The signal that ended the run, if one did.
    """

    def __init__(self) -> None:
        """Starts without a signal."""
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Takes the signals over, from Lightning too, which would stop at once."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """Ends the run after this step if a signal came."""
        if self.received is not None:
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Gives the signals back."""
        self._restore()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Gives the signals back."""
        self._restore()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Notes the signal; a second one gets what it got before."""
        self.received = signal.Signals(number)
        signal.signal(number, signal.default_int_handler)

    def _restore(self) -> None:
        """Puts the former handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
