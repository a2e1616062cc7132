"""Callback that stops a run on a signal."""

import signal
import threading
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist

# Ctrl-C, the end of a job, and Slurm's warning before that end (--signal=USR1@120).
_SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGUSR1")
    if hasattr(signal, name)  # Windows has no SIGUSR1
]


class StopOnSignal(pl.Callback):
    """Ends the run after the current step on Ctrl-C, SIGTERM or SIGUSR1, so that resuming is exact.

    Ranks may receive the signal at different steps, or only one may receive it, so they agree on
    the step after which all stop. In a run of a single process a second Ctrl-C ends the program at
    once; with several ranks it does not, because launchers send several signals by themselves.

    Attributes:
        received: The signal that ended the run, if any.
    """

    def __init__(self) -> None:
        """Initialize without a signal."""
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._alone = True
        self._pending: tuple[dist.Work, torch.Tensor] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Install signal handlers, which replace Lightning's: those would stop at once."""
        self._alone = trainer.world_size == 1
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._before[number] = signal.signal(number, self._handle)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any
    ) -> None:
        """End the run after this step if a signal was received."""
        if self._alone:
            trainer.should_stop |= self.received is not None
            return
        # The result is read one step later, so that no step waits for it.
        if self._pending is not None:
            work, signals = self._pending
            work.wait()
            if signals.item():
                self.received = signal.Signals(int(signals.item()))
                trainer.should_stop = True
        signals = torch.tensor(int(self.received or 0), device=pl_module.device)
        work = dist.all_reduce(signals, dist.ReduceOp.MAX, async_op=True)
        assert work is not None
        self._pending = work, signals

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Restore the former signal handlers."""
        if self._pending is not None:  # before the ranks disconnect
            self._pending[0].wait()
        self._restore()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Restore the former signal handlers."""
        self._restore()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Record the signal; a second Ctrl-C interrupts."""
        if self._alone and number == self.received == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)

    def _restore(self) -> None:
        """Restore the former handlers."""
        self._pending = None
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
