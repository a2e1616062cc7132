"""Replay of training steps as CUDA graphs.

An eager step of 4 photos of 256x256 launches some 1,500 kernels and takes 36 ms on an H200, most of
it waiting for Python. Replayed as CUDA graphs (H100) eager kernels take 9.5 ms, compiled ones 4.5.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor
from torch.optim import Optimizer

from stylenet.errors import first_line
from stylenet.training.optimizer import OptimizerFactory
from stylenet.training.step import ComputeLosses, Losses

_log = logging.getLogger(__name__)

# Eager steps before the capture; they compile, choose algorithms and create the optimizer's state.
_WARM_UP_STEPS = 3


def can_replay(
    mode: str, trainer: pl.Trainer, device: torch.device, optimizer: OptimizerFactory
) -> bool:
    """Return whether whole steps are captured and replayed.

    Args:
        mode: See :func:`stylenet.training.step.check_compile_mode`.
        trainer: The trainer of the run.
        device: Device of the training.
        optimizer: The optimizer of the run.

    Returns:
        Whether :class:`ReplayedStep` replaces Lightning's own step. This needs one GPU, bfloat16
        or float32 (the scaling of float16 gradients has to read them), and an optimizer that can
        be captured. With ``true`` also on a CPU, where the same code runs without a graph.
    """
    if mode == "false":
        return False
    on_gpu = device.type == "cuda"
    if not isinstance(trainer.strategy, SingleDeviceStrategy):
        reason = "several devices"
    elif trainer.precision not in ("32-true", "bf16-mixed", "64-true"):
        reason = f"precision {trainer.precision}"
    elif on_gpu and not optimizer.is_capturable:
        reason = f"the optimizer {optimizer.name}"
    else:
        return on_gpu or (mode == "true" and device.type == "cpu")
    if on_gpu and trainer.is_global_zero:
        _log.warning("With %s each step runs without a CUDA graph.", reason)
    return False


class ReplayedStep:
    """Training step on static memory, captured once and replayed for every batch.

    Two CUDA graphs: one for forward, losses and backward of a batch, one for clipping and the
    optimizer. Gradients of several batches accumulate between the two. A batch of another shape
    runs eagerly.
    """

    def __init__(
        self,
        compute_losses: ComputeLosses,
        optimizer: Optimizer,
        clip: Callable[[Optimizer], None],
        accumulate: int,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        """Prepare the step without running it.

        Args:
            compute_losses: Function from a batch to the network's output and the losses.
            optimizer: Optimizer; on a GPU it must be capturable.
            clip: Clips the gradients of the optimizer's parameters in place.
            accumulate: Batches per optimizer step.
            device: Device of the training.
            autocast: Context of the forward pass, which sets the precision.
        """
        self._compute_losses, self._optimizer, self._clip = compute_losses, optimizer, clip
        self._accumulate, self._autocast = accumulate, autocast
        self._capture = _CudaCapture(device) if device.type == "cuda" else _NoCapture()
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._inputs: list[Tensor] = []
        self._gradients: list[Tensor | None] = []
        self._replay: Callable[[], Losses] | None = None
        self._replay_update: Callable[[], None] | None = None
        self._updates = 0
        self._replayed = False
        self._may_capture = True

    def backward(self, inputs: Sequence[Tensor], first: bool) -> Losses:
        """Compute the losses of a batch and their gradients.

        Args:
            inputs: Tensors that the losses are computed from, on the device.
            first: Whether this is the first batch of an optimizer step; gradients start from zero.

        Returns:
            The network's output and the losses by name, detached; the next call overwrites them.
        """
        warm = self._updates >= _WARM_UP_STEPS
        if self._replay is None and warm and first and self._may_capture:
            self._begin_capture(inputs)
        self._replayed = self._replay is not None and _same_shapes(inputs, self._inputs)
        if not self._replayed:
            if first:
                self._forget_gradients()
            return self._capture.run(lambda: self._eager(inputs))
        assert self._replay is not None
        for static, value in zip(self._inputs, inputs, strict=True):
            static.copy_(value, non_blocking=True)
        if first:
            self._restore_gradients()
        return self._replay()

    def update(self) -> None:
        """Clip the gradients and take a step of the optimizer."""
        self._updates += 1
        if self._replayed and self._replay_update is None and self._may_capture:
            self._try(lambda: setattr(self, "_replay_update", self._capture(self._step)))
        if self._replayed and self._replay_update is not None:
            self._replay_update()
        else:
            self._capture.run(self._step)

    def _eager(self, inputs: Sequence[Tensor]) -> Losses:
        with self._autocast():
            images, values = self._compute_losses(*inputs)
        with torch.autocast(images.device.type, enabled=False):
            (values["total"] / self._accumulate).backward()
        return images.detach(), {name: value.detach() for name, value in values.items()}

    def _step(self) -> None:
        self._clip(self._optimizer)
        self._optimizer.step()

    def _begin_capture(self, inputs: Sequence[Tensor]) -> None:
        self._inputs = [value.clone() for value in inputs]
        self._forget_gradients()
        if self._accumulate > 1:  # gradients accumulate in place
            for p in self._parameters:
                p.grad = torch.zeros_like(p) if p.requires_grad else None

        def capture() -> None:
            self._replay = self._capture(lambda: self._eager(self._inputs))

        self._try(capture)
        self._gradients = [p.grad for p in self._parameters]

    def _try(self, capture: Callable[[], None]) -> None:
        """Capture; if that fails, stay eager for the rest of the run."""
        try:
            capture()
        except RuntimeError as error:
            self._may_capture, self._replay, self._replay_update = False, None, None
            self._forget_gradients()
            _log.warning("Each step runs without a CUDA graph: %s", first_line(error))

    def _forget_gradients(self) -> None:
        for p in self._parameters:
            p.grad = None

    def _restore_gradients(self) -> None:
        """Assign the captured gradients to the parameters; zero them if batches accumulate."""
        for p, gradient in zip(self._parameters, self._gradients, strict=True):
            p.grad = gradient
        if self._accumulate > 1:
            torch._foreach_zero_([g for g in self._gradients if g is not None])


class _CudaCapture:
    """Captures functions as CUDA graphs, on their own stream and memory pool."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, function: Callable[[], Any]) -> Callable[[], Any]:
        graph = torch.cuda.CUDAGraph()
        # A thread of the loader pins memory, which a global capture would forbid.
        with torch.cuda.graph(
            graph,
            pool=self._pool,
            stream=self._stream,
            capture_error_mode="thread_local",
        ):
            outputs = function()

        def replay() -> Any:
            graph.replay()
            return outputs

        return replay

    def run(self, function: Callable[[], Any]) -> Any:
        """Run eagerly on the stream of the capture, because autograd nodes stay bound to it."""
        self._stream.wait_stream(torch.cuda.current_stream(self._stream.device))
        with torch.cuda.stream(self._stream):
            outputs = function()
        torch.cuda.current_stream(self._stream.device).wait_stream(self._stream)
        return outputs


class _NoCapture:
    """Replacement for CUDA graphs on a CPU, which runs the function at each replay."""

    def __call__(self, function: Callable[[], Any]) -> Callable[[], Any]:
        return function

    def run(self, function: Callable[[], Any]) -> Any:
        return function()


def _same_shapes(first: Sequence[Tensor], second: Sequence[Tensor]) -> bool:
    shapes = [[(value.shape, value.dtype) for value in values] for values in (first, second)]
    return shapes[0] == shapes[1]
