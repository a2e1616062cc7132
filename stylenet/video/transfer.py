"""Frames to a device and back; to and from a GPU without waiting for what it computes."""

import numpy as np
import torch
from torch import Tensor


def pin(pixels: np.ndarray, device: torch.device) -> np.ndarray:
    """Copy a frame into memory that a GPU reads by itself; elsewhere leave it.

    Args:
        pixels: Any array of numbers.
        device: Where it is to go.

    Returns:
        The same numbers.
    """
    return torch.from_numpy(pixels).pin_memory().numpy() if device.type == "cuda" else pixels


def upload(pixels: np.ndarray, device: torch.device) -> Tensor:
    """Bring a frame to a device. From pinned memory, see :func:`pin`, nobody waits for a GPU.

    Args:
        pixels: Has to stay as it is until what is computed from it is there.
        device: Where to.

    Returns:
        The tensor; on the CPU it shares the memory.
    """
    return torch.from_numpy(pixels).to(device, non_blocking=device.type == "cuda")


class Download:
    """A tensor on its way to the CPU."""

    def __init__(self, tensor: Tensor) -> None:
        """Begin to copy.

        Args:
            tensor: Not to be changed before the result is there.
        """
        self._event: torch.cuda.Event | None = None
        self._host = tensor
        if tensor.device.type == "cuda":
            self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._host.copy_(tensor, non_blocking=True)
            self._event = torch.cuda.Event(blocking=True)  # waiting takes no processor
            self._event.record(torch.cuda.current_stream(tensor.device))

    def result(self) -> np.ndarray:
        """Wait for the copy; from any thread.

        Returns:
            The tensor as an array.
        """
        if self._event is not None:
            self._event.synchronize()
        return self._host.cpu().numpy()
