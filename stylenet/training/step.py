"""Losses of a training step, and their compilation."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor

from stylenet.errors import StyleNetError, check_choice, first_line

_log = logging.getLogger(__name__)

# The network's output, and losses by name; gradients are computed of ``total``.
Losses = tuple[Tensor, dict[str, Tensor]]
ComputeLosses = Callable[..., Losses]

COMPILE_MODES = ("auto", "true", "false")

# Compiling takes 50 s, or 11 s from PyTorch's cache, and saves 5 ms per step (H100, 4 x 256x256,
# VGG-19 to relu3_4). It pays from 10,000 steps on, or from 2,200.
_STEPS_WORTH_COMPILING = 6000


def check_compile_mode(mode: Any) -> str:
    """Check the option ``compile``.

    Args:
        mode: ``auto``, ``true`` or ``false``.

    Returns:
        The mode as text.

    Raises:
        StyleNetError: The mode is none of these.
    """
    mode = str(mode).lower()
    check_choice("compile", mode, COMPILE_MODES)
    return mode


def compile_losses(
    compute_losses: ComputeLosses, mode: str, steps: int, device: torch.device
) -> ComputeLosses:
    """Compile the forward pass and the losses if that saves time.

    Args:
        compute_losses: Function from a batch to the network's output and the losses.
        mode: See :func:`check_compile_mode`; ``auto`` compiles on a GPU if the run is long enough.
        steps: Remaining steps of the run.
        device: Device of the training.

    Returns:
        The compiled function, or the function itself. With ``auto`` the compiled function falls
        back to the eager one if compiling fails.
    """
    pays = device.type == "cuda" and steps >= _STEPS_WORTH_COMPILING
    if mode == "false" or (mode == "auto" and not pays):
        return compute_losses
    if mode == "auto":
        rank_zero_only(print)(
            "Compiling the training step, which takes up to a minute (compile=false skips it).",
            flush=True,
        )
    compiled = torch.compile(compute_losses, dynamic=False)
    works = True

    def run(*inputs: Tensor) -> Losses:
        nonlocal works
        if works:
            try:
                return compiled(*inputs)
            except Exception as error:
                # A missing C++ compiler or Triton, for which PyTorch has many exception classes.
                if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                    raise
                if mode == "true":
                    raise StyleNetError(
                        f"the training step cannot be compiled here ({first_line(error)}). Set "
                        f"compile=false, or install what PyTorch's compiler needs (a C++ compiler; "
                        f"on a GPU Triton)"
                    ) from error
                works = False
                _log.warning("The training step runs without compiling: %s", first_line(error))
        return compute_losses(*inputs)

    return run
